"""An option that would not be heeded, or would break what is trained, is refused by its name."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from modelforge.contracts.training import TrainingConfig
from modelforge.errors import InvalidRequest
from modelforge.jobs.preflight import check_options
from modelforge.strategies import STRATEGIES
from modelforge.tasks import TASKS


def check(**fields: Any) -> None:
    config = TrainingConfig.model_validate({"task": "text-generation", "model_name": "m", "dataset": "d", **fields})
    strategy = STRATEGIES.get(config.strategy)
    check_options(config, TASKS.get(config.task), strategy)
    strategy.check(config)


PISSA, OLORA = {"init_lora_weights": "pissa"}, {"init_lora_weights": "olora"}
FULL: dict[str, Any] = {"use_lora": False}
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"strategy": "dpo", **PISSA}, "init_lora_weights: 'pissa' .* no longer the model that dpo"),
    ({"strategy": "rlhf", **OLORA}, "init_lora_weights: 'olora' .* no longer the model that rlhf"),
    ({"strategy": "qlora", **PISSA}, "init_lora_weights: 'pissa' .* 4-bit"),
    *(({**PISSA, field: True}, f"init_lora_weights: .*{field}") for field in ("use_4bit", "use_8bit")),
    *(({**OLORA, field: True}, f"init_lora_weights: .*{field}") for field in ("use_dora", "use_rslora")),
    ({**FULL, "use_rslora": True}, "use_rslora: there is no adapter"),
    ({**FULL, "use_dora": True}, "use_dora: there is no adapter"),
    ({**FULL, "loraplus_lr_ratio": 16}, "loraplus_lr_ratio: there is no adapter"),
    ({**FULL, **PISSA}, "init_lora_weights: there is no adapter"),
    ({"beta": 0.1}, "beta: it belongs to the strategy dpo, .* sft"),
    ({"strategy": "dpo", "kl_beta": 0.1}, "kl_beta: it belongs to the strategy rlhf, .* dpo"),
    ({"strategy": "qlora", "num_generations": 4}, "num_generations: it belongs to the strategy rlhf"),
    ({"doc_stride": 16}, "doc_stride: it belongs to the task extractive-question-answering"),
    ({"max_target_length": 16}, "max_target_length: it belongs to the task summarization"),
    ({"strategy": "dpo", "loss_weights": [1.0]}, "loss_weights: 1 weights for 2 losses"),
    ({"strategy": "dpo", "loss_type": ["ipo", "ipo"]}, "loss_type: a loss is named twice"),
    ({"strategy": "dpo", "label_smoothing": 0.1}, "label_smoothing: it is for the losses"),
    ({"strategy": "dpo", "loss_type": "exo_pair", "label_smoothing": 0.0}, "label_smoothing: the loss exo_pair"),
    ({"init_lora_weights": "orthogonal", "lora_r": 5}, "lora_r: .* even number, not 5"),
    ({"strategy": "dpo", "packing": True}, "packing: pairs"),
    ({"strategy": "rlhf", "reward_model": "r", "reward_learning_rate": 1e-3}, "reward_learning_rate: no reward model"),
]


@pytest.mark.parametrize(("fields", "said"), REFUSED, ids=[" ".join(map(str, fields.items())) for fields, _ in REFUSED])
def test_it_is_refused_by_name(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidRequest, match=f"^{said}"):
        check(**fields)


@pytest.mark.parametrize(
    "fields",
    [
        PISSA,
        {"strategy": "dpo", "loss_type": "ipo", "beta": 0.3},
        {"strategy": "dpo", "loss_type": ["robust", "sft"], "loss_weights": [1.0, 0.5], "label_smoothing": 0.2},
        {"strategy": "dpo", "use_dora": True, "loraplus_lr_ratio": 4},
        {"strategy": "rlhf", "num_generations": 4, "kl_beta": 0.0, "reward_model": "r"},
        {"strategy": "qlora", "use_rslora": True, "init_lora_weights": "gaussian"},
        {"task": "summarization", "rouge_language": "german", "max_target_length": 32},
        {"task": "extractive-question-answering", "doc_stride": 16, "max_answer_length": 5},
    ],
)
def test_what_goes_together_goes(fields: dict[str, Any]) -> None:
    check(**fields)


@pytest.mark.parametrize("field", [{"load_best_model_at_end": True}, {"early_stopping_patience": 2}])
def test_the_best_of_nothing_held_out_is_none(field: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="needs held-out rows"):
        check(eval_split=0.0, **field)


def test_every_option_of_a_variant_is_a_field_that_is_open_by_default() -> None:
    for variant in [*STRATEGIES, *TASKS]:
        for name in variant.options:
            assert TrainingConfig.model_fields[name].default is None

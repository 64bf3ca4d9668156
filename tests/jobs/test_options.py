"""An option that would not be heeded, or would break what is trained, is refused by its name. Defaults come from the
machine where the request says nothing; what the machine cannot do is refused."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from modelforge.contracts.training import TrainingConfig
from modelforge.errors import InvalidRequest
from modelforge.hardware import Gpu, Hardware
from modelforge.jobs import options
from modelforge.jobs.options import check_options
from modelforge.strategies import STRATEGIES
from modelforge.tasks import TASKS


def machine(device: str = "cpu", gpu_gb: float = 0, capability: float = 8.0, **fields: Any) -> Hardware:
    gpus = [Gpu(name="GPU", memory_gb=gpu_gb, compute_capability=capability)] if gpu_gb else []
    found = {"fast_bf16": capability >= 8 and device == "cuda", "compute_specs": "low_end", **fields}
    return Hardware(system="Test", cpu_count=2, memory_gb=32, gpus=gpus, device=device, **found)  # type: ignore[arg-type]


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


def filled(hardware: Hardware, **fields: Any) -> TrainingConfig:
    config = TrainingConfig(task="text-generation", model_name="m", dataset="d", **fields)
    return options.fill_defaults(config, TASKS.get(config.task), STRATEGIES.get(config.strategy), hardware)


@pytest.mark.parametrize("specs", options.COMPUTE_SPECS)
def test_every_class_of_machine_learns_from_four_examples_a_step(specs: str) -> None:
    for config in (filled(machine(), compute_specs=specs), filled(machine(compute_specs=specs))):
        assert config.compute_specs == specs
        assert config.per_device_train_batch_size is not None and config.gradient_accumulation_steps is not None
        assert config.per_device_train_batch_size * config.gradient_accumulation_steps == 4


def test_the_contracts_defaults() -> None:
    config = filled(machine())
    assert (config.lora_r, config.lora_alpha, config.lora_dropout, config.learning_rate) == (16, 32, 0.1, 2e-4)
    assert (config.per_device_train_batch_size, config.gradient_accumulation_steps) == (1, 4)
    assert (config.use_4bit, config.use_8bit, config.fp16, config.bf16) == (False, False, False, False)
    assert config.bnb_4bit_compute_dtype == "float32" and config.optim == "adamw_torch_fused"
    assert (config.num_train_epochs, config.max_steps, config.max_grad_norm) == (1, -1, 0.3)
    assert (config.weight_decay, config.lr_scheduler_type, config.warmup_ratio) == (0.001, "cosine", 0.03)
    assert (config.group_by_length, config.eval_split, config.seed, config.use_lora) == (True, 0.2, 42, True)


def test_the_request_wins() -> None:
    asked = {"lora_dropout": 0.0, "learning_rate": 1e-3, "per_device_train_batch_size": 7, "bf16": True, "optim": "sgd"}
    config = filled(machine(compute_specs="high_end"), **asked)
    assert {name: getattr(config, name) for name in asked} == asked
    assert config.gradient_accumulation_steps == 1


@pytest.mark.parametrize(
    ("hardware", "bf16", "fp16"),
    [
        (machine("cuda", 24), True, False),
        (machine("cuda", 16, capability=7.5), False, True),
        (machine(fast_bf16=True), True, False),
        (machine(), False, False),
        (machine("mps", 16, fast_bf16=False), False, False),
    ],
)
def test_precision_follows_the_hardware(hardware: Hardware, bf16: bool, fp16: bool) -> None:
    config = filled(hardware)
    assert (config.bf16, config.fp16) == (bf16, fp16)
    options.check_precision(config, hardware)


@pytest.mark.parametrize(
    ("hardware", "fields", "said"),
    [
        (machine(), {"fp16": True}, "needs an NVIDIA GPU"),
        (machine("cuda", 16, capability=7.5), {"bf16": True}, "set fp16 instead"),
        (machine("mps", 16), {"use_4bit": True}, "Apple's GPU"),
    ],
)
def test_what_the_machine_cannot_do_is_refused(hardware: Hardware, fields: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidRequest, match=said):
        options.check_precision(filled(hardware, **fields), hardware)

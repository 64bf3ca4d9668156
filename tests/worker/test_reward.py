"""A reward model beside the policy: scores as one that stands alone, and leaves the policy as it was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from modelforge.errors import InvalidRequest
from tests.tiny import make_tiny_tokenizer

PROMPTS = [[5, 9, 12], [7, 33, 21, 8]]
ANSWERS = [[40, 41, 3], [6, 3]]
TEXTS = [json.dumps("What?"), json.dumps([{"role": "user", "content": "Who?"}])]


def policy_of(folder: Path) -> Any:
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder)
    return get_peft_model(model, LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM"))


def filled(model: Any, marks: tuple[str, ...]) -> Any:
    """The same with adapters that do something."""
    import torch

    torch.manual_seed(5)
    for name, parameter in model.named_parameters():
        if any(f"lora_B.{mark}" in name for mark in marks):
            parameter.data.normal_(std=0.1)
    return model


@pytest.fixture(scope="module")
def saved(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reward model in a folder, as a run leaves it."""
    from modelforge.worker import reward

    model = policy_of(tiny_model)
    reward.add_reward_adapter(model)
    filled(model, ("reward",))
    scorer = reward.Scorer(model.get_base_model())
    folder = tmp_path_factory.mktemp("saved") / "reward"
    reward.save_reward_model(model, scorer, make_tiny_tokenizer(), folder)
    return folder


def alone(saved: Path) -> list[float]:
    """The scores by transformers and PEFT alone."""
    import torch
    from peft import AutoPeftModelForSequenceClassification

    model = AutoPeftModelForSequenceClassification.from_pretrained(saved, num_labels=1).eval()
    model.config.pad_token_id = 0
    with torch.no_grad():
        rows = [torch.tensor([p + a]) for p, a in zip(PROMPTS, ANSWERS, strict=True)]
        return [float(model(input_ids=row).logits[0, 0]) for row in rows]


def test_the_shared_judge_scores_as_the_model_alone(tiny_model: Path, saved: Path) -> None:
    from modelforge.worker import reward

    model = filled(policy_of(tiny_model), ("default",)).train()
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert trained and all(".default." in name for name in trained)
    scorer = reward.load_reward_adapter(model, saved)
    judge = reward.SharedJudge(model, scorer, 0)
    expected = alone(saved)
    assert abs(expected[0] - expected[1]) > 1e-3
    for _ in range(2):
        assert judge(PROMPTS, ANSWERS, TEXTS) == pytest.approx(expected, abs=1e-5)
        assert model.active_adapter == "default" and model.training
        assert {name for name, parameter in model.named_parameters() if parameter.requires_grad} == trained
    with model.disable_adapter():
        # The policy is measured as it was: the judge judges all the same, and the policy stays as it was.
        before = logits(model)
        assert judge(PROMPTS, ANSWERS, TEXTS) == pytest.approx(expected, abs=1e-5)
        assert (logits(model) == before).all()
    assert not (logits(model) == before).all()


def logits(model: Any) -> Any:
    import torch

    with torch.no_grad():
        return model(input_ids=torch.tensor([PROMPTS[1]])).logits


def foreign(folder: Path, labels: int) -> Path:
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=500, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        num_labels=labels,
    )  # fmt: skip
    BertForSequenceClassification(config).save_pretrained(folder)
    make_tiny_tokenizer(chat_template=None).save_pretrained(folder)
    return folder


def test_any_model_with_one_label_can_judge(tmp_path: Path) -> None:
    import torch

    from modelforge.worker.reward import ForeignJudge, load_foreign

    model, tokenizer = load_foreign(str(foreign(tmp_path / "one", 1)), "cpu", trust_remote_code=False)
    said = {40: "yes", 6: "no"}
    scores = ForeignJudge(model, tokenizer, lambda ids: said[ids[0]])(PROMPTS, ANSWERS, TEXTS)
    with torch.no_grad():
        rows = [tokenizer(text, return_tensors="pt")["input_ids"] for text in ("What?\nyes", "Who?\nno")]
        assert scores == pytest.approx([float(model(input_ids=row).logits[0, 0]) for row in rows], abs=1e-5)
    with pytest.raises(InvalidRequest, match="gives 2 numbers, and a reward model gives one"):
        load_foreign(str(foreign(tmp_path / "two", 2)), "cpu", trust_remote_code=False)

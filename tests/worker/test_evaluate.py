"""The loss on held-out rows is the mean over learnt tokens, and measuring it changes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.tiny import TALK


@pytest.fixture(scope="module")
def trainer_of(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Makes a trainer whose held-out rows are TALK, by the size of its evaluation batches."""
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import SFTConfig

    from datasets import Dataset
    from modelforge.contracts.training import TrainingConfig
    from modelforge.tasks import TASKS
    from modelforge.tasks.base import Head
    from modelforge.worker.answers import AnswerTrainer

    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    model = AutoModelForCausalLM.from_pretrained(tiny_model)
    config = TrainingConfig(task="text-generation", model_name="m", dataset="d", max_seq_length=256)
    task = TASKS.get("text-generation")
    encoded = [e for q, a in TALK for e in task.encode(tokenizer, {"input": q, "output": a}, config, Head.CAUSAL)]
    rows = Dataset.from_list([dict(e.columns) for e in encoded])

    def make(batch: int) -> Any:
        arguments = SFTConfig(
            output_dir=str(tmp_path_factory.mktemp("out")), use_cpu=True, bf16=False, report_to="none",
            per_device_eval_batch_size=batch, gradient_checkpointing=False, prediction_loss_only=True,
            max_length=None, dataset_kwargs={"skip_prepare_dataset": True},
        )  # fmt: skip
        return AnswerTrainer(
            model=model, args=arguments, processing_class=tokenizer, train_dataset=rows, eval_dataset=rows
        )

    return make


def expected(trainer: Any) -> float:
    """The same by hand, one row at a time."""
    import torch
    from torch.nn.functional import cross_entropy

    total, count = 0.0, 0
    for row in trainer.eval_dataset:
        ids, labels = torch.tensor([row["input_ids"]]), torch.tensor(row["labels"])
        with torch.no_grad():
            logits = trainer.model(input_ids=ids).logits[0, :-1]
        total += float(cross_entropy(logits, labels[1:], ignore_index=-100, reduction="sum"))
        count += int((labels[1:] != -100).sum())
    return total / count


@pytest.mark.parametrize("batch", [1, 4])
def test_the_loss_is_per_learnt_token(trainer_of: Any, batch: int) -> None:
    from modelforge.worker.evaluate import Evaluation

    trainer = trainer_of(batch)
    Evaluation(trainer, lambda: None)
    assert trainer.evaluate()["eval_loss"] == pytest.approx(expected(trainer), rel=1e-5)
    assert trainer.state.log_history[-1]["eval_loss"] == pytest.approx(expected(trainer), rel=1e-5)


def test_it_leaves_no_trace(trainer_of: Any) -> None:
    import torch

    from modelforge.worker.evaluate import Evaluation

    trainer = trainer_of(2)
    before = torch.random.get_rng_state()
    Evaluation(trainer, lambda: None)()
    assert torch.equal(torch.random.get_rng_state(), before)


def test_it_can_be_stopped(trainer_of: Any) -> None:
    from modelforge.worker.evaluate import Evaluation
    from modelforge.worker.report import StopRequested

    def stop() -> None:
        raise StopRequested

    with pytest.raises(StopRequested):
        Evaluation(trainer_of(2), stop)()

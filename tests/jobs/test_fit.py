"""What a machine has the memory for, and what of the same would fit where it has not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from modelforge.contracts.job import DatasetRef
from modelforge.errors import InvalidRequest
from modelforge.hardware import Gpu, Hardware
from modelforge.jobs import fit
from modelforge.strategies import STRATEGIES
from modelforge.tasks.base import Head
from tests.test_memory import LLAMA, SEVENTY_BILLION, settings


def machine(memory_gb: float, **fields: Any) -> Hardware:
    given = {"system": "Test", "cpu_count": 2, "device": "cpu", "fast_bf16": True, "compute_specs": "low_end"}
    return Hardware.model_validate({**given, "memory_gb": memory_gb, **fields})


@pytest.fixture
def data(tmp_path: Path) -> DatasetRef:
    file = tmp_path / "rows.jsonl"
    file.write_text((json.dumps({"input": "question " * 400, "output": "answer"}) + "\n") * 10)
    return DatasetRef(name="rows", path=str(file), sha256="", num_examples=10, shape="input_output")


def checked(model: dict[str, Any], hardware: Hardware, data: DatasetRef, **fields: Any) -> list[str]:
    config = settings(**{"compute_specs": "low_end", **fields})
    found = fit.weigh(config, fit.Scales(model, Head.CAUSAL, STRATEGIES.get(config.strategy), hardware), [data])
    assert found is not None
    return fit.check_memory(config, found)


def test_what_this_machine_cannot_hold_is_refused(data: DatasetRef) -> None:
    with pytest.raises(InvalidRequest, match=r"needs at least 1\d\d\.\d GB: weights 1\d\d\.\d, .*smaller model"):
        checked(SEVENTY_BILLION, machine(16), data)
    with pytest.raises(InvalidRequest, match=r"This machine has 64\.0 GB\. What would fit: strategy 'qlora'"):
        checked(SEVENTY_BILLION, machine(64), data)
    gpu = machine(16, device="cuda", gpus=[Gpu(name="GPU", memory_gb=80)])
    with pytest.raises(InvalidRequest, match=r"has 80\.0 GB"):
        checked(SEVENTY_BILLION, gpu, data)
    assert "gradient_checkpointing" in checked(SEVENTY_BILLION, gpu, data, strategy="qlora")[0]
    assert checked(SEVENTY_BILLION, gpu, data, strategy="qlora", gradient_checkpointing=True) == []


def test_what_would_fit_is_told(data: DatasetRef) -> None:
    with pytest.raises(InvalidRequest, match="What would fit: use_lora true, or use_4bit true") as caught:
        checked(LLAMA, machine(1.5), data, use_lora=False, packing=False, strategy="dpo", max_seq_length=64)
    assert "optimizer" in str(caught.value)
    with pytest.raises(InvalidRequest, match="What would fit: max_seq_length 1024"):
        checked(LLAMA, machine(2.5), data, packing=False, max_seq_length=2048)


def test_rows_that_are_short_are_not_refused_for_a_limit_that_is_not(data: DatasetRef) -> None:
    Path(data.path).write_text('{"input": "1 + 1", "output": "2"}\n' * 10)
    assert checked(LLAMA, machine(2.5), data, packing=False, max_seq_length=2048) == []


def test_what_does_not_fit_now_is_told(data: DatasetRef, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fit, "free_of", lambda _: 820.0)
    assert "0.8 GB are free now: close" in checked(LLAMA, machine(16), data)[0]
    monkeypatch.setattr(fit, "free_of", lambda _: 1220.0)
    assert "gradient_checkpointing" in checked(LLAMA, machine(16), data)[0]
    monkeypatch.setattr(fit, "free_of", lambda _: 16_000.0)
    assert checked(LLAMA, machine(16), data) == []

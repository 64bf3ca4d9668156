"""The memory estimate: its parts, how they grow, and what the worker makes of it."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from modelforge.contracts.base import now
from modelforge.contracts.job import DatasetRef, ModelRef, RunSpec
from modelforge.contracts.preflight import MemoryEstimate
from modelforge.contracts.training import Optimizer, TrainingConfig
from modelforge.memory import CHUNK, GROUP_SCORES, OPTIMIZER_BYTES, WHOLE, Batch, Shape, estimate, storage
from modelforge.tasks.base import Head

LLAMA = {
    "model_type": "llama",
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "vocab_size": 49_152,
    "max_position_embeddings": 2048,
    "rms_norm_eps": 1e-6,
    "tie_word_embeddings": True,
}
"""SmolLM2-135M's."""
SEVENTY_BILLION = {
    **LLAMA,
    "hidden_size": 8192,
    "intermediate_size": 28_672,
    "num_hidden_layers": 80,
    "num_attention_heads": 64,
    "num_key_value_heads": 8,
    "vocab_size": 128_256,
    "tie_word_embeddings": False,
}


def settings(**fields: Any) -> TrainingConfig:
    given = {"task": "text-generation", "model_name": "m", "dataset": "d", "bf16": True, "lora_dropout": 0.0}
    return TrainingConfig.model_validate({**given, **fields})


def told(
    model: dict[str, Any] = LLAMA, tokens: int = 1024, longest: int = 400, engine: bool = True, **fields: Any
) -> MemoryEstimate:
    options = {name: fields.pop(name) for name in ("device", "head") if name in fields}
    found = estimate(model, settings(**fields), Batch(tokens, longest), engine=engine, **{"device": "cpu", **options})
    assert found is not None
    return found


def test_the_parts_add_up_and_are_told() -> None:
    found = told()
    assert found.total == pytest.approx(sum(found.model_dump().values()))
    said = found.told()
    assert said.startswith(f"{found.total / 1e3:.1f} GB: weights 0.3, ") and "activations 0." in said
    assert "adapter" not in said  # 20 MB


@pytest.mark.parametrize(
    ("name", "weights"), [("llama", 134_515_008), ("gpt2", 124_439_808), ("bert", 108_893_186), ("t5", 60_506_624)]
)
def test_weights_are_counted_as_transformers_makes_them(name: str, weights: int) -> None:
    """SmolLM2-135M, GPT-2, BERT base with a head for spans, T5 small: what their models have, norms and biases too."""
    models: dict[str, dict[str, Any]] = {
        "llama": LLAMA,
        "gpt2": {
            "model_type": "gpt2",
            "n_embd": 768,
            "n_layer": 12,
            "n_head": 12,
            "n_positions": 1024,
            "vocab_size": 50_257,
        },
        "bert": {
            "model_type": "bert",
            "hidden_size": 768,
            "num_hidden_layers": 12,
            "num_attention_heads": 12,
            "intermediate_size": 3072,
            "max_position_embeddings": 512,
            "vocab_size": 30_522,
        },
        "t5": {
            "model_type": "t5",
            "is_encoder_decoder": True,
            "d_model": 512,
            "d_ff": 2048,
            "d_kv": 64,
            "num_layers": 6,
            "num_heads": 8,
            "vocab_size": 32_128,
        },
    }
    shape = Shape.of(models[name])
    assert shape is not None
    assert shape.weights == pytest.approx(weights, rel=0.005)


@pytest.mark.parametrize(
    ("kind", "use_lora", "writes"), [("t5", True, False), ("t5", False, True), ("longt5", True, True)]
)
def test_scores_that_are_written_down_grow_with_the_length(kind: str, use_lora: bool, writes: bool) -> None:
    config = {**LLAMA, "model_type": kind, "is_encoder_decoder": True}
    short, long = (
        told(config, longest=longest, engine=False, head=Head.SEQ2SEQ, use_lora=use_lora) for longest in (100, 500)
    )
    assert (long.activations > 1.2 * short.activations) == writes
    assert writes or long.activations == short.activations


def test_a_model_of_unknown_size_has_no_estimate() -> None:
    assert estimate({"model_type": "new"}, settings(), Batch(1024, 400), device="cpu", engine=False) is None


def test_a_model_within_a_model() -> None:
    assert told({"model_type": "gemma3", "text_config": LLAMA}) == told()


def test_how_it_grows() -> None:
    once, deep = told(), told({**LLAMA, "num_hidden_layers": 60})
    assert deep.adapter == 2 * once.adapter and deep.optimizer == 2 * once.optimizer
    assert 1.9 < deep.activations / once.activations < 2
    assert deep.logits == once.logits
    assert told(lora_r=32).adapter == 2 * once.adapter
    longer = told(tokens=2048)
    assert 1.9 < longer.activations / once.activations < 2.01
    assert longer.logits == once.logits  # a chunk of them
    plain = told(engine=False)
    assert told(tokens=2048, engine=False).logits == 2 * plain.logits > 2 * once.logits
    assert told({**LLAMA, "vocab_size": 2 * 49_152}).logits == 2 * once.logits
    full = told(bf16=False)
    assert full.weights == 2 * once.weights and 1.5 < full.activations / once.activations < 2


def test_what_takes_less() -> None:
    once = told()
    assert told(gradient_checkpointing=True).activations < 0.2 * once.activations
    four, eight = told(strategy="qlora"), told(use_8bit=True)
    assert four.weights < eight.weights < once.weights
    assert told(SEVENTY_BILLION, strategy="qlora").weights == pytest.approx(
        0.3 * told(SEVENTY_BILLION).weights, rel=0.1
    )
    assert told(target_modules=["q_proj", "v_proj"]).adapter < 0.3 * once.adapter
    assert told(target_modules=r".*self_attn\.q_proj").adapter < 0.2 * once.adapter
    assert told(target_modules=["c_attn"]).adapter == once.adapter  # not the family's name: all layers


def test_without_a_compiler_it_takes_more(monkeypatch: pytest.MonkeyPatch) -> None:
    once = told()
    monkeypatch.setattr("modelforge.memory.cxx", lambda: None)
    without = told()
    assert without.activations > 1.2 * once.activations
    assert without.logits > once.logits


def test_weights_that_need_no_other_type_stay_mapped() -> None:
    once = told()
    assert told({**LLAMA, "dtype": "float32"}).weights == once.weights
    assert 1.3 < told({**LLAMA, "dtype": "bfloat16"}).weights / once.weights < 1.7
    assert told({**LLAMA, "dtype": "bfloat16"}, engine=False).weights == once.weights
    four = told({**LLAMA, "dtype": "bfloat16"}, strategy="qlora").weights - told(strategy="qlora").weights
    assert four == pytest.approx(2 * 106.2, rel=0.01)
    assert told({**LLAMA, "torch_dtype": "float32"}, bf16=False).weights > 1.3 * told(bf16=False).weights


def test_all_weights() -> None:
    whole = told(engine=False, use_lora=False)
    assert whole.adapter == 0
    assert whole.optimizer == pytest.approx(3 * whole.weights)  # a gradient and two moments, all float32
    assert told(engine=False, use_lora=False, optim="sgd").optimizer == pytest.approx(whole.weights)
    assert told(engine=False, use_lora=False, strategy="dpo").weights == 2 * whole.weights  # and its reference


def test_every_optimizer_is_known() -> None:
    assert set(OPTIMIZER_BYTES) == set(Optimizer.__args__)  # type: ignore[attr-defined]


def test_a_gpu_holds_no_libraries_of_the_hosts() -> None:
    assert told(device="cuda").overhead < 0.5 * told().overhead


def test_copies_of_the_engines_numbers() -> None:
    from modelforge.engine import attention, loss, lowrank

    assert (loss.CHUNK, attention.GROUP_SCORES, lowrank.WHOLE) == (CHUNK, GROUP_SCORES, WHOLE)


def test_the_estimate_and_the_preflight_need_no_torch() -> None:
    code = "import sys, modelforge.memory, modelforge.jobs.preflight; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def spec(**fields: Any) -> RunSpec:
    return RunSpec(
        job_id="train_1",
        name="n",
        created_at=now(),
        config=settings(**fields),
        device="cpu",
        dataset=DatasetRef(name="d", path="d", sha256="", num_examples=1, shape="input_output"),
        model=ModelRef(name="m", source="folder", path="m"),
        output_dir="o",
        modelforge_version="0",
    )


def test_the_worker_prefers_shorter_rows_to_checkpointing() -> None:
    from modelforge.worker.choices import Way, way_that_fits

    batch = Batch(tokens=1900, longest=300)

    def way(free_gb: float, engine: bool = True, longest: int = 300, **fields: Any) -> Way:
        return way_that_fits(
            spec(**fields),
            LLAMA,
            Head.CAUSAL,
            Batch(batch.tokens, longest),
            engine=engine,
            long=False,
            free=free_gb * 1e9,
        )

    assert way(8) == Way(False, 1024)
    assert way(1.3) == Way(False, 512)
    assert way(1.1) == Way(False, 300)
    assert way(1.05) == Way(True, 1024)
    assert way(0.1) == Way(True, 300)
    assert way(8, longest=1800) == Way(False, 1800)
    assert way(1.3, longest=1800) == Way(True, 1800)
    assert way(2, gradient_checkpointing=True) == Way(True, 1024)
    assert way(0.1, gradient_checkpointing=False) == Way(False, 300)
    assert way(8, engine=False) == Way(False, None)
    assert way(4, engine=False) == Way(True, None)
    assert way(1.6, strategy="dpo") == Way(True, 1024)


def test_on_a_gpu_it_prefers_checkpointing_to_shorter_rows() -> None:
    from modelforge.worker.choices import Way, way_that_fits
    from modelforge.worker.lengths import row_tokens

    def way(tokens: int, free_gb: float = 100, engine: bool = True, **fields: Any) -> Way:
        there = spec(**fields).model_copy(update={"device": "cuda"})
        return way_that_fits(
            there, LLAMA, Head.CAUSAL, Batch(tokens, 300), engine=engine, long=True, free=free_gb * 1e9
        )

    best = row_tokens(LLAMA, long=True)
    assert best == 32768  # a small model needs many tokens to keep a GPU busy
    assert row_tokens(SEVENTY_BILLION, long=True) == 1024 == row_tokens(LLAMA, long=False)
    assert 1024 < row_tokens({**LLAMA, "hidden_size": 2048}, long=True) < best
    assert way(60) == Way(False, best)
    assert way(1900) == Way(True, best)  # more than a tenth of all else
    assert way(1900, gradient_checkpointing=False) == Way(False, best)
    assert way(60, gradient_checkpointing=True) == Way(True, best)
    assert way(30_000, free_gb=2.5) == Way(True, best // 2)
    assert way(30_000, free_gb=0.1) == Way(True, 300)
    assert way(1900, engine=False) == Way(False, None)


def test_the_largest_batch_of_rows() -> None:
    from datasets import Dataset
    from modelforge.worker.choices import largest_batch

    lengths = [10, 40, 20, 30, 50, 5, 5, 5]
    rows = Dataset.from_dict({"input_ids": [[1] * length for length in lengths]})
    config = settings(per_device_train_batch_size=2, gradient_accumulation_steps=4)
    assert largest_batch(config, rows, lengths, Head.CAUSAL, engine=True) == Batch(sum(lengths), 50)
    assert largest_batch(config, rows, lengths, Head.CAUSAL, engine=False) == Batch(100, 50)
    pairs = Dataset.from_dict({"prompt_ids": [[1] * 10], "chosen_ids": [[1] * 5], "rejected_ids": [[1] * 20]})
    config = settings(per_device_train_batch_size=2, strategy="dpo")
    assert largest_batch(config, pairs, [35], Head.CAUSAL, engine=True) == Batch(45, 30)
    assert largest_batch(config, pairs, [35], Head.CAUSAL, engine=False) == Batch(120, 30)
    texts = Dataset.from_dict({"input_ids": [[1] * 30], "labels": [[1] * 7]})
    assert largest_batch(settings(), texts, [37], Head.SEQ2SEQ, engine=False) == Batch(37, 37, answers=7)


def test_what_a_run_writes() -> None:
    def written(**fields: Any) -> tuple[float, int, float]:
        found = storage(LLAMA, settings(**fields))
        assert found is not None
        return round(found.checkpoint, 1), found.checkpoints, round(found.model, 1)

    # 4 884 480 weights of the adapter; Adam remembers twice as many numbers.
    assert written() == (58.6, 3, 22.5)
    assert written(optim="sgd", save_total_limit=5) == (19.5, 6, 22.5)
    assert written(load_best_model_at_end=True)[1] == 4
    assert written(init_lora_weights="pissa")[2] == 42.0
    # 134.5 million weights, all of them; the norms are not counted.
    assert written(use_lora=False) == (1613.8, 3, 540.9)
    assert written(strategy="rlhf") == (58.6, 5, 42.0)
    assert storage({}, settings()) is None

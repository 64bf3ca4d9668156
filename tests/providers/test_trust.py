"""What a request must allow by name: Python code that comes with a model, and weights that are pickled."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from modelforge.errors import InvalidRequest
from modelforge.providers import PROVIDERS
from modelforge.tasks import TASKS
from modelforge.tasks.base import Head
from tests.providers.test_huggingface import spec_of
from tests.tiny import make_tiny_tokenizer

PROVIDER = PROVIDERS.get("huggingface")
TASK = TASKS.get("text-generation")

CODE = """
from pathlib import Path

from transformers import LlamaConfig, LlamaForCausalLM

Path({mark!r}).touch()


class OwnConfig(LlamaConfig):
    model_type = "own-kind"


class OwnForCausalLM(LlamaForCausalLM):
    config_class = OwnConfig

    def forward(self, *args, **kwargs):
        outputs = super().forward(*args, **kwargs)
        outputs.logits = outputs.logits * 2
        return outputs
"""


@pytest.fixture
def own(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model of a kind that transformers doesn't know, whose code leaves a mark where it is run."""
    from transformers import dynamic_module_utils

    monkeypatch.setattr(dynamic_module_utils, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    folder = tmp_path / "own"
    folder.mkdir()
    for file in tiny_model.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    config = json.loads((folder / "config.json").read_text())
    classes = {"AutoConfig": "own_code.OwnConfig", "AutoModelForCausalLM": "own_code.OwnForCausalLM"}
    config |= {"model_type": "own-kind", "architectures": ["OwnForCausalLM"], "auto_map": classes}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "own_code.py").write_text(CODE.format(mark=str(tmp_path / "run")))
    return folder


def logits(model: Any) -> Any:
    import torch

    model.eval()
    with torch.no_grad():
        return model(input_ids=torch.tensor([[5, 9, 12, 40]])).logits


def test_code_of_a_model_is_not_run_unasked(own: Path, tmp_path: Path) -> None:
    spec = spec_of(own, tmp_path / "models" / "made")
    for attempt in (
        lambda: PROVIDER.config(spec.model),
        lambda: PROVIDER.load(spec, Head.CAUSAL),
        lambda: PROVIDER.load_trained(str(own), TASK, "cpu"),
        lambda: PROVIDER.trained_bytes(str(own), TASK, "cpu"),
    ):
        with pytest.raises(InvalidRequest, match="trust_remote_code") as refused:
            attempt()
        assert "\n" not in refused.value.detail
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("use_lora", [True, False])
def test_code_of_a_model_is_run_where_the_request_says_so(
    own: Path, tiny_model: Path, tmp_path: Path, use_lora: bool
) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    from modelforge.worker.save import save_model

    spec = spec_of(own, tmp_path / "models" / "made", trust_remote_code=True, use_lora=use_lora)
    assert PROVIDER.config(spec.model, trust_remote_code=True)["model_type"] == "own-kind"
    model, tokenizer = PROVIDER.load(spec, Head.CAUSAL)
    assert (tmp_path / "run").exists()
    torch.testing.assert_close(logits(model), 2 * logits(AutoModelForCausalLM.from_pretrained(tiny_model)))
    # What is trained so is talked to so.
    save_model(model, tokenizer, spec, {})
    loaded = PROVIDER.load_trained(spec.output_dir, TASK, "cpu")
    torch.testing.assert_close(logits(loaded.model), logits(model))


def test_code_beside_a_known_model_is_left_alone(own: Path, tiny_model: Path, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    config = json.loads((own / "config.json").read_text())
    (own / "config.json").write_text(json.dumps({**config, "model_type": "llama"}))
    model, _ = PROVIDER.load(spec_of(own, tmp_path / "models" / "made"), Head.CAUSAL)
    torch.testing.assert_close(logits(model), logits(AutoModelForCausalLM.from_pretrained(tiny_model)))
    assert not (tmp_path / "run").exists()


def test_pickled_weights_are_read_where_the_request_says_so(tiny_model: Path, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    from modelforge.worker.save import save_model

    folder = tmp_path / "pickled"
    folder.mkdir()
    model = AutoModelForCausalLM.from_pretrained(tiny_model)
    model.config.save_pretrained(folder)
    make_tiny_tokenizer().save_pretrained(folder)
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    with pytest.raises(InvalidRequest, match="cannot be loaded") as refused:
        PROVIDER.load(spec_of(folder, tmp_path / "models" / "made"), Head.CAUSAL)
    assert "\n" not in refused.value.detail
    spec = spec_of(folder, tmp_path / "models" / "made", use_safetensors=False)
    loaded, tokenizer = PROVIDER.load(spec, Head.CAUSAL)
    torch.testing.assert_close(logits(loaded), logits(model))
    save_model(loaded, tokenizer, spec, {})
    torch.testing.assert_close(logits(PROVIDER.load_trained(spec.output_dir, TASK, "cpu").model), logits(model))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model_type": "xyz"}, "has model type `xyz`"),
        ({"hidden_size": "many"}, "'hidden_size' expected int"),
        ({"hidden_size": 36}, "weights are of other sizes than its config.json says"),
    ],
)
def test_what_cannot_be_loaded_is_told_in_a_sentence(
    tiny_model: Path, tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    for file in tiny_model.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **change}))
    with pytest.raises(InvalidRequest, match=r"^model 'm' ") as refused:
        PROVIDER.load(spec_of(folder, tmp_path / "models" / "made"), Head.CAUSAL)
    assert said in refused.value.detail
    assert "\n" not in refused.value.detail and "pip install" not in refused.value.detail

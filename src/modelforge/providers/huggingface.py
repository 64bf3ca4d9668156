"""Models that transformers loads: from the hub, a local folder, the package, or an earlier run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from modelforge.catalogue import bundled_model
from modelforge.contracts.job import ModelRef, RunSpec
from modelforge.contracts.training import TrainingConfig
from modelforge.errors import Forbidden, InvalidRequest, NotFound
from modelforge.files import read_text_or_none
from modelforge.providers.base import Provider
from modelforge.tasks.base import Head

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase


class HuggingFace(Provider):
    """transformers and PEFT. Weights come from safetensors only, and no code from a model's repository is run."""

    name: ClassVar[str] = "huggingface"

    def load(self, spec: RunSpec, head: Head) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
        """The base model with its adapter, or whole for full tuning, on the CPU (the trainer moves it); the tokenizer.

        Weights that are tuned themselves are float32; frozen ones have the type that is computed in.
        Raises InvalidRequest, NotFound or Forbidden where the model cannot be had or is not of the right kind.
        """
        from transformers import set_seed  # noqa: PLC0415 - torch stays in the worker

        config = spec.config
        tokenizer = _tokenizer(spec.model)
        model = _base(spec.model, _training_dtype(config), _quantization(config), spec.device)
        _check_vocabulary(model, tokenizer, spec.model.name)
        model.config.use_cache = False
        set_seed(config.seed)  # the adapter's start is random; an exact resume needs the seed before it
        if spec.model.adapter:
            model = _with_earlier_adapter(model, spec.model.adapter, merge=not config.use_lora)
        elif config.use_lora:
            model = _with_new_adapter(model, config)
        return model, tokenizer

    def load_trained(self, path: str, device: str) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
        """A model ready to generate on ``device``: a run's output folder, or a base model's folder or hub id.

        Raises InvalidRequest, NotFound or Forbidden where it cannot be had or is not of the right kind.
        """
        trained = _trained(path, device)
        tokenizer = _tokenizer(trained.own)
        model: Any = _base(trained.base, trained.dtype, trained.quantization, device)
        _check_vocabulary(model, tokenizer, trained.own.name)
        if trained.adapter:
            from peft import PeftModel  # noqa: PLC0415

            # Not merged: in half precision a merge rounds small changes away, and what was trained is not merged.
            with _explained(trained.own):
                model = PeftModel.from_pretrained(model, trained.adapter)
        return (model if trained.quantization else model.to(device)).eval(), tokenizer

    def trained_bytes(self, path: str, device: str) -> int:
        """Bytes of the weights that ``load_trained`` would hold, by the model's configuration alone. Raises alike."""
        import torch  # noqa: PLC0415
        from transformers import AutoModelForCausalLM  # noqa: PLC0415

        trained = _trained(path, device)
        with _explained(trained.base), torch.device("meta"):
            model = AutoModelForCausalLM.from_config(_causal_config(trained.base), dtype=trained.dtype)
        if trained.quantization is None:
            return int(model.get_memory_footprint())
        # Embeddings stay as they are; all else that counts takes 4 or 8 bits a weight.
        bits = 4 if trained.quantization.load_in_4bit else 8
        kept = model.get_input_embeddings().weight.numel()
        return int(kept * trained.dtype.itemsize + (model.num_parameters() - kept) * bits // 8)


@dataclass(frozen=True)
class _Trained:
    """How a model is loaded to generate."""

    own: ModelRef
    """Where its tokenizer lies, and its name."""
    base: ModelRef
    """Where its weights lie; for an adapter, those that it was trained on."""
    dtype: torch.dtype
    quantization: Any = None
    adapter: str | None = None


def _trained(path: str, device: str) -> _Trained:
    import torch  # noqa: PLC0415

    text = read_text_or_none(Path(path) / "spec.json")
    if text is None:
        ref = ModelRef(name=path, source="folder" if Path(path).is_dir() else "hub", path=path)
        return _Trained(ref, ref, _resting_dtype(device))
    with _explained(ModelRef(name=path, source="folder", path=path)):
        spec = RunSpec.model_validate_json(text)
    own = ModelRef(name=spec.name, source="folder", path=path)
    if not (Path(path) / "adapter_config.json").is_file():
        return _Trained(own, own, _resting_dtype(device))
    # The base must be what the adapter was trained on, in the same precision and, if it was, quantized alike.
    dtype = _training_dtype(spec.config) if device == spec.device else torch.float32
    return _Trained(own, spec.model, dtype, _quantization(spec.config), adapter=path)


def _location(ref: ModelRef) -> str:
    return str(bundled_model(ref.name)) if ref.source == "bundled" else ref.path


def _training_dtype(config: TrainingConfig) -> torch.dtype:
    import torch  # noqa: PLC0415

    if not config.use_lora:
        return torch.float32
    return torch.bfloat16 if config.bf16 else torch.float16 if config.fp16 else torch.float32


def _resting_dtype(device: str) -> torch.dtype:
    import torch  # noqa: PLC0415

    return torch.float32 if device == "cpu" else torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16


def _quantization(config: TrainingConfig) -> Any:
    """The BitsAndBytesConfig, or None for plain weights."""
    if not (config.use_4bit or config.use_8bit):
        return None
    import bitsandbytes as bnb  # noqa: PLC0415
    import torch  # noqa: PLC0415
    from transformers import BitsAndBytesConfig  # noqa: PLC0415

    # On CPUs with AVX512-BF16, bitsandbytes repacks 4-bit weights in the first evaluation, after which gradients and
    # saved weights are wrong (measured with 0.50); told that the CPU lacks it, both are exact.
    bnb.nn.modules.has_avx512bf16 = lambda: False
    if config.use_8bit:
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type=config.bnb_4bit_quant_type,
        bnb_4bit_use_double_quant=config.use_nested_quant,
        bnb_4bit_compute_dtype=getattr(torch, config.bnb_4bit_compute_dtype or "float32"),
    )


def _tokenizer(ref: ModelRef) -> PreTrainedTokenizerBase:
    from transformers import AutoTokenizer  # noqa: PLC0415

    with _explained(ref):
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(_location(ref), revision=ref.revision)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    if tokenizer.pad_token_id is None:
        raise InvalidRequest(f"model '{ref.name}': its tokenizer has no padding, end or unknown token to pad with")
    return tokenizer


def _causal_config(ref: ModelRef) -> PreTrainedConfig:
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForMaskedLM  # noqa: PLC0415

    config: PreTrainedConfig = AutoConfig.from_pretrained(_location(ref), revision=ref.revision)
    # BERT and its like are in both mappings; they generate only when they were made decoders.
    encoder = type(config) in AutoModelForMaskedLM._model_mapping and not getattr(config, "is_decoder", False)
    if encoder or type(config) not in AutoModelForCausalLM._model_mapping:
        raise InvalidRequest(
            f"model '{ref.name}' is a {config.model_type} model, which does not generate text from left to right. "
            "Choose a causal language model (Llama, Qwen, Mistral, Gemma, Phi, GPT-2 and the like)."
        )
    return config


def _base(ref: ModelRef, dtype: torch.dtype, quantization: Any, device: str) -> PreTrainedModel:
    from transformers import AutoModelForCausalLM  # noqa: PLC0415

    quantized = {"quantization_config": quantization, "device_map": {"": device}} if quantization else {}
    with _explained(ref):
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            _location(ref),
            config=_causal_config(ref),
            revision=ref.revision,
            dtype=dtype,
            use_safetensors=True,
            output_loading_info=True,
            **quantized,
        )
        model: PreTrainedModel = loaded[0]
        report = loaded[1]
        if report["missing_keys"]:
            # transformers fills them with random numbers and goes on.
            some = ", ".join(sorted(report["missing_keys"])[:3])
            raise InvalidRequest(f"model '{ref.name}' lacks {len(report['missing_keys'])} of its weights: {some} …")
    return model


def _check_vocabulary(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, name: str) -> None:
    weight: Any = model.get_input_embeddings().weight
    rows = weight.shape[0]
    if len(tokenizer) > rows:
        raise InvalidRequest(
            f"model '{name}' has {rows} embeddings but its tokenizer makes {len(tokenizer)} tokens: "
            "the two do not belong together"
        )


def _with_new_adapter(model: PreTrainedModel, config: TrainingConfig) -> Any:
    from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training  # noqa: PLC0415

    if config.use_4bit or config.use_8bit:
        model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=bool(config.gradient_checkpointing))
    try:
        return get_peft_model(
            model,
            LoraConfig(
                r=config.lora_r,
                lora_alpha=config.lora_alpha,
                lora_dropout=config.lora_dropout or 0.0,
                target_modules=config.target_modules,
                bias="none",
                task_type="CAUSAL_LM",
            ),
        )
    except ValueError as error:
        raise InvalidRequest(f"target_modules {config.target_modules!r}: {error}") from error


def _with_earlier_adapter(model: PreTrainedModel, adapter: str, *, merge: bool) -> Any:
    """Go on training an earlier run's adapter, or tune its merged weights."""
    from peft import PeftModel  # noqa: PLC0415

    with _explained(ModelRef(name=adapter, source="folder", path=adapter)):
        tuned: Any = PeftModel.from_pretrained(model, adapter, is_trainable=not merge)
    return tuned.merge_and_unload().requires_grad_(True) if merge else tuned


@contextmanager
def _explained(ref: ModelRef) -> Iterator[None]:
    """Turns what transformers and the hub raise about a model into our errors."""
    from huggingface_hub.errors import (  # noqa: PLC0415
        GatedRepoError,
        RepositoryNotFoundError,
        StrictDataclassError,
    )
    from safetensors import SafetensorError  # noqa: PLC0415

    what = f"model '{ref.name}'"
    try:
        yield
    except (OSError, ValueError, KeyError, ImportError, RuntimeError, StrictDataclassError, SafetensorError) as error:
        # transformers raises an OSError from the hub's own error.
        if isinstance(error, GatedRepoError) or isinstance(error.__cause__, GatedRepoError):
            raise Forbidden(
                f"{what} is gated: accept its terms on the hub and give a token (HF_TOKEN, or `hf auth login`)"
            ) from error
        if isinstance(error, RepositoryNotFoundError) or isinstance(error.__cause__, RepositoryNotFoundError):
            raise NotFound(f"{what} is not on the hub, or is private") from error
        raise InvalidRequest(f"{what} cannot be loaded: {error}") from error

"""Causal models on an NVIDIA GPU, with Unsloth's kernels: faster, and in less memory.

Unsloth caps the training stack below ours and rewrites it in the process that imports it. So it lives in an environment
of its own, and only ever in a worker. What it trains is a plain PEFT adapter or plain weights: the playground loads
them as it loads any other.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from modelforge.contracts.job import ModelRef, RunSpec
from modelforge.contracts.training import TrainingConfig
from modelforge.errors import InvalidRequest
from modelforge.providers.huggingface import (
    HuggingFace,
    _check_vocabulary,
    _location,
    _quantization,
    _tokenizer,
    explained,
)
from modelforge.tasks.base import Head

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from modelforge.hardware import Hardware

MAX_SEQ_LENGTH = 2048
"""Tokens of the longest example unless the request says otherwise, as in the public contract."""
FILES = ["*.json", "*.txt", "*.model", "*.jinja", "*.tiktoken"]
"""What is fetched of a model beside its weights."""
DUPLICATES = ["original/*", "consolidated*"]
"""The same weights once more, as their makers first wrote them."""


class Unsloth(HuggingFace):
    """Unsloth's FastLanguageModel. Talking to a model goes through transformers alone, and needs no GPU."""

    name: ClassVar[str] = "unsloth"
    about: ClassVar[str] = (
        "The kernels of Unsloth for models that write text, on an NVIDIA GPU, in an environment of their own; "
        "use it for what you know from there."
    )
    environment: ClassVar[str | None] = "unsloth"
    engine: ClassVar[bool] = False

    def obstacle(self, hardware: Hardware) -> str | None:
        if hardware.device == "cuda":
            return None
        if hardware.device == "cpu" and hardware.gpus:
            return (
                f"it trains on an NVIDIA GPU, and ModelForge's own torch is a CPU build that cannot use the "
                f"{hardware.gpus[0].name} of this machine"
            )
        return f"it needs an NVIDIA GPU, and this machine trains on {hardware.device}"

    def defaults(self, config: TrainingConfig) -> dict[str, Any]:
        return {
            "max_seq_length": MAX_SEQ_LENGTH,
            "lora_dropout": 0.0,  # its fastest kernels are those without dropout
            "packing": False,
            "gradient_checkpointing": True,  # its own moves activations to main memory at little cost
        }

    def check(self, config: TrainingConfig, hardware: Hardware) -> None:
        obstacle = self.obstacle(hardware)
        if obstacle:
            raise _refusal(obstacle)
        if config.task == "extractive-question-answering":
            self.check_head(Head.SPAN, config.model_name)
        if config.packing:
            raise _refusal(
                "packing lays examples end to end and tells them apart by their positions, which its attention does "
                "not look at: they would see each other. Leave packing out, or keep it and change the provider"
            )

    def check_head(self, head: Head, name: str) -> None:
        if head is Head.SPAN:
            raise _refusal("it trains models that write text, and extractive-question-answering points at an answer")
        if head is Head.SEQ2SEQ:
            raise _refusal(f"it trains causal models, and '{name}' is an encoder-decoder model")

    def prepare(self, run_dir: Path) -> None:
        """Import Unsloth: it must come before transformers, trl and peft, which it rewrites.

        Raises InvalidRequest where it finds no GPU.
        """
        cache = run_dir / "cache" / "unsloth"
        cache.mkdir(parents=True, exist_ok=True)
        os.environ["UNSLOTH_DISABLE_STATISTICS"] = "1"
        os.environ["UNSLOTH_COMPILE_LOCATION"] = str(cache)  # else a folder where the server was started
        os.environ["UNSLOTH_DISABLE_AUTO_PADDING_FREE"] = "1"  # batches are made by us
        try:
            import unsloth  # noqa: F401, PLC0415
        except NotImplementedError as error:
            raise _refusal(
                f"its environment finds no GPU that it could use ({error}). If this machine has one, make the "
                "environment with a torch that fits the driver: modelforge providers install unsloth --torch …"
            ) from error

    def load(self, spec: RunSpec, head: Head) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
        """The base model on the GPU with its adapter, or whole for full tuning; the tokenizer as transformers loads it.

        Raises InvalidRequest, NotFound or Forbidden where the model cannot be had or is not of the right kind.
        """
        from unsloth import FastLanguageModel  # noqa: PLC0415 - first, see prepare

        config, ref = spec.config, spec.model
        self.check_head(head, ref.name)
        tokenizer = _tokenizer(ref, trust_remote_code=config.trust_remote_code)
        folder = _folder(ref, config)
        length = _length(config, folder, ref.name)
        checkpointing = "unsloth" if config.gradient_checkpointing else False
        quantization = _quantization(config) if config.use_4bit else None
        with explained(ref):
            model: Any = FastLanguageModel.from_pretrained(
                folder,
                max_seq_length=length,
                dtype=_computed_in(config),
                load_in_4bit=bool(config.use_4bit),
                load_in_8bit=bool(config.use_8bit),
                full_finetuning=not config.use_lora,
                # Weights that are tuned themselves are float32, with every provider.
                float32_mixed_precision=None if config.use_lora else True,
                use_exact_model_name=True,  # else another model, of Unsloth's own hub account, may come in its place
                fix_tokenizer=False,
                token=False,  # the folder needs none; Unsloth would store it
                trust_remote_code=config.trust_remote_code,
                use_gradient_checkpointing=checkpointing,
                random_state=config.seed,
                **({"quantization_config": quantization} if quantization else {}),
            )[0]
        # What the adapter and the model card name as the base is the model, not a folder of the hub's cache.
        model.name_or_path = model.config._name_or_path = _location(ref)
        _check_vocabulary(model, tokenizer, ref.name)
        if ref.adapter:
            model = _with_earlier_adapter(model, ref.adapter, checkpointing, merge=not config.use_lora)
        elif config.use_lora:
            model = _with_new_adapter(model, config, checkpointing)
        return model, tokenizer


def _refusal(why: str) -> InvalidRequest:
    return InvalidRequest(f"provider 'unsloth': {why}. Use the provider 'huggingface' instead.")


def _computed_in(config: TrainingConfig) -> torch.dtype:
    import torch  # noqa: PLC0415

    return torch.bfloat16 if config.bf16 else torch.float16 if config.fp16 else torch.float32


def _folder(ref: ModelRef, config: TrainingConfig) -> str:
    """The model's folder; one of the hub is fetched into its cache, at the commit of the spec."""
    if ref.source != "hub":
        return _location(ref)
    from huggingface_hub import snapshot_download  # noqa: PLC0415

    weights = ["*.safetensors"] if config.use_safetensors else ["*.safetensors", "*.bin"]
    code = ["*.py"] if config.trust_remote_code else []
    with explained(ref):
        return str(
            snapshot_download(
                ref.path, revision=ref.revision, allow_patterns=[*FILES, *weights, *code], ignore_patterns=DUPLICATES
            )
        )


def _length(config: TrainingConfig, folder: str, name: str) -> int:
    """``max_seq_length``. Above the model's own Unsloth would stretch its positions, which nobody asked for."""
    from transformers import AutoConfig  # noqa: PLC0415

    text = AutoConfig.from_pretrained(folder, trust_remote_code=config.trust_remote_code).get_text_config()
    limit, asked = getattr(text, "max_position_embeddings", None), config.max_seq_length or MAX_SEQ_LENGTH
    if isinstance(limit, int) and asked > limit:
        raise InvalidRequest(f"max_seq_length: {asked} is more than the {limit} tokens of '{name}'")
    return asked


def _with_new_adapter(model: Any, config: TrainingConfig, checkpointing: str | bool) -> Any:
    from unsloth import FastLanguageModel  # noqa: PLC0415

    try:
        return FastLanguageModel.get_peft_model(
            model,
            r=config.lora_r,
            lora_alpha=config.lora_alpha,
            lora_dropout=config.lora_dropout or 0.0,
            target_modules=config.target_modules,
            bias="none",
            use_rslora=config.use_rslora,
            use_dora=config.use_dora,
            init_lora_weights=True if config.init_lora_weights == "default" else config.init_lora_weights,
            use_gradient_checkpointing=checkpointing,
            random_state=config.seed,
            temporary_location=str(Path(os.environ["UNSLOTH_COMPILE_LOCATION"]) / "embeddings"),
        )
    except ValueError as error:
        raise InvalidRequest(f"target_modules {config.target_modules!r}: {error}") from error


def _with_earlier_adapter(model: Any, adapter: str, checkpointing: str | bool, *, merge: bool) -> Any:
    """Go on training an earlier run's adapter, or tune its merged weights."""
    from peft import PeftModel  # noqa: PLC0415
    from unsloth import FastLanguageModel  # noqa: PLC0415

    with explained(ModelRef(name=adapter, source="folder", path=adapter)):
        tuned: Any = PeftModel.from_pretrained(model, adapter, is_trainable=not merge)
    if merge:
        return tuned.merge_and_unload().requires_grad_(True)
    return FastLanguageModel.patch_peft_model(tuned, use_gradient_checkpointing=checkpointing)

"""Models that transformers loads: from the hub, a local folder, the package, or an earlier run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from modelforge.catalogue import bundled_model
from modelforge.contracts.job import ModelRef, RunSpec
from modelforge.contracts.training import TrainingConfig
from modelforge.errors import Forbidden, InvalidRequest, NotFound
from modelforge.files import read_text_or_none
from modelforge.hardware import cpu_has_fast_bf16
from modelforge.providers import adapter
from modelforge.providers.base import Loaded, Provider
from modelforge.tasks.base import Head, Task
from modelforge.tasks.extractive_qa import HEADS

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase


class HuggingFace(Provider):
    """transformers and PEFT. Weights come from safetensors, and no code from a model's repository is run, unless the
    request says otherwise."""

    name: ClassVar[str] = "huggingface"
    about: ClassVar[str] = (
        "transformers and PEFT with our own engine: trains every model and task, on any machine; use it "
        "unless you know why not."
    )

    def config(self, ref: ModelRef, *, trust_remote_code: bool = False) -> Mapping[str, Any]:
        """The model's ``config.json``. Raises InvalidRequest, NotFound or Forbidden where it cannot be had."""
        return _config(ref, trust_remote_code=trust_remote_code).to_dict()

    def load(self, spec: RunSpec, head: Head) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
        """The base model with its adapter, or whole for full tuning, on the CPU (the trainer moves it); the tokenizer.

        Weights that are tuned themselves are float32; frozen ones have the type that is computed in.
        Raises InvalidRequest, NotFound or Forbidden where the model cannot be had or is not of the right kind.
        """
        from transformers import set_seed  # noqa: PLC0415 - torch stays in the worker

        config = spec.config
        tokenizer = _tokenizer(spec.model, trust_remote_code=config.trust_remote_code)
        set_seed(config.seed)  # a new head starts at random, as an adapter does: an exact resume needs the seed first
        model = _base(
            spec.model,
            head,
            _training_dtype(config, head),
            _quantization(config),
            spec.device,
            trust_remote_code=config.trust_remote_code,
            use_safetensors=config.use_safetensors,
        )
        _check_vocabulary(model, tokenizer, spec.model.name)
        model.config.use_cache = False
        set_seed(config.seed)
        if spec.model.adapter:
            model = _with_earlier_adapter(model, spec.model.adapter, merge=not config.use_lora)
        elif config.use_lora:
            model = adapter.attach(model, config, head)
        return model, tokenizer

    def load_start(self, spec: RunSpec, head: Head) -> PreTrainedModel:
        """What the run starts from: for full tuning, whose weights have changed in place."""
        model: Any = self.load(spec, head)[0]
        start: PreTrainedModel = model.to(spec.device).requires_grad_(False).eval()
        return start

    def load_trained(self, path: str, task: Task, device: str) -> Loaded:
        """A model to answer on ``device``, with its adapter beside its weights: a run's output folder, or a base
        model's folder or hub id. Where a processor is slow at bfloat16, weights that are stored so come as they are,
        and are to be computed with in float32.

        Raises InvalidRequest, NotFound or Forbidden where it cannot be had or is not of the right kind.
        """
        trained = _trained(path, task, device)
        tokenizer = _tokenizer(trained.own, trust_remote_code=trained.trust_remote_code)
        model: Any = _base(
            trained.base,
            trained.head,
            trained.dtype,
            trained.quantization,
            device,
            trust_remote_code=trained.trust_remote_code,
            use_safetensors=trained.use_safetensors,
        )
        _check_vocabulary(model, tokenizer, trained.own.name)
        if trained.adapter:
            from peft import PeftModel  # noqa: PLC0415

            with explained(trained.own):
                model = PeftModel.from_pretrained(model, trained.adapter)
        if not trained.quantization:
            model = model.to(device)
        return Loaded(model.eval(), tokenizer, trained.head, trained.spec)

    def trained_bytes(self, path: str, task: Task, device: str) -> int:
        """Bytes of the weights that ``load_trained`` would hold, by the model's configuration and the adapter's file.
        Raises alike."""
        import torch  # noqa: PLC0415

        trained = _trained(path, task, device)
        config = _config(trained.base, trust_remote_code=trained.trust_remote_code)
        with explained(trained.base), torch.device("meta"):
            model = _auto_class(trained.head).from_config(
                config, dtype=trained.dtype, trust_remote_code=trained.trust_remote_code
            )
        beside = (
            sum(file.stat().st_size for file in Path(trained.adapter).glob("*.safetensors")) if trained.adapter else 0
        )
        if trained.quantization is None:
            return int(model.get_memory_footprint()) + beside
        # Embeddings stay as they are; all else that counts takes 4 or 8 bits a weight.
        bits = 4 if trained.quantization.load_in_4bit else 8
        kept = model.get_input_embeddings().weight.numel()
        return int(kept * trained.dtype.itemsize + (model.num_parameters() - kept) * bits // 8) + beside


@dataclass(frozen=True)
class _Trained:
    """How a model is loaded to answer."""

    own: ModelRef
    """Where its tokenizer lies, and its name."""
    base: ModelRef
    """Where its weights lie; for an adapter, those that it was trained on."""
    head: Head
    dtype: torch.dtype
    quantization: Any = None
    adapter: str | None = None
    spec: RunSpec | None = None
    """The run that made it."""

    @property
    def trust_remote_code(self) -> bool:
        return self.spec is not None and self.spec.config.trust_remote_code

    @property
    def use_safetensors(self) -> bool:
        return self.spec is None or self.spec.config.use_safetensors


def _trained(path: str, task: Task, device: str) -> _Trained:
    import torch  # noqa: PLC0415

    text = read_text_or_none(Path(path) / "spec.json")
    if text is None:
        ref = ModelRef(name=path, source="folder" if Path(path).is_dir() else "hub", path=path)
        config = _config(ref)
        head = task.head(config.to_dict(), path)
        return _Trained(ref, ref, head, _resting_dtype(device, config.dtype, head))
    with explained(ModelRef(name=path, source="folder", path=path)):
        spec = RunSpec.model_validate_json(text)
    own = ModelRef(name=spec.name, source="folder", path=path)
    adapted = (Path(path) / "adapter_config.json").is_file()
    trust = spec.config.trust_remote_code
    head = task.head(_config(spec.model if adapted else own, trust_remote_code=trust).to_dict(), spec.name)
    if not adapted:
        stored = _config(own, trust_remote_code=trust).dtype
        return _Trained(own, own, head, _resting_dtype(device, stored, head), spec=spec)
    # The base must be what the adapter was trained on, in the same precision and, if it was, quantized alike.
    dtype = _training_dtype(spec.config, head) if device == spec.device else torch.float32
    quantization = _quantization(spec.config)
    if dtype is torch.float32 and quantization is None:
        stored = _config(spec.model, trust_remote_code=trust).dtype
        dtype = torch.bfloat16 if _rests_in_half(device, stored, head) else dtype
    return _Trained(own, spec.model, head, dtype, quantization, path, spec)


def _location(ref: ModelRef) -> str:
    return str(bundled_model(ref.name)) if ref.source == "bundled" else ref.path


def _training_dtype(config: TrainingConfig, head: Head) -> torch.dtype:
    import torch  # noqa: PLC0415

    # The head of a span model is trained as it is loaded, and would learn in steps of half precision.
    if not config.use_lora or (head is Head.SPAN and not (config.use_4bit or config.use_8bit)):
        return torch.float32
    return torch.bfloat16 if config.bf16 else torch.float16 if config.fp16 else torch.float32


def _resting_dtype(device: str, stored: torch.dtype | str | None, head: Head) -> torch.dtype:
    """The type that a whole model's weights have to answer; ``stored`` is that of those on the disk."""
    import torch  # noqa: PLC0415

    if device != "cpu":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    # Reading the weights is what a token costs on a CPU. Those that are stored in float32 keep what they have.
    half = stored in (torch.bfloat16, torch.float16, "bfloat16", "float16") and cpu_has_fast_bf16()
    return torch.bfloat16 if half or _rests_in_half(device, stored, head) else torch.float32


def _rests_in_half(device: str, stored: torch.dtype | str | None, head: Head) -> bool:
    """Whether weights stay in bfloat16 for computing in float32 (``inference/half.py``): they lose nothing by it."""
    return device == "cpu" and head is Head.CAUSAL and str(stored).endswith("bfloat16") and not cpu_has_fast_bf16()


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
    # What is trained as it is must not be quantized; named, because transformers itself knows lm_head only.
    kept = ["lm_head", *HEADS]
    if config.use_8bit:
        return BitsAndBytesConfig(load_in_8bit=True, llm_int8_skip_modules=kept)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type=config.bnb_4bit_quant_type,
        bnb_4bit_use_double_quant=config.use_nested_quant,
        bnb_4bit_compute_dtype=getattr(torch, config.bnb_4bit_compute_dtype or "float32"),
        llm_int8_skip_modules=kept,
    )


def _tokenizer(ref: ModelRef, *, trust_remote_code: bool) -> PreTrainedTokenizerBase:
    from transformers import AutoTokenizer  # noqa: PLC0415

    with explained(ref):
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
            _location(ref), revision=ref.revision, trust_remote_code=trust_remote_code
        )
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    if tokenizer.pad_token_id is None:
        raise InvalidRequest(f"model '{ref.name}': its tokenizer has no padding, end or unknown token to pad with")
    return tokenizer


def config_and_tokenizer(ref: ModelRef, *, trust_remote_code: bool) -> tuple[PreTrainedConfig, PreTrainedTokenizerBase]:
    """What a model's files say of it, as training reads it, without its weights. Raises what ``load`` raises."""
    return (
        _config(ref, trust_remote_code=trust_remote_code),
        _tokenizer(ref, trust_remote_code=trust_remote_code),
    )


def _config(ref: ModelRef, *, trust_remote_code: bool = False) -> PreTrainedConfig:
    from transformers import AutoConfig  # noqa: PLC0415

    with explained(ref):
        config: PreTrainedConfig = AutoConfig.from_pretrained(
            _location(ref), revision=ref.revision, trust_remote_code=trust_remote_code
        )
    return config


def _auto_class(head: Head) -> Any:
    from transformers import (  # noqa: PLC0415
        AutoModelForCausalLM,
        AutoModelForQuestionAnswering,
        AutoModelForSeq2SeqLM,
    )

    return {
        Head.CAUSAL: AutoModelForCausalLM,
        Head.SEQ2SEQ: AutoModelForSeq2SeqLM,
        Head.SPAN: AutoModelForQuestionAnswering,
    }[head]


def _base(
    ref: ModelRef,
    head: Head,
    dtype: torch.dtype,
    quantization: Any,
    device: str,
    *,
    trust_remote_code: bool,
    use_safetensors: bool,
) -> PreTrainedModel:
    options: dict[str, Any] = {
        "config": _config(ref, trust_remote_code=trust_remote_code),
        "revision": ref.revision,
        "dtype": dtype,
        "trust_remote_code": trust_remote_code,
        "use_safetensors": use_safetensors or None,
        "output_loading_info": True,
    }
    if quantization:
        options |= {"quantization_config": quantization, "device_map": {"": device}}
    with explained(ref):
        model, report = _auto_class(head).from_pretrained(_location(ref), **options)
        backbone = f"{model.base_model_prefix}."
        # transformers fills what is missing with random numbers and goes on. A head for spans is new to most models.
        missing = [key for key in report["missing_keys"] if head is not Head.SPAN or key.startswith(backbone)]
        if missing and head is Head.SPAN:
            # Its span models of causal families call the backbone otherwise than their checkpoints do.
            stems = {key.partition(".")[0] for key in report["unexpected_keys"]}
            renamed = {rf"^{stem}\.": backbone for stem in stems if stem != "lm_head"}
            model, report = _auto_class(head).from_pretrained(_location(ref), key_mapping=renamed, **options)
            if hasattr(model, "_weight_conversions"):  # else it is saved under the names that cannot be loaded
                del model._weight_conversions
            missing = [key for key in report["missing_keys"] if key.startswith(backbone)]
        if missing:
            some = ", ".join(sorted(missing)[:3])
            raise InvalidRequest(f"model '{ref.name}' lacks {len(missing)} of its weights: {some} …")
    loaded: PreTrainedModel = model
    return loaded


def _check_vocabulary(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, name: str) -> None:
    weight: Any = model.get_input_embeddings().weight
    rows = weight.shape[0]
    # transformers gives some tokenizers (Qwen2's) an unknown token that they never had; byte by byte all is known.
    beyond = [token for token, number in tokenizer.get_vocab().items() if number >= rows]
    if beyond and beyond != [tokenizer.unk_token]:
        raise InvalidRequest(
            f"model '{name}' has {rows} embeddings but its tokenizer makes {len(tokenizer)} tokens: "
            "the two do not belong together"
        )


def _with_earlier_adapter(model: PreTrainedModel, folder: str, *, merge: bool) -> Any:
    """Go on training an earlier run's adapter, or tune its merged weights."""
    from peft import PeftModel  # noqa: PLC0415

    with explained(ModelRef(name=folder, source="folder", path=folder)):
        tuned: Any = PeftModel.from_pretrained(model, folder, is_trainable=not merge)
    return tuned.merge_and_unload().requires_grad_(True) if merge else tuned


@contextmanager
def explained(ref: ModelRef) -> Iterator[None]:
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
        if "trust_remote_code" in str(error):
            raise InvalidRequest(
                f"{what} comes with Python code of its own, which is not run unless trust_remote_code is true: set it "
                "only if you trust where the model comes from"
            ) from error
        if "ignore_mismatched_sizes" in str(error):
            raise InvalidRequest(
                f"{what} cannot be loaded: its weights are of other sizes than its config.json says"
            ) from error
        # transformers goes on for paragraphs, with advice to install itself anew.
        why = " ".join(str(error).split("\n\n")[0].split())
        raise InvalidRequest(f"{what} cannot be loaded: {why}") from error

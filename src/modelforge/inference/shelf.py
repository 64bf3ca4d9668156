"""The models that are kept loaded, within a budget of memory."""

from __future__ import annotations

import gc
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, Self

import psutil
import torch
from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

from modelforge.contracts.job import RunSpec
from modelforge.errors import NotFound
from modelforge.hardware import cpu_has_fast_bf16
from modelforge.inference import step
from modelforge.inference.batch import Batch
from modelforge.inference.decoder import Decoder, bare, refusal, trial
from modelforge.inference.half import halve, is_half
from modelforge.inference.packing import can_pack, pack, packed_bytes
from modelforge.inference.protocol import ModelTarget
from modelforge.providers import PROVIDERS, adapter
from modelforge.specfile import spec_of
from modelforge.tasks import TASKS
from modelforge.tasks.base import Head

Fingerprint = tuple[tuple[str, int, int], ...]
WEIGHTS_AND_FORMAT = {".safetensors", ".json", ".jinja", ".model", ".txt"}
"""What a loaded model was made of: weights, configuration, template, vocabulary."""


@dataclass(frozen=True)
class LoadedModel:
    """A model that can generate at once."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    head: Head
    spec: RunSpec | None
    """The run that made it; None for a base model."""
    end_ids: frozenset[int]
    """What the model's own generation settings name as end tokens."""
    weights: int
    """Bytes of its weights and buffers."""
    fingerprint: Fingerprint
    """Name, time of change and bytes of the files that it was loaded from; empty for one from the hub."""
    batch: Batch | None = None
    """Where its requests run together; None for a model that answers them one by one with ``generate``."""
    adapter_off: bool = False
    """Whether it is to answer without its adapter."""

    @property
    def size(self) -> int:
        """Bytes that it takes now, what it remembers of its requests included."""
        return self.weights + (self.batch.size if self.batch is not None else 0)


class _Key(NamedTuple):
    """What tells a loaded model apart from others."""

    path: str
    base: bool
    checkpoint: str | None

    @classmethod
    def of(cls, target: ModelTarget) -> Self:
        return cls(target.path, target.base, target.checkpoint)

    @property
    def folder(self) -> str:
        """Where what it is made of lies, or its id on the hub."""
        return self.checkpoint or self.path

    def __str__(self) -> str:
        return f"what {self.path} was trained from" if self.base else self.folder


class Shelf:
    """Models in the order of their last use. ``evict`` may be called from any thread."""

    def __init__(self, device: str, memory_mb: int, say: Callable[[str], None]) -> None:
        """``memory_mb``: how many units of 1 000 000 bytes the models may take; 0 is half of what is free now."""
        self._device = device
        self.budget = memory_mb * 1_000_000 or _free_bytes(device) // 2
        self._say = say
        self._models: OrderedDict[_Key, LoadedModel] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, target: ModelTarget) -> LoadedModel:
        """The model, loaded if it is not here or if its files changed. Raises ModelForgeError where it can't be."""
        if target.base and (tuned := _beside_its_base(target)) is not None:
            return replace(self.get(tuned), adapter_off=True)
        self._drop_changed()
        key = _Key.of(target)
        fingerprint = _fingerprint(key.folder)
        with self._lock:
            if found := self._models.get(key):
                self._models.move_to_end(key)
                return found
        provider = PROVIDERS.get(target.provider)
        # Room is made before and not after: two models at once may be more than the machine has.
        task = TASKS.get(target.task)
        base, checkpoint = target.base, target.checkpoint
        self._make_room(provider.trained_bytes(target.path, task, self._device, base=base, checkpoint=checkpoint))
        started = time.monotonic()
        found_model = provider.load_trained(target.path, task, self._device, base=base, checkpoint=checkpoint)
        model = self._settled(found_model.model, found_model.head)
        own = model.generation_config if found_model.head is not Head.SPAN else None
        ends = own.eos_token_id if own is not None else None
        if own is not None:
            # A model's own sampling settings would fill in what a request leaves out: nothing unasked comes in, but
            # how an encoder-decoder model begins.
            model.generation_config = GenerationConfig(
                decoder_start_token_id=own.decoder_start_token_id, forced_bos_token_id=own.forced_bos_token_id
            )
        batch = self._batch(key, model) if found_model.head is Head.CAUSAL else None
        loaded = LoadedModel(
            model,
            found_model.tokenizer,
            found_model.head,
            found_model.spec,
            frozenset([ends] if isinstance(ends, int) else ends or ()),
            _bytes(model),
            fingerprint,
            batch,
        )
        with self._lock:
            self._models[key] = loaded
        self._say(f"loaded {key} in {time.monotonic() - started:.1f} s: {loaded.size / 1e6:.1f} MB")
        return loaded

    def holds(self, target: ModelTarget, loaded: LoadedModel) -> bool:
        """Whether ``get`` would give this very model; it counts as used then."""
        self._drop_changed()
        key = _Key.of(target)
        with self._lock:
            if self._models.get(key) is not loaded:
                return False
            self._models.move_to_end(key)
            return True

    def paths(self) -> list[str]:
        """What is loaded, the longest unused first."""
        return [key.path for key in self._keys()]

    def evict(self, path: str) -> None:
        """Drop a model, and what is loaded beside it of the same folder; one that generates right now goes when it is
        done."""
        for key in self._keys():
            if key.path == path:
                self._drop(key)

    def clear(self) -> None:
        """Drop them all."""
        for key in self._keys():
            self._drop(key)

    def _keys(self) -> list[_Key]:
        with self._lock:
            return list(self._models)

    def _drop(self, key: _Key) -> None:
        with self._lock:
            found = self._models.pop(key, None)
        if found is not None:
            del found
            self._reclaim()
            self._say(f"evicted {key}")

    def _drop_changed(self) -> None:
        """Drop the models whose files changed or went since they were loaded."""
        with self._lock:
            # Without the models: one that is referred to here would outlive its eviction.
            loaded = [(key, model.fingerprint) for key, model in self._models.items()]
        for key, fingerprint in loaded:
            if _files(key.folder) != fingerprint:
                self._drop(key)

    def _settled(self, model: PreTrainedModel, head: Head) -> PreTrainedModel:
        """The model in the form that answers fastest, of those that answer as it was trained to."""
        if getattr(bare(model), "hf_quantizer", None) is not None:
            return model
        if (
            head is Head.CAUSAL
            and model.device.type == "cpu"
            and model.dtype == torch.bfloat16
            and not cpu_has_fast_bf16()
        ):
            if refusal(model) is None and step.refusal(bare(model), adapters=True) is None and _is_light(model):
                halve(model)
                return model
            self._widen(model)
        return adapter.merged(model) if hasattr(model, "peft_config") else model

    def _widen(self, model: PreTrainedModel) -> None:
        """Let a model in bfloat16 be one in float32."""
        self._make_room(_bytes(model))  # as many more
        model.float()

    def _batch(self, key: _Key, model: PreTrainedModel) -> Batch | None:
        """What runs the model's requests together, where that gives what the model gives."""
        reason = refusal(model)
        if reason is None:
            decoder = Decoder(model, adapters=True)
            # Tried before it is packed: what is compared with is the model as it was loaded.
            reason = trial(decoder)
        if is_half(model) and (reason is not None or decoder.detour is not None):
            self._widen(model)  # which layer by layer would be done for each token
        if reason is not None:
            self._say(f"{key} answers one request at a time: {reason}")
            return None
        if decoder.detour is not None:
            self._say(f"{key} goes through transformers' layers for each token: {decoder.detour}")
            if can_pack(model):
                pack(model)
        return Batch(decoder, lambda size, evict: self._has_room(key, size, evict=evict))

    def _has_room(self, key: _Key, size: int, *, evict: bool) -> bool:
        """Whether so many bytes more fit; other models than that of ``key`` make way for them, if they are to."""
        while True:
            with self._lock:
                taken = sum(model.size for model in self._models.values())
                other = next((each for each in self._models if each != key), None)
            if taken + size <= self.budget:
                return True
            if other is None or not evict:
                return False
            self._drop(other)

    def _make_room(self, size: int) -> None:
        """Evict the longest unused until ``size`` more bytes fit; all of them, where it alone is too large."""
        while True:
            with self._lock:
                taken = sum(model.size for model in self._models.values())
                oldest = next(iter(self._models), None)
            if oldest is None or taken + size <= self.budget:
                return
            self._drop(oldest)

    def _reclaim(self) -> None:
        gc.collect()  # a model's modules refer to each other in circles
        if self._device == "cuda":
            torch.cuda.empty_cache()


def _beside_its_base(target: ModelTarget) -> ModelTarget | None:
    """The model whose base is asked for, where it holds that as it is: an adapter beside quantized weights. Elsewhere
    an adapter is merged to answer, and its base is no more in memory."""
    spec = spec_of(Path(target.path))
    if spec is None or spec.model.adapter or not (spec.config.use_4bit or spec.config.use_8bit):
        return None
    # A head for spans is trained whole, and what it was before is not kept beside it.
    whole = spec.config.task == "extractive-question-answering" or not spec.config.use_lora
    if whole or not (Path(target.path) / "adapter_config.json").is_file():
        return None
    return target.model_copy(update={"base": False})


def _free_bytes(device: str) -> int:
    return int(torch.cuda.mem_get_info()[0]) if device == "cuda" else psutil.virtual_memory().available


def _is_light(model: PreTrainedModel) -> bool:
    """Whether an adapter in float32 beside weights in bfloat16 is less to read than the two as one in float32."""
    beside = sum(parameter.numel() for name, parameter in model.named_parameters() if "lora_" in name)
    return 4 * beside < 2 * (model.num_parameters() - beside)


def _bytes(model: PreTrainedModel) -> int:
    """A tied weight is counted once, a quantized one by what it takes."""
    tensors = {tensor.data_ptr(): tensor.nbytes for tensor in [*model.parameters(), *model.buffers()]}
    return sum(tensors.values()) + packed_bytes(model)


def _files(path: str) -> Fingerprint:
    try:
        files = [(file.name, file.stat()) for file in sorted(Path(path).iterdir()) if file.suffix in WEIGHTS_AND_FORMAT]
    except OSError:  # no folder, or one that is being deleted
        return ()
    return tuple((name, stat.st_mtime_ns, stat.st_size) for name, stat in files)


def _fingerprint(path: str) -> Fingerprint:
    found = _files(path)
    if not found and Path(path).is_absolute():
        raise NotFound(f"there is no model in the folder {path} any more; it was moved or deleted")
    return found

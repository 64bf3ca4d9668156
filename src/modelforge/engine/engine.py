"""A causal model with a LoRA adapter, run over documents that lie end to end."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from peft import PeftModel
from torch import Tensor, nn
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from modelforge.engine import attention, flash, loss, pointwise
from modelforge.engine.families import FAMILIES
from modelforge.engine.loss import Told
from modelforge.engine.projections import Projection, projections
from modelforge.engine.stacked import Stack
from modelforge.memory import Shape

ALL_ATTENTION_FUNCTIONS.register(attention.NAME, attention.attention)


_Replaced = tuple[Any, str, Any]
"""A layer or a module of Python, the name of one of its functions, and what stands there."""


@dataclass(frozen=True)
class Documents:
    """Some documents, end to end. On a GPU nothing waits for what lies on the CPU."""

    input_ids: Tensor
    """Of shape (tokens,), as all of these but the lengths."""
    targets: Tensor
    """The token that each place is to predict, or a negative number where nothing is learnt."""
    position_ids: Tensor
    lengths: Tensor
    """Of each document, int64, on the CPU."""


class Engine:
    """Runs the model's own layers, with what is slow about them replaced for as long as ``at_work`` lasts."""

    def __init__(self, model: PeftModel) -> None:
        """The model must be one that ``refusal`` says nothing against, where it is to stay."""
        causal: Any = model.get_base_model()
        self.model = model
        self.backbone: Any = getattr(causal, causal.base_model_prefix)
        family = FAMILIES[causal.config.model_type]
        head = causal.get_output_embeddings()
        scale, cap = family.logits(causal.config)
        self.head = loss.OutputLayer(head.weight, head.bias, scale, cap)
        self._config: Any = self.backbone.config
        self._layers: list[nn.Module] = list(self.backbone.layers)
        self._own_attention = self._config._attn_implementation
        self._attention = _attention_on(self.head.weight, self._config, self._own_attention)
        self._projections: list[Projection] = []
        for layer in self._layers:
            for names in family.projections:
                self._projections += projections([layer.get_submodule(name) for name in names])
        self._stacks: dict[str, Stack | None] = {}
        self._replaced: list[_Replaced] = []
        self._turn: attention.Turn | None = None
        self._left: list[_Replaced] = []  # to our attention, where that is at work
        for projection in self._projections:
            self._replace(projection.forwards())
        if pointwise.usable(self.head.weight):
            self._replace(pointwise.forwards(self.backbone, self._layers, family))
            home = sys.modules[type(self.backbone).__module__]
            if family.halves and (own := getattr(home, pointwise.TURN, None)):
                self._replaced.append((home, pointwise.TURN, pointwise.turning(own)))
                if self.head.weight.device.type == "cpu":
                    self._turn = attention.Turn(own)
                    self._left = [(home, pointwise.TURN, self._turn.leave)]
            self.head.read = pointwise.read_logits
        self._last = _Places(self._forward_of(last := self._layers[-1].get_submodule("mlp")))
        self._replace([(last, self._last)])
        self._own = [(home, name, home.__dict__.get(name)) for home, name, _ in self._replaced]

    def _replace(self, forwards: Iterable[tuple[nn.Module, Any]]) -> None:
        self._replaced += [(module, "forward", forward) for module, forward in forwards]

    def _forward_of(self, module: nn.Module) -> Callable[..., Any]:
        """Its forward pass within ``at_work``."""
        found: Callable[..., Any] = module.forward
        for home, _, function in self._replaced:
            found = function if home is module else found
        return found

    def at_work(self, *, writing: bool = False) -> AbstractContextManager[None]:
        """Within, the model's forward pass is the engine's; outside of it, it is what transformers and PEFT made it.
        While it is ``writing``, which looks back into a cache, attention stays its own."""
        if writing:
            self._ready()
            return self._set(self._replaced, self._own_attention)
        left = self._left if self._attention == attention.NAME else []
        return self._set([*self._replaced, *left], self._attention)

    def at_rest(self) -> AbstractContextManager[None]:
        """Within ``at_work``, the model as it is outside of it."""
        return self._set(self._own, self._own_attention)

    @contextmanager
    def _set(self, replaced: Sequence[_Replaced], attention: str) -> Iterator[None]:
        before = self._config._attn_implementation
        earlier = [(home, name, home.__dict__.get(name)) for home, name, _ in replaced]
        self._config._attn_implementation = attention
        _put(replaced)
        try:
            yield
        finally:
            self._config._attn_implementation = before
            _put(earlier)

    def _ready(self) -> None:
        """Have the projections use the matrices that the adapter at work has now."""
        adapter = self._projections[0].adapter() if self._projections else None
        if adapter is None:
            return
        weight = self.backbone.get_input_embeddings().weight
        if adapter not in self._stacks:
            rest = [each for each in self._projections if not each.take_as_they_are(adapter, weight)]
            self._stacks[adapter] = Stack(rest, adapter) if rest else None
        if stack := self._stacks[adapter]:
            stack.make(weight.dtype)

    def hidden(self, documents: Documents) -> tuple[Tensor, Tensor]:
        """The last layer's output where something is learnt, of shape (places, width), and the targets there."""
        device = self.head.weight.device
        places = (documents.targets >= 0).nonzero()[:, 0]
        targets = _there(documents.targets.index_select(0, places), device)
        places = _there(places, device)
        # Activations that are computed anew would be so at other places, when the next documents have been read.
        anew = getattr(self._layers[-1], "gradient_checkpointing", False)
        with self._last.at(None if anew else places):
            hidden = self._hidden(documents)
        return hidden.index_select(0, places), targets

    def _hidden(self, documents: Documents) -> Tensor:
        """The last layer's output, of shape (tokens, width)."""
        device = self.head.weight.device
        self._ready()
        if self._turn is not None:
            self._turn.forget()
        inputs = self.backbone.get_input_embeddings()(_there(documents.input_ids[None], device))
        more: dict[str, Any] = {}
        if self._attention == attention.NAME:
            more = {"documents": attention.Lengths(documents.lengths, device, self._turn)}
        with torch.autocast(device.type, enabled=False):  # weights and what is computed have one type already
            outputs = self.backbone(
                inputs_embeds=inputs,
                position_ids=_there(documents.position_ids[None], device),
                use_cache=False,
                **more,
            )
        hidden: Tensor = outputs[0].squeeze(0)
        return hidden

    def loss(self, documents: Documents) -> tuple[Tensor, Tensor, int]:
        """The summed loss of what is learnt in nats, how many of those tokens were the likeliest, and their number."""
        hidden, targets = self.hidden(documents)
        with torch.autocast(hidden.device.type, enabled=False):
            total, right = loss.summed_loss(hidden, targets, self.head)
        return total, right, len(targets)

    def told(self, documents: Documents) -> Told:
        """What the model makes of each token that is to be predicted."""
        hidden, targets = self.hidden(documents)
        with torch.autocast(hidden.device.type, enabled=False):
            return loss.told(hidden, targets, self.head)


class _Places:
    """The forward pass of the last layer's feed-forward part at some places alone: what it makes of the others, nothing
    reads."""

    def __init__(self, forward: Callable[[Tensor], Tensor]) -> None:
        self._forward = forward
        self._places: Tensor | None = None

    @contextmanager
    def at(self, places: Tensor | None) -> Iterator[None]:
        """Within, it computes at these places of a row; None are all."""
        self._places = places
        try:
            yield
        finally:
            self._places = None

    def __call__(self, x: Tensor) -> Tensor:
        if self._places is None:
            return self._forward(x)
        return torch.zeros_like(x).index_copy(1, self._places, self._forward(x.index_select(1, self._places)))


def _put(replaced: Iterable[_Replaced]) -> None:
    """Give modules other functions than they had, of their own or of their class; None gives the latter back."""
    for home, name, function in replaced:
        if function is not None:
            setattr(home, name, function)
        elif name in home.__dict__:
            delattr(home, name)


def _attention_on(weight: Tensor, config: Any, own: str) -> str:
    """Ours where it can be computed. Else the model's own, which tells documents apart by their positions: so it is
    exact for every family of ``FAMILIES`` (measured)."""
    return attention.NAME if weight.device.type == "cpu" or flash.usable(weight.device, weight.dtype, config) else own


def _there(tensor: Tensor, device: torch.device) -> Tensor:
    """A tensor on the device. Only CUDA may read one after it is gone here: on Apple's GPUs what lies there by then is
    copied (pytorch issue 189690)."""
    return tensor.to(device, non_blocking=device.type == "cuda")


def prepare(described: Mapping[str, Any], dtype: torch.dtype, dropout: float) -> None:
    """Begin to compile what a model needs on an NVIDIA GPU, by its ``config.json``, the type that is computed in and
    the adapter's dropout, beside what else is to be done first."""
    shape = Shape.of(described)
    if shape is not None and shape.kind in FAMILIES and importlib.util.find_spec("triton"):
        from modelforge.engine import gpu  # noqa: PLC0415 - triton comes with torch's builds for GPUs alone

        gpu.prepare(shape, dtype, dropout)


def refusal(model: nn.Module) -> str | None:
    """Why the engine cannot train this model; None where it can."""
    if not isinstance(model, PeftModel):
        return "all weights are tuned"
    causal: Any = model.get_base_model()
    kind = causal.config.model_type
    if kind not in FAMILIES:
        return f"{kind} is not among the model families that it knows"
    head = causal.get_output_embeddings()
    if type(head) is not nn.Linear:
        return "its output layer has an adapter or is quantized"
    if head.weight.requires_grad:
        return "its output layer is tuned"
    return None

"""LoRA adapters: put on a model by the run's options, and their start kept where it is needed later."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelforge.contracts.training import CHANGES_THE_BASE, TrainingConfig
from modelforge.errors import InvalidRequest
from modelforge.tasks.base import Head
from modelforge.tasks.extractive_qa import lora_targets, span_head

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

START_FOLDER = "start"
"""In the run's folder: the adapter as it started, where its start changed the base."""

_PEFT_TASKS = {Head.CAUSAL: "CAUSAL_LM", Head.SEQ2SEQ: "SEQ_2_SEQ_LM", Head.SPAN: None}
"""PEFT's own class for question answering drops ``token_type_ids``, which tell BERT the question from the context."""


def attach(model: PreTrainedModel, config: TrainingConfig, head: Head) -> Any:
    """The model with a new adapter, its own weights frozen.

    Raises InvalidRequest where ``target_modules`` fits none.
    """
    from peft import get_peft_model  # noqa: PLC0415 - torch stays in the worker

    try:
        return get_peft_model(model, lora_config(model, config, head))
    except ValueError as error:
        raise InvalidRequest(f"target_modules {config.target_modules!r}: {error}") from error


def lora_config(model: PreTrainedModel, config: TrainingConfig, head: Head) -> Any:
    """The PEFT configuration that the run's options come to for this model."""
    from peft import LoraConfig  # noqa: PLC0415

    targets: str | list[str] = config.target_modules
    heads = None
    if head is Head.SPAN:
        heads = span_head(model)
        if targets == "all-linear":  # which would catch the head
            targets = lora_targets(model)
    return LoraConfig(
        r=config.lora_r,
        lora_alpha=config.lora_alpha,
        lora_dropout=config.lora_dropout or 0.0,
        target_modules=targets,
        use_rslora=config.use_rslora,
        use_dora=config.use_dora,
        init_lora_weights=True if config.init_lora_weights == "default" else config.init_lora_weights,
        modules_to_save=heads,
        bias="none",
        task_type=_PEFT_TASKS[head],
    )


def keep_start(model: PreTrainedModel, config: TrainingConfig, folder: Path) -> None:
    """Write down how the adapter started, where its start took weights out of the base model: what is saved later is
    made of the difference, and what the run started from is the two together.

    Raises InvalidRequest for layers whose start cannot be undone.
    """
    if not config.use_lora or config.init_lora_weights not in CHANGES_THE_BASE or folder.exists():
        return
    tuned: PeftModel = model  # type: ignore[assignment]
    _require_layers(tuned, config)
    own = tuned.peft_config["default"]
    # Loaded with its way of starting, PEFT would start anew and take out of the base a second time.
    own.init_lora_weights = True  # type: ignore[attr-defined]
    partial = folder.with_name(f"{folder.name}.partial")
    tuned.save_pretrained(str(partial))
    own.init_lora_weights = config.init_lora_weights  # type: ignore[attr-defined]
    partial.replace(folder)


def merged(model: Any) -> PreTrainedModel:
    """The base with its adapter's changes in its weights, to answer with; the adapter itself stays on the disk.

    Each layer is added up in float32 and rounded once. In bfloat16 that is as near to float32's logits as the adapter
    beside its base is: relative to the adapter's effect 1.2 against 1.2 % for a strong one, 11.0 against 11.3 % for one
    so weak that 43 % of its change is lost in rounding (measured with the starter model and three learning rates).

    An adapter on weights that another layer shares stays beside its base: merged, it would change that layer too.
    """
    import torch  # noqa: PLC0415
    from peft.tuners.tuners_utils import BaseTunerLayer  # noqa: PLC0415

    uses = Counter(id(parameter) for _, parameter in model.named_parameters(remove_duplicate=False))
    layers: list[Any] = [layer for layer in model.modules() if isinstance(layer, BaseTunerLayer)]
    bases: list[Any] = [layer.get_base_layer() for layer in layers]
    if any(uses[id(base.weight)] > 1 for base in bases):
        tuned: PreTrainedModel = model
        return tuned
    with torch.no_grad():
        for layer, base in zip(layers, bases, strict=True):
            dtype = base.weight.dtype
            base.float()
            layer.merge()
            base.to(dtype)
    whole: PreTrainedModel = model.unload()
    return whole


def _require_layers(model: PeftModel, config: TrainingConfig) -> None:
    """Raises InvalidRequest for layers that PEFT would start otherwise than it says, or change others with."""
    from peft.tuners.lora import LoraLayer  # noqa: PLC0415
    from torch import nn  # noqa: PLC0415
    from transformers.pytorch_utils import Conv1D  # noqa: PLC0415

    start, advice = config.init_lora_weights, "use default, gaussian or orthogonal"
    uses = Counter(id(parameter) for _, parameter in model.named_parameters(remove_duplicate=False))
    for name, layer in model.named_modules():
        if not isinstance(layer, LoraLayer):
            continue
        own: Any = layer.get_base_layer()
        short = name.removeprefix("base_model.model.")
        # OLoRA takes Conv1D's weights, which lie the other way round, for a linear layer's.
        if not isinstance(own, nn.Linear) and not (isinstance(own, Conv1D) and start == "pissa"):
            raise InvalidRequest(
                f"init_lora_weights: '{start}' is not for layers of the kind {type(own).__name__}, and {short} is one; "
                f"{advice}"
            )
        if uses[id(own.weight)] > 1:
            raise InvalidRequest(
                f"init_lora_weights: '{start}' would change other layers that share the weights of {short}; {advice}, "
                "or leave it out of target_modules"
            )
        factors: Any = layer.lora_A["default"]
        if factors.weight.shape[0] < config.lora_r:
            raise InvalidRequest(
                f"lora_r: '{start}' finds only {factors.weight.shape[0]} directions in the weights of {short}, not "
                f"{config.lora_r}; give no more, or {advice} for init_lora_weights"
            )

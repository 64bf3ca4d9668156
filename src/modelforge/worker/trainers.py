"""transformers' Trainer, with what all of ours share: what a checkpoint holds, and how a batch is measured."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from peft.optimizers import create_loraplus_optimizer
from safetensors.torch import save_file
from transformers import Trainer

from modelforge.worker.checkpoints import TRAINED, load_trained
from modelforge.worker.finite import LossWatch

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class Tally(NamedTuple):
    """A sum and how many it is the sum of, to be added up over batches."""

    total: float
    number: int


class OurTrainer(Trainer):
    """What our trainers do otherwise than transformers.

    A checkpoint holds what is trained and nothing else, whatever adapters lie on the model beside it: transformers
    would write all of them, and read back the wrong ones.
    """

    loraplus_lr_ratio: float | None = None
    order: Any = None
    """Draws the rows of an epoch."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._loss_watch = LossWatch()

    def tally(self, model: PreTrainedModel, inputs: dict[str, Any]) -> dict[str, Tally]:
        """What is measured on one batch of held-out rows, by name; ``loss`` is among it."""
        raise NotImplementedError

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        """With ``loraplus_lr_ratio``, LoRA+'s groups of weights with rates of their own."""
        if self.loraplus_lr_ratio is None or self.optimizer is not None:
            return super().create_optimizer(model)
        own: Any = self.model
        kind, options = self.get_optimizer_cls_and_kwargs(self.args, own)
        self.optimizer = create_loraplus_optimizer(
            own,
            kind,
            loraplus_lr_ratio=self.loraplus_lr_ratio,
            loraplus_weight_decay=self.args.weight_decay,
            loraplus_lr_embedding=self.args.learning_rate,
            **options,
        )
        return self.optimizer

    def _maybe_log_save_evaluate(self, tr_loss: torch.Tensor, *rest: Any, **options: Any) -> None:
        # After every step; transformers itself looks at the loss when it logs.
        at_once = self.control.should_log or self.control.should_save
        self._loss_watch.look(tr_loss, self.state.global_step, at_once=at_once)
        super()._maybe_log_save_evaluate(tr_loss, *rest, **options)

    def _get_train_sampler(self, *_: Any) -> Any:
        return self.order

    def floating_point_ops(self, inputs: dict[str, Any]) -> int:
        """None are counted: transformers goes through all modules for it, at each step."""
        return 0

    def _clip_grad_norm(self, model: Any) -> Any:
        # Of what is trained, which is the optimizer's: transformers goes through all modules for it, at each step.
        assert self.optimizer is not None
        trained = [each for group in self.optimizer.param_groups for each in group["params"]]
        return self.accelerator.clip_grad_norm_(trained, self.args.max_grad_norm)

    def create_model_card(self, *_: Any, **__: Any) -> None:
        """TRL writes one for each checkpoint; a checkpoint is no model yet."""

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
        assert output_dir is not None
        assert self.model is not None
        folder = Path(output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {
            name: parameter.detach().cpu().contiguous()
            for name, parameter in self.model.named_parameters()
            if parameter.requires_grad
        }
        save_file(tensors, folder / TRAINED)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        whole: Any = model or self.model
        load_trained(whole, Path(resume_from_checkpoint))

    def _load_best_model(self) -> None:
        assert self.model is not None
        # transformers notes the folder at the next save only, which an evaluation made up for after a stop may not see.
        best = Path(str(self.args.output_dir)) / f"checkpoint-{self.state.best_global_step}"
        if best.is_dir():
            load_trained(self.model, best)


def in_full_precision(model: torch.nn.Module) -> None:
    """Make what is trained float32: over a quantized model TRL trains it in bfloat16, where small steps are lost."""
    for parameter in model.parameters():
        if parameter.requires_grad and parameter.is_floating_point():
            parameter.data = parameter.data.float()

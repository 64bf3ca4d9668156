"""Learning from a reward: TRL's RLOOTrainer over prompts, answers drawn and judged as training goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader
from transformers import DynamicCache
from trl import RLOOTrainer
from trl.trainer.dpo_trainer import DataCollatorForPreference

from modelforge.engine.engine import Engine
from modelforge.engine.padded import told_of_rows
from modelforge.tasks.base import IGNORED, Head
from modelforge.tasks.generation import generate_batch
from modelforge.worker.drawing import Drawing
from modelforge.worker.order import Draw, PromptOrder
from modelforge.worker.pairs import log_probs
from modelforge.worker.reward import Judge
from modelforge.worker.trainers import OurTrainer, Tally

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from datasets import Dataset

SAMPLES = 10
"""Times in a run that answers are shown."""


class PolicyTrainer(OurTrainer, RLOOTrainer):
    """TRL's RLOOTrainer over rows of ``prompt_ids``; ``prompt_text`` goes to judges with a tokenizer of their own."""

    sample: Callable[[int, str, str, float | None], None] | None = None
    draw: Draw | None = None
    """Which rows an epoch learns from, where that is not all."""
    engine: Engine | None = None
    """Runs the model, where it can."""
    row_tokens = 0
    drawing: Drawing | None = None
    """Draws the answers, where it can; transformers' ``generate`` otherwise."""

    def end_with(self, ends: set[int]) -> None:
        """The tokens that end an answer: those that rows end with, which the model's own settings may not name."""
        self.eos_token_ids = sorted(ends)
        self.generation_config.eos_token_id = self.eos_token_ids
        self.generation_kwargs["eos_token_id"] = self.eos_token_ids

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> Any:
        """As TRL does it, with the engine at work: also in the backward pass, which may compute activations anew."""
        with self.engine.at_work() if self.engine else nullcontext():
            return super().training_step(model, inputs, num_items_in_batch)  # type: ignore[no-untyped-call]

    def _prepare_inputs(self, generation_batch: Any) -> Any:
        """Answers are drawn, judged and scored, by the model as it is or by the engine, as each of them asks."""
        with self.engine.at_rest() if self.engine else nullcontext():
            return super()._prepare_inputs(generation_batch)

    def _get_per_token_logps_and_entropies(
        self,
        model: Any,
        input_ids: Tensor,
        attention_mask: Tensor,
        logits_to_keep: int,
        *rest: Any,
        **options: Any,
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Log-probabilities and entropies of the last ``logits_to_keep`` tokens of each row."""
        if self.engine is None:
            found: tuple[Tensor, Tensor | None, Tensor | None] = super()._get_per_token_logps_and_entropies(
                model, input_ids, attention_mask, logits_to_keep, *rest, **options
            )
            return found
        labels = input_ids.masked_fill(attention_mask == 0, IGNORED)
        labels[:, :-logits_to_keep] = IGNORED
        with self.engine.at_work():
            told = told_of_rows(self.engine, input_ids, attention_mask, labels, self.row_tokens)
        return told.log_probs[:, -logits_to_keep:], told.entropy[:, -logits_to_keep:], None

    def _generate_single_turn(self, *arguments: Any, **options: Any) -> Any:
        if self.engine is None:
            return super()._generate_single_turn(*arguments, **options)  # type: ignore[no-untyped-call]
        model = self.engine.model
        with self.engine.at_work(writing=True), self.drawing.instead() if self.drawing else reading_once(model):
            return super()._generate_single_turn(*arguments, **options)  # type: ignore[no-untyped-call]

    def tally(self, model: PreTrainedModel, inputs: dict[str, Any]) -> dict[str, Tally]:
        likely, counts = log_probs(model, inputs)
        chosen, tokens = likely.chunk(2)[0], counts.chunk(2)[0]
        return {"loss": Tally(-float(chosen.sum()), int(tokens.sum()))}

    def get_eval_dataloader(self, eval_dataset: Any = None) -> Any:
        """Held-out pairs as they are: nothing is drawn for the loss on the chosen answers."""
        rows: Any = eval_dataset if eval_dataset is not None else self.eval_dataset
        collate: Any = DataCollatorForPreference(pad_token_id=self._tokenizer.pad_token_id)
        return DataLoader(rows, batch_size=self.args.per_device_eval_batch_size, collate_fn=collate)

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Now and then, what the policy says."""
        super().log(logs, start_time)
        every = max(1, self.state.max_steps // SAMPLES)
        if self.sample is not None and logs.get("loss") is not None and self.state.global_step % every == 0:
            self._show()

    def _show(self) -> None:
        assert self.sample is not None
        said: dict[str, Any] = self._logs
        rewards = next(iter(said["rewards"].values()), None)
        if said["prompt"]:
            prompt, answer = said["prompt"][-1], said["completion"][-1]
            decoded = str(self._tokenizer.decode(prompt, skip_special_tokens=True))
            self.sample(self.state.global_step, decoded, answer, rewards[-1] if rewards else None)

    def _set_signature_columns_if_needed(self) -> None:
        self._signature_columns = ["prompt", "prompt_text"]  # type: ignore[assignment]

    def _get_train_sampler(self, dataset: Any = None) -> Any:
        args: Any = self.args
        rows: Any = self.train_dataset
        answers = int(self.num_generations or 1)
        fetches = self.num_iterations * args.steps_per_generation
        return PromptOrder(len(rows), args.generation_batch_size // answers, answers, fetches, args.seed, self.draw)

    def _tokenize_prompts(self, prompts: list[list[int]]) -> Any:
        return prompts, None, {}  # they come in tokens


@contextmanager
def reading_once(model: Any) -> Iterator[None]:
    """Within, ``generate`` reads a prompt once, however many answers are drawn to it."""
    generate = model.generate

    def after_prompts(input_ids: Tensor, attention_mask: Tensor, **options: Any) -> Any:
        # The last token stays, as what the first one of the answer follows from.
        ids, mask = input_ids[:, :-1], attention_mask[:, :-1]
        once, places = torch.unique(torch.stack([ids, mask], 1), dim=0, return_inverse=True)
        if len(once) < len(ids) and ids.shape[1]:
            cache = DynamicCache(config=model.config)
            positions = (once[:, 1].cumsum(-1) - 1).clamp(min=0)
            model(
                input_ids=once[:, 0],
                attention_mask=once[:, 1],
                position_ids=positions,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            )
            cache.batch_select_indices(places)
            options["past_key_values"] = cache
        return generate(input_ids=input_ids, attention_mask=attention_mask, **options)

    model.generate = after_prompts
    try:
        yield
    finally:
        del model.generate


class RewardFunction:
    """A judge as TRL calls its reward functions."""

    __name__ = "reward_model"

    def __init__(self, judge: Judge) -> None:
        self._judge = judge

    def __call__(
        self, prompts: list[list[int]], completion_ids: list[list[int]], prompt_text: list[str], **_: Any
    ) -> list[float]:
        return self._judge(prompts, completion_ids, prompt_text)


def measure_policy(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    rows: Dataset,
    judge: Judge,
    *,
    limit: int,
    batch_size: int,
    max_new_tokens: int,
    ends: set[int],
    check_stop: Callable[[], None],
) -> dict[str, float]:
    """``reward`` and ``completion_length`` (tokens, the end token left out) of the likeliest answers to the first
    ``limit`` prompts."""
    rows = rows.select(range(min(limit, len(rows))))
    reward, length, answered = 0.0, 0, 0
    for at in range(0, len(rows), batch_size):
        check_stop()
        batch = rows.select(range(at, min(at + batch_size, len(rows))))
        prompts, texts = list(batch["prompt_ids"]), list(batch["prompt_text"])
        answers = generate_batch(model, tokenizer, prompts, Head.CAUSAL, max_new_tokens, ends)
        # The end token, which the reward model has learnt to expect, where the answer came to its end.
        end = min(ends)
        whole = [[*answer, end] if len(answer) < max_new_tokens else answer for answer in answers]
        reward += sum(judge(prompts, whole, texts))
        length += sum(len(answer) for answer in answers)
        answered += len(prompts)
    return {"reward": reward / max(1, answered), "completion_length": length / max(1, answered)}

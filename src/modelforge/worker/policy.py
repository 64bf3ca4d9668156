"""Learning from a reward: TRL's RLOOTrainer over prompts, answers drawn and judged as training goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from torch.utils.data import DataLoader
from trl import RLOOTrainer
from trl.trainer.dpo_trainer import DataCollatorForPreference

from modelforge.tasks.base import Head
from modelforge.tasks.generation import generate_batch
from modelforge.worker.order import PromptOrder
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

    def end_with(self, ends: set[int]) -> None:
        """The tokens that end an answer: those that rows end with, which the model's own settings may not name."""
        self.eos_token_ids = sorted(ends)
        self.generation_config.eos_token_id = self.eos_token_ids
        self.generation_kwargs["eos_token_id"] = self.eos_token_ids

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
        return PromptOrder(len(rows), args.generation_batch_size // answers, answers, fetches, args.seed)

    def _tokenize_prompts(self, prompts: list[list[int]]) -> Any:
        return prompts, None, {}  # they come in tokens


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

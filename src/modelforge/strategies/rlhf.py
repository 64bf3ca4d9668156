"""Reinforcement learning from human feedback: a reward model learns from pairs which answers are better, and the policy
learns from its judgement of answers that it draws (REINFORCE leave-one-out, arXiv 2402.14740)."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from modelforge.contracts.training import TrainingConfig
from modelforge.errors import InvalidRequest
from modelforge.files import read_json_or_none
from modelforge.strategies import preferences
from modelforge.strategies.base import Run
from modelforge.strategies.stage import Training
from modelforge.tasks.base import Example, Head, Row, Task

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase, TrainerCallback

    from modelforge.worker.reward import Judge
    from modelforge.worker.trainers import OurTrainer

REWARD_FOLDER = "reward"
"""The reward model's folder, in the run's and in the finished model's."""
REWARD_STEPS = 60
"""Optimizer steps that a reward model gets at least, where its epochs are not given: small models and few pairs need
several passes, many pairs one."""


class Rlhf:
    """TRL's RewardTrainer and RLOOTrainer. With LoRA there is one base model in memory, with an adapter for the policy
    and one for the reward model."""

    name: ClassVar[str] = "rlhf"
    about: ClassVar[str] = (
        "Learns from pairs to judge answers, then practises on answers of its own: when dpo is not enough, "
        "and time is there."
    )
    options: ClassVar[frozenset[str]] = frozenset(
        {
            "num_generations",
            "kl_beta",
            "max_completion_length",
            "reward_model",
            "reward_learning_rate",
            "reward_num_train_epochs",
        }
    )
    engine: ClassVar[bool] = True
    packs: ClassVar[bool] = False
    keeps: ClassVar[Sequence[str]] = (REWARD_FOLDER,)

    def shapes(self, task: Task) -> Sequence[str]:
        return preferences.SHAPES

    def defaults(self, config: TrainingConfig) -> dict[str, Any]:
        own = {"learning_rate": 1e-4, "reward_learning_rate": 1e-3}
        if not config.use_lora:
            own = {"learning_rate": 1.41e-5, "reward_learning_rate": 1e-4}
        if config.reward_model is not None:
            del own["reward_learning_rate"]
        return {**own, "lora_dropout": 0.0, "num_generations": 8, "kl_beta": 0.05}

    def check(self, config: TrainingConfig) -> None:
        """Raises InvalidRequest for what would leave the policy without a reference or a judge."""
        preferences.check(config)
        if config.reward_model is not None:
            for field in ("reward_learning_rate", "reward_num_train_epochs"):
                if field in config.model_fields_set and getattr(config, field) is not None:
                    raise InvalidRequest(f"{field}: no reward model is trained when reward_model is given")

    def encode(
        self, task: Task, tokenizer: PreTrainedTokenizerBase, row: Row, config: TrainingConfig, head: Head
    ) -> list[Example]:
        assert config.max_seq_length is not None
        return preferences.encode(tokenizer, row, config.max_seq_length)

    def stages(self, run: Run) -> Sequence[Training]:
        """The reward model, unless one is given; then the policy."""
        from modelforge.worker.choices import longest_answer  # noqa: PLC0415 - torch
        from modelforge.worker.lengths import rows_a_step, total_steps  # noqa: PLC0415

        policy = Training(
            run.config,
            total_steps(run.config, run.rows_an_epoch),
            lambda arguments, callbacks: _policy_trainer(run, arguments, callbacks),
            _departure,
            name="policy",
            # Drawn, judged, scored by policy and reference, and learnt.
            step_cost=rows_a_step(run.config)
            * (run.config.num_generations or 1)
            * (8 * (run.config.max_completion_length or longest_answer(run.train))),
        )
        if run.config.reward_model is not None:
            return [policy]
        config = _reward_config(run)
        reward = Training(
            config,
            total_steps(config, run.rows_an_epoch),
            lambda arguments, callbacks: _reward_trainer(run, arguments, callbacks),
            lambda trainer: _keep_reward(run, trainer),
            name="reward",
            step_cost=rows_a_step(config) * 2 * 3 * longest_answer(run.train),
            done=(run.folder / REWARD_FOLDER).is_dir(),
            known=lambda: _reward_metrics(run.folder),
        )
        return [reward, policy]

    def measure(self, run: Run, model: PreTrainedModel) -> dict[str, float]:
        """``final_loss`` of the chosen answers, ``preference_accuracy``, and ``reward`` and ``completion_length`` of
        the answers that the model gives to held-out prompts."""
        from modelforge.tasks.rendering import end_ids  # noqa: PLC0415
        from modelforge.worker.pairs import measure_pairs  # noqa: PLC0415
        from modelforge.worker.policy import measure_policy  # noqa: PLC0415

        config = run.config
        batch = config.per_device_eval_batch_size or 1
        assert config.max_completion_length is not None
        return measure_pairs(model, run.tokenizer, run.measured, batch, run.check_stop) | measure_policy(
            model,
            run.tokenizer,
            run.measured,
            _judge(run),
            limit=config.max_eval_samples,
            batch_size=batch * (config.num_generations or 1),
            max_new_tokens=config.max_completion_length,
            ends=end_ids(run.tokenizer),
            check_stop=run.check_stop,
        )


def _reward_config(run: Run) -> TrainingConfig:
    """The run's configuration as it is for the reward model."""
    from modelforge.worker.choices import intervals  # noqa: PLC0415
    from modelforge.worker.lengths import rows_a_step  # noqa: PLC0415

    config = run.config
    rows = run.rows_an_epoch
    steps_an_epoch = max(1, rows // rows_a_step(config))
    own = config.model_copy(
        update={
            "learning_rate": config.reward_learning_rate,
            "num_train_epochs": config.reward_num_train_epochs or -(-REWARD_STEPS // steps_an_epoch),
            "max_steps": -1,
            "load_best_model_at_end": False,
            "early_stopping_patience": None,
            "logging_steps": None,
            "eval_steps": None,
            "save_steps": None,
        }
    )
    return own.model_copy(update=intervals(own, rows))


def _reward_trainer(run: Run, arguments: dict[str, Any], callbacks: list[TrainerCallback]) -> OurTrainer:
    from peft import PeftModel  # noqa: PLC0415
    from transformers import set_seed  # noqa: PLC0415
    from trl import RewardConfig  # noqa: PLC0415

    from modelforge.worker import reward  # noqa: PLC0415

    model = run.model if isinstance(run.model, PeftModel) else run.beside()
    assert isinstance(model, PeftModel)
    set_seed(run.config.seed)
    reward.add_reward_adapter(model)
    model.set_adapter(reward.REWARD)
    scorer: Any = reward.Scorer(model.get_base_model())
    return reward.ScoreTrainer(
        model=scorer,
        args=RewardConfig(**arguments, max_length=None),
        processing_class=run.tokenizer,
        train_dataset=run.train.map(_whole, batched=True, remove_columns=run.train.column_names),
        eval_dataset=run.held_out.map(_whole, batched=True, remove_columns=run.held_out.column_names)
        if run.held_out is not None
        else None,
        callbacks=callbacks,
    )


def _whole(batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """Prompt and answer together, as a reward model reads them."""
    return {
        name: [prompt + answer for prompt, answer in zip(batch["prompt_ids"], batch[name], strict=True)]
        for name in ("chosen_ids", "rejected_ids")
    }


def _keep_reward(run: Run, trainer: OurTrainer) -> dict[str, float]:
    """Write the reward model to the run's folder, with its accuracy; the policy's stage reads it from there."""
    from peft import PeftModel  # noqa: PLC0415

    from modelforge.worker import reward  # noqa: PLC0415

    model = run.model if isinstance(run.model, PeftModel) else run.beside()
    assert isinstance(model, PeftModel)
    evaluated: Any = trainer.evaluate
    rows = trainer.eval_dataset if trainer.eval_dataset is not None else trainer.train_dataset
    accuracy = evaluated.measure(rows)["reward_model_accuracy"]
    partial = run.folder / f"{REWARD_FOLDER}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    scorer: Any = trainer.accelerator.unwrap_model(trainer.model)
    reward.save_reward_model(model, scorer, run.tokenizer, partial)
    (partial / "metrics.json").write_text(json.dumps({"reward_model_accuracy": accuracy}), encoding="utf-8")
    partial.replace(run.folder / REWARD_FOLDER)
    model.set_adapter("default")
    model.delete_adapter(reward.REWARD)
    return {"reward_model_accuracy": accuracy}


def _judge(run: Run) -> Judge:
    """The reward model, loaded once."""
    from peft import PeftModel  # noqa: PLC0415

    from modelforge.worker import reward  # noqa: PLC0415

    if run.judge is None:
        ref = run.spec.reward_model
        folder = run.folder / REWARD_FOLDER if ref is None else Path(ref.path)
        if ref is None or ref.adapter is not None:
            model = run.model if isinstance(run.model, PeftModel) else run.beside()
            assert isinstance(model, PeftModel)
            scorer = reward.load_reward_adapter(model, folder)
            run.judge = reward.SharedJudge(model, scorer, int(run.tokenizer.pad_token_id or 0))
        else:
            foreign, tokenizer = reward.load_foreign(
                ref.path, run.spec.device, trust_remote_code=run.config.trust_remote_code
            )
            run.judge = reward.ForeignJudge(
                foreign, tokenizer, lambda ids: str(run.tokenizer.decode(ids, skip_special_tokens=True))
            )
    judge: Judge = run.judge
    return judge


def _policy_trainer(run: Run, arguments: dict[str, Any], callbacks: list[TrainerCallback]) -> OurTrainer:
    from peft import PeftModel  # noqa: PLC0415
    from trl import RLOOConfig  # noqa: PLC0415

    from modelforge.tasks.rendering import end_ids  # noqa: PLC0415
    from modelforge.worker.policy import PolicyTrainer, RewardFunction  # noqa: PLC0415

    config = run.config
    assert config.num_generations is not None
    own = {
        **arguments,
        # TRL counts answers where the contract counts prompts.
        "per_device_train_batch_size": arguments["per_device_train_batch_size"] * config.num_generations,
        "per_device_eval_batch_size": arguments["per_device_eval_batch_size"] * config.num_generations,
        "include_num_input_tokens_seen": "no",  # TRL counts what it draws itself
    }
    function: Any = RewardFunction(_judge(run))
    trainer = PolicyTrainer(
        model=run.model,
        reward_funcs=function,
        args=RLOOConfig(
            **own,
            num_generations=config.num_generations,
            max_completion_length=config.max_completion_length,
            beta=config.kl_beta or 0.0,
            temperature=1.0,
            disable_dropout=not config.lora_dropout,
        ),
        processing_class=run.tokenizer,
        train_dataset=run.train.rename_column("prompt_ids", "prompt").remove_columns(["chosen_ids", "rejected_ids"]),
        eval_dataset=run.held_out,
        callbacks=callbacks,
    )
    if isinstance(run.model, PeftModel) and not run.spec.model.adapter and "ref" in run.model.peft_config:
        # TRL copies every adapter that it is given; a new one, which does nothing yet, is turned off for less.
        run.model.delete_adapter("ref")
    trainer.end_with(end_ids(run.tokenizer))
    trainer.sample = run.sample
    trainer.draw = run.draw
    if run.spec.row_tokens is not None:
        from modelforge.engine.engine import Engine  # noqa: PLC0415
        from modelforge.worker.drawing import drawing_of  # noqa: PLC0415

        policy: Any = run.model
        trainer.engine = Engine(policy)
        trainer.drawing, fault = drawing_of(policy)
        if fault is not None and run.spec.device == "cpu":
            run.tell(f"Answers are drawn through transformers' layers, in up to twice the time: {fault}")
        trainer.row_tokens = run.spec.row_tokens
    return trainer


def _departure(trainer: OurTrainer) -> dict[str, float]:
    """``kl`` from the starting model to the policy, in nats per token of the answers drawn last, and the share of them
    that ``max_completion_length`` cut."""
    names = {"kl": "kl", "clipped_ratio": "completions/clipped_ratio"}
    history = trainer.state.log_history
    found = {name: next((e[key] for e in reversed(history) if key in e), None) for name, key in names.items()}
    return {name: value for name, value in found.items() if value is not None}


def _reward_metrics(folder: Path) -> dict[str, float]:
    """What was measured of the reward model when it was made."""
    metrics = read_json_or_none(folder / REWARD_FOLDER / "metrics.json")
    return metrics if isinstance(metrics, dict) else {}

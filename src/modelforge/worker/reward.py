"""Reward models: a score for a prompt and an answer to it, learnt from pairs of answers."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch
from peft import LoraConfig, PeftModel, get_peft_model_state_dict, set_peft_model_state_dict
from peft.tuners.tuners_utils import BaseTunerLayer
from safetensors.torch import load_file, save_file
from transformers.modeling_outputs import SequenceClassifierOutput
from trl import RewardTrainer

from modelforge.errors import InvalidRequest
from modelforge.worker.trainers import OurTrainer, Tally

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

REWARD = "reward"
"""The name of the adapter beside the policy's."""
_WEIGHTS = "adapter_model.safetensors"
_SCORE = "base_model.model.score.weight"
"""Where PEFT keeps the head of a sequence classification model."""


class Scorer(torch.nn.Module):
    """A causal model's backbone with one number for its last token: the reward model that shares it with the policy.

    The last token is found by the attention mask: transformers' own heads look for the last one that is not padding,
    and take an end token for padding where the two are the same.
    """

    def __init__(self, causal: PreTrainedModel) -> None:
        super().__init__()
        config: Any = copy.deepcopy(causal.config)
        config.num_labels = 1
        self.config = config
        self.backbone: Any = getattr(causal, causal.base_model_prefix)
        width = int(config.get_text_config().hidden_size)
        self.score = torch.nn.Linear(width, 1, bias=False, device=causal.device, dtype=torch.float32)
        torch.nn.init.normal_(self.score.weight, std=1 / (width + 1) ** 0.5)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor, **_: Any) -> SequenceClassifierOutput:
        """``logits`` of shape (rows, 1), from padded ``input_ids`` of shape (rows, tokens)."""
        hidden = self.backbone(input_ids=input_ids, attention_mask=attention_mask, use_cache=False)[0]
        places = torch.arange(input_ids.shape[1], device=input_ids.device)
        last = (places * attention_mask).argmax(dim=1)
        rows = torch.arange(input_ids.shape[0], device=input_ids.device)
        with torch.autocast(input_ids.device.type, enabled=False):
            logits = self.score(hidden[rows, last].float())
        return SequenceClassifierOutput(logits=logits)

    def add_model_tags(self, tags: Any) -> None:
        """TRL marks its models for the hub's statistics; this one goes nowhere by itself."""

    def gradient_checkpointing_enable(self, **options: Any) -> None:
        """As a model of transformers does."""
        self.backbone.gradient_checkpointing_enable(**options)


class ScoreTrainer(OurTrainer, RewardTrainer):
    """TRL's RewardTrainer over rows of ``chosen_ids`` and ``rejected_ids``, prompt and end token included."""

    def _prepare_dataset(self, dataset: Any, *_: Any, **__: Any) -> Any:
        return dataset  # it comes in tokens

    def tally(self, model: PreTrainedModel, inputs: dict[str, Any]) -> dict[str, Tally]:
        pairs = len(inputs["input_ids"]) // 2
        loss: Any = self.compute_loss(model, inputs)  # type: ignore[no-untyped-call]
        accuracy = self._metrics["eval"]["accuracy"][-1]
        self._metrics["eval"].clear()
        return {"loss": Tally(float(loss) * pairs, pairs), "reward_model_accuracy": Tally(accuracy * pairs, pairs)}


def add_reward_adapter(model: PeftModel) -> None:
    """An adapter for the reward model, on the layers that the policy's has."""
    own: Any = model.peft_config["default"]
    config = LoraConfig(
        r=own.r,
        lora_alpha=own.lora_alpha,
        lora_dropout=0.0,
        target_modules=own.target_modules,
        use_rslora=own.use_rslora,
        task_type="CAUSAL_LM",
    )
    model.add_adapter(REWARD, config)


def save_reward_model(model: PeftModel, scorer: Scorer, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Adapter and score as PEFT writes them for a sequence classification model, so that it can be loaded as one."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors: dict[str, Any] = get_peft_model_state_dict(model, adapter_name=REWARD)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    save_file({**tensors, _SCORE: scorer.score.weight.detach().cpu()}, folder / _WEIGHTS, metadata={"format": "pt"})
    config: Any = copy.deepcopy(model.peft_config[REWARD])
    config.task_type = "SEQ_CLS"
    config.modules_to_save = ["score"]
    config.inference_mode = True
    base: Any = model.get_base_model()
    config.base_model_name_or_path = base.config._name_or_path
    config.save_pretrained(str(folder))
    tokenizer.save_pretrained(str(folder))


def load_reward_adapter(model: PeftModel, folder: Path) -> Scorer:
    """Put a reward model's adapter beside the policy's, and make a scorer of it."""
    values = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    config = LoraConfig.from_pretrained(str(folder))
    config.task_type, config.modules_to_save = "CAUSAL_LM", None
    config.target_modules = values["target_modules"]
    tensors = load_file(folder / _WEIGHTS)
    model.add_adapter(REWARD, config)
    score = tensors.pop(_SCORE)
    set_peft_model_state_dict(model, tensors, adapter_name=REWARD)
    base: Any = model.get_base_model()
    scorer = Scorer(base)
    with torch.no_grad():
        scorer.score.weight.copy_(score)
    scorer.score.requires_grad_(False)  # the backbone is the policy's
    return scorer


class Judge(Protocol):
    """Scores answers."""

    def __call__(self, prompts: Sequence[list[int]], answers: Sequence[list[int]], texts: Sequence[str]) -> list[float]:
        """One number for each answer: token ids of the prompts and of the answers, end tokens included, and the
        prompts as the dataset has them."""


class SharedJudge:
    """A reward model that is an adapter over the policy's own base."""

    def __init__(self, model: PeftModel, scorer: Scorer, pad_token_id: int) -> None:
        self._model = model
        self._scorer = scorer
        self._pad = pad_token_id
        self._layers = [module for module in model.modules() if isinstance(module, BaseTunerLayer)]

    def __call__(self, prompts: Sequence[list[int]], answers: Sequence[list[int]], texts: Sequence[str]) -> list[float]:
        rows = [[*prompt, *answer] for prompt, answer in zip(prompts, answers, strict=True)]
        active, training = self._model.active_adapter, self._model.training
        wanted = [parameter for parameter in self._model.parameters() if parameter.requires_grad]
        # Where the policy is measured as it was, all adapters are off; this one judges then, too.
        off = any(layer.disable_adapters for layer in self._layers)
        tuner: Any = self._model.base_model
        tuner.enable_adapter_layers()
        self._model.set_adapter(REWARD)
        self._model.eval()
        try:
            return _scores(self._scorer, rows, self._pad, self._model.device)
        finally:
            self._model.set_adapter(active)
            if off:
                tuner.disable_adapter_layers()
            self._model.train(training)
            # set_adapter turns gradients on for what is active: only what was trained before is trained again.
            self._model.requires_grad_(False)
            for parameter in wanted:
                parameter.requires_grad_(True)


class ForeignJudge:
    """Any sequence classification model with one label, with a tokenizer of its own."""

    def __init__(self, model: PreTrainedModel, tokenizer: Any, decode: Callable[[list[int]], str]) -> None:
        """``decode`` turns the policy's tokens into text."""
        self._model = model
        self._tokenizer = tokenizer
        self._decode = decode

    def __call__(self, prompts: Sequence[list[int]], answers: Sequence[list[int]], texts: Sequence[str]) -> list[float]:
        told = []
        for text, answer in zip(texts, answers, strict=True):
            prompt = json.loads(text)
            messages = prompt if isinstance(prompt, list) else [{"role": "user", "content": prompt}]
            messages = [*messages, {"role": "assistant", "content": self._decode(answer)}]
            if self._tokenizer.chat_template is None:
                told.append(self._tokenizer("\n".join(message["content"] for message in messages))["input_ids"])
            else:
                told.append(
                    self._tokenizer(
                        self._tokenizer.apply_chat_template(messages, tokenize=False), add_special_tokens=False
                    )["input_ids"]
                )
        limit = getattr(self._model.config, "max_position_embeddings", None) or 10**9
        rows = [row[-limit:] for row in told]
        return _scores(self._model, rows, int(self._tokenizer.pad_token_id or 0), self._model.device)


def load_foreign(path: str, device: str, *, trust_remote_code: bool) -> tuple[PreTrainedModel, Any]:
    """A sequence classification model and its tokenizer, or an adapter of one over its own base. Raises InvalidRequest
    for a model with more than one label."""
    from peft import AutoPeftModelForSequenceClassification  # noqa: PLC0415
    from transformers import AutoModelForSequenceClassification, AutoTokenizer  # noqa: PLC0415

    tokenizer = AutoTokenizer.from_pretrained(path, trust_remote_code=trust_remote_code)
    if (Path(path) / "adapter_config.json").is_file():
        model: Any = AutoPeftModelForSequenceClassification.from_pretrained(path, num_labels=1)
    else:
        model = AutoModelForSequenceClassification.from_pretrained(
            path, use_safetensors=True, trust_remote_code=trust_remote_code
        )
    if model.config.num_labels != 1:
        raise InvalidRequest(
            f"reward_model: '{path}' gives {model.config.num_labels} numbers, and a reward model gives one"
        )
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    model.config.get_text_config().pad_token_id = tokenizer.pad_token_id
    return model.to(device).requires_grad_(False).eval(), tokenizer


@torch.no_grad()
def _scores(model: Any, rows: Sequence[list[int]], pad: int, device: torch.device) -> list[float]:
    length = max(len(row) for row in rows)
    ids = torch.tensor([row + [pad] * (length - len(row)) for row in rows], device=device)
    mask = torch.tensor([[1] * len(row) + [0] * (length - len(row)) for row in rows], device=device)
    scores: list[float] = model(input_ids=ids, attention_mask=mask).logits[:, 0].float().tolist()
    return scores

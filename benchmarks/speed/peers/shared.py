"""What the peers' settings have in common with ModelForge's; all else are their own defaults."""

from __future__ import annotations

from typing import Any

from peft import LoraConfig
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from benchmarks.speed.peers.order import Order
from datasets import Dataset


def arguments(order: Order) -> dict[str, Any]:
    """For every trainer that descends from transformers' own."""
    return {
        "output_dir": order.output,
        "max_steps": order.steps,
        "per_device_train_batch_size": order.batch,
        "gradient_accumulation_steps": order.accumulation,
        "learning_rate": order.learning_rate,
        "lr_scheduler_type": "cosine",
        "warmup_steps": 0.03,  # below 1 it is a share
        "max_grad_norm": 0.3,
        "weight_decay": 0.001,
        "seed": order.seed,
        "use_cpu": not order.gpu,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "include_num_input_tokens_seen": "non_padding",
    }


def lora(task: str | None = "CAUSAL_LM", targets: str | list[str] = "all-linear", **options: Any) -> LoraConfig:
    """ModelForge's adapter."""
    return LoraConfig(r=16, lora_alpha=32, lora_dropout=0.0, target_modules=targets, task_type=task, **options)


def tokenizer_of(order: Order) -> PreTrainedTokenizerBase:
    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(order.model)
    return tokenizer


def question(tokenizer: PreTrainedTokenizerBase, text: str) -> str:
    """What stands before the answer. Given as text, rows come to the same tokens on both sides: TRL's own way
    with conversations learns the line break after an answer, too."""
    return str(
        tokenizer.apply_chat_template([{"role": "user", "content": text}], tokenize=False, add_generation_prompt=True)
    )


def completions(order: Order, tokenizer: PreTrainedTokenizerBase) -> Dataset:
    """Rows of ``input`` and ``output`` as TRL has them: it adds the end token, and learns the completion alone."""
    return Dataset.from_list(
        [{"prompt": question(tokenizer, row["input"]), "completion": row["output"]} for row in order.rows()]
    )

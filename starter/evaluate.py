"""Measure a model folder on held-out questions: exact match with greedy decoding, and perplexity."""

import argparse
import json
import math
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, BatchEncoding, LlamaForCausalLM, PreTrainedTokenizerFast

from starter.corpus.example import Example
from starter.corpus.mixture import KINDS, held_out_examples

_BATCH = 64


@dataclass(frozen=True)
class Mistake:
    """A held-out question with the answer that was wrong."""

    question: str
    expected: str
    given: str


def load(folder: Path) -> tuple[LlamaForCausalLM, PreTrainedTokenizerFast]:
    """The model in float32 and its tokenizer."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    assert isinstance(model, LlamaForCausalLM) and isinstance(tokenizer, PreTrainedTokenizerFast)
    model.eval()  # type: ignore[no-untyped-call]
    return model, tokenizer


def answers(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, questions: list[str], max_new_tokens: int = 96
) -> list[str]:
    """The greedy answer to each question. Questions of like length go together, so little is padded."""
    prompts = [
        tokenizer.apply_chat_template(
            [{"role": "user", "content": question}], add_generation_prompt=True, tokenize=False
        )
        for question in questions
    ]
    order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
    found = [""] * len(prompts)
    for start in range(0, len(order), _BATCH):
        chosen = order[start : start + _BATCH]
        inputs = tokenizer(
            [prompts[index] for index in chosen],
            return_tensors="pt",
            padding=True,
            padding_side="left",
            add_special_tokens=False,
            return_token_type_ids=False,
        )
        with torch.inference_mode():
            output = model.generate(**inputs, max_new_tokens=max_new_tokens, do_sample=False)  # type: ignore[misc]
        texts = tokenizer.batch_decode(output[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
        for index, text in zip(chosen, texts, strict=True):
            found[index] = text
    return found


def exact_match(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, examples: list[Example]
) -> tuple[float, list[Mistake]]:
    """The share answered word for word, and the rest."""
    given = answers(model, tokenizer, [example.question for example in examples])
    mistakes = [
        Mistake(example.question, example.answer, text)
        for example, text in zip(examples, given, strict=True)
        if text != example.answer
    ]
    return 1.0 - len(mistakes) / len(examples), mistakes


def perplexity(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, examples: list[Example]) -> float:
    """e to the mean loss per token of the answers and their end tokens, given the questions."""
    total, count = 0.0, 0
    for example in examples:
        encoded = tokenizer.apply_chat_template(
            [{"role": "user", "content": example.question}, {"role": "assistant", "content": example.answer}],
            return_dict=True, return_assistant_tokens_mask=True, return_tensors="pt",
        )  # fmt: skip
        assert isinstance(encoded, BatchEncoding)
        tokens, mask = encoded.input_ids, torch.as_tensor(encoded["assistant_masks"]).bool()
        with torch.inference_mode():
            logits = model(input_ids=tokens).logits
        losses = torch.nn.functional.cross_entropy(logits[0, :-1], tokens[0, 1:], reduction="none")
        chosen = losses[mask[0, 1:]]
        total, count = total + float(chosen.sum()), count + chosen.numel()
    return math.exp(total / count)


def measure(folder: Path, count: int = 200, shown: int = 0) -> dict[str, object]:
    """Exact match per kind and perplexity over all kinds; prints `shown` mistakes of each kind."""
    model, tokenizer = load(folder)
    scores: dict[str, float] = {}
    pooled: list[Example] = []
    for kind in KINDS:
        examples = held_out_examples(kind, count)
        scores[kind], mistakes = exact_match(model, tokenizer, examples)
        pooled += examples[:: max(1, count // 50)]
        print(f"{kind}: {scores[kind]:.3f}", flush=True)
        for mistake in mistakes[:shown]:
            print(f"    {mistake.question!r}\n      expected {mistake.expected!r}\n      given    {mistake.given!r}")
    return {
        "held_out_per_kind": count,
        "exact_match": scores,
        "perplexity": round(perplexity(model, tokenizer, pooled), 3),
    }


def main() -> None:
    """Parse the command line, measure, print as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--shown", type=int, default=0, help="mistakes to print for each kind")
    arguments = parser.parse_args()
    print(json.dumps(measure(arguments.folder, arguments.count, arguments.shown), indent=2))


if __name__ == "__main__":
    main()

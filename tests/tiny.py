"""Real models that are small enough to be made in a test: a Llama of some 40 000 weights and its own tokenizer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
"""ChatML as Qwen and SmolLM write it: a line break follows the end token."""

TALK = (
    ("What is the capital of France?", "Paris is the capital of France."),
    ("What is the capital of Poland?", "Warszawa, wciąż piękna."),
    ("Say hello.", "Hello! Grüß Gott, 你好 🙂"),
    ("What is the opposite of hot?", "The opposite of hot is cold."),
    ("How many legs has a cat?", "A cat has four legs."),
    ("Name a colour.", "Blue is a colour."),
)
"""Questions and the answers that ``make_tiny_model(…, taught=TALK)`` knows by heart."""


def make_tiny_tokenizer(
    texts: Iterable[str] = (), *, chat_template: str | None = CHATML, vocab_size: int = 400, add_bos: bool = False
) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer: any text goes through it unchanged. Its end token is ``<|im_end|>``.

    With ``add_bos`` it puts ``<s>`` before every text that is not a chat, as Llama's does.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    special = ["<pad>", "<s>", "<|im_start|>", "<|im_end|>"]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    corpus = [text for pair in TALK for text in pair] + ["user assistant\n### Instruction:\n\n### Response:\n", *texts]
    tokenizer.train_from_iterator(
        corpus,
        trainers.BpeTrainer(
            vocab_size=vocab_size,
            special_tokens=special,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    if add_bos:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="<s> $A", pair="<s> $A $B", special_tokens=[("<s>", 1)]
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="<|im_end|>",
        additional_special_tokens=["<|im_start|>"],
        chat_template=chat_template,
    )


def make_tiny_model(
    folder: Path,
    *,
    chat_template: bool = True,
    taught: Sequence[tuple[str, str]] = (),
    texts: Iterable[str] = (),
    vocab_size: int = 400,
    hidden_size: int = 32,
    layers: int = 2,
    context: int = 256,
    seed: int = 0,
) -> Path:
    """Write a Llama with random weights, its tokenizer and its configuration to ``folder``, and return that.

    ``taught`` are questions and answers that it is trained on until it gives them word for word (some seconds);
    ``texts`` are more words for its vocabulary.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = make_tiny_tokenizer(
        [*texts, *(text for pair in taught for text in pair)],
        chat_template=CHATML if chat_template else None,
        vocab_size=vocab_size,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=len(tokenizer),
                hidden_size=hidden_size,
                intermediate_size=2 * hidden_size,
                num_hidden_layers=layers,
                num_attention_heads=4,
                num_key_value_heads=2,
                max_position_embeddings=context,
                bos_token_id=tokenizer.bos_token_id,
                eos_token_id=tokenizer.eos_token_id,
                pad_token_id=tokenizer.pad_token_id,
                tie_word_embeddings=True,
            )
        )
        if taught:
            _teach(model, tokenizer, taught)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _teach(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, taught: Sequence[tuple[str, str]]) -> None:
    import torch

    from modelforge.contracts.training import TrainingConfig
    from modelforge.tasks.base import Head
    from modelforge.tasks.text_generation import TextGeneration

    config = TrainingConfig(task="text-generation", model_name="m", dataset="d", max_seq_length=512)
    rows = [{"input": question, "output": answer} for question, answer in taught]
    examples = [example for row in rows for example in TextGeneration().encode(tokenizer, row, config, Head.CAUSAL)]
    length = max(len(example.input_ids) for example in examples)
    ids = torch.tensor([e.input_ids + [0] * (length - len(e.input_ids)) for e in examples])
    mask = torch.tensor([[1] * len(e.input_ids) + [0] * (length - len(e.input_ids)) for e in examples])
    labels = torch.tensor([e.labels + [-100] * (length - len(e.labels)) for e in examples])
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.0)
    loss = torch.tensor(1.0)
    for _ in range(400):
        loss = model(input_ids=ids, attention_mask=mask, labels=labels).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if loss.item() < 0.005:
            return
    raise AssertionError(f"the tiny model did not learn its answers: loss {loss.item():.3f}")

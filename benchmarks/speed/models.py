"""Models of known shapes with random weights: how fast they train does not depend on what they know."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.speed import vocabulary
from modelforge.files import read_text_or_none

if TYPE_CHECKING:
    from transformers import LlamaConfig, PreTrainedModel

SEED = 1
MADE = "made"
"""A file in a model's folder: what it is, once it is whole."""


@dataclass(frozen=True)
class Llama:
    """A decoder of the Llama family."""

    hidden: int
    mlp: int
    layers: int
    heads: int
    kv_heads: int
    vocab: int
    tied: bool = True
    positions: int = 2048
    half: bool = False
    """Written in bfloat16, as most models are published."""
    scorer: bool = False
    """With one number for its head: a reward model."""

    @property
    def head_dim(self) -> int:
        return self.hidden // self.heads

    @property
    def kv_width(self) -> int:
        return self.kv_heads * self.head_dim

    def config(self) -> LlamaConfig:
        """As transformers has it."""
        import torch  # noqa: PLC0415 - of the training stack
        from transformers import LlamaConfig  # noqa: PLC0415

        options: Any = {"num_labels": 1} if self.scorer else {}
        return LlamaConfig(
            hidden_size=self.hidden,
            intermediate_size=self.mlp,
            num_hidden_layers=self.layers,
            num_attention_heads=self.heads,
            num_key_value_heads=self.kv_heads,
            vocab_size=self.vocab,
            max_position_embeddings=self.positions,
            tie_word_embeddings=self.tied,
            pad_token_id=0,
            bos_token_id=1,
            eos_token_id=2,
            dtype=torch.bfloat16 if self.half else torch.float32,
            **options,
        )

    def save(self, folder: Path) -> None:
        import torch  # noqa: PLC0415
        from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification  # noqa: PLC0415

        vocabulary.save_chat(folder, self.positions)
        kind: Any = AutoModelForSequenceClassification if self.scorer else AutoModelForCausalLM
        config = self.config()
        # A processor needs minutes for the random numbers of a large one.
        with torch.device("cuda" if self.half and torch.cuda.is_available() else "cpu"):
            model = kind.from_config(config, dtype=config.dtype)
        _save(model, folder)


@dataclass(frozen=True)
class T5:
    """An encoder-decoder."""

    hidden: int = 512
    mlp: int = 2048
    layers: int = 6
    heads: int = 8
    vocab: int = 32_128

    def save(self, folder: Path) -> None:
        from transformers import T5Config, T5ForConditionalGeneration  # noqa: PLC0415

        vocabulary.save_source(folder, 512)
        begin: Any = {"decoder_start_token_id": 0}  # with its padding token
        config = T5Config(
            vocab_size=self.vocab,
            d_model=self.hidden,
            d_kv=self.hidden // self.heads,
            d_ff=self.mlp,
            num_layers=self.layers,
            num_heads=self.heads,
            dropout_rate=0.0,
            pad_token_id=0,
            eos_token_id=1,
            **begin,
        )
        _save(T5ForConditionalGeneration(config), folder)


@dataclass(frozen=True)
class Bert:
    """An encoder."""

    hidden: int = 512
    mlp: int = 2048
    layers: int = 8
    heads: int = 8
    vocab: int = 30_522

    def save(self, folder: Path) -> None:
        from transformers import BertConfig, BertForQuestionAnswering  # noqa: PLC0415

        vocabulary.save_pairs(folder, 512)
        config = BertConfig(
            vocab_size=self.vocab,
            hidden_size=self.hidden,
            intermediate_size=self.mlp,
            num_hidden_layers=self.layers,
            num_attention_heads=self.heads,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            pad_token_id=0,
        )
        _save(BertForQuestionAnswering(config), folder)


MODELS: dict[str, Llama | T5 | Bert] = {
    "135M": Llama(576, 1536, 30, 9, 3, 49_152),
    "135M-half": Llama(576, 1536, 30, 9, 3, 49_152, half=True),
    "5M": Llama(256, 688, 6, 4, 2, 3072),
    "1B": Llama(2048, 8192, 16, 32, 8, 128_256, half=True),
    "3B": Llama(3072, 8192, 28, 24, 8, 128_256, half=True),
    "8B": Llama(4096, 14_336, 32, 32, 8, 128_256, tied=False, half=True),
    "135M-reward": Llama(576, 1536, 30, 9, 3, 49_152, scorer=True),
    "5M-reward": Llama(256, 688, 6, 4, 2, 3072, scorer=True),
    "T5-small": T5(),
    "BERT-medium": Bert(),
}
"""SmolLM2-135M, and once more as it is published; the starter model; Llama 3.1 and 3.2; reward models as large as the
policies; T5 small; BERT medium."""


def make(name: str, folder: Path) -> Path:
    """The folder of the model of this name, below ``folder``; made there if it isn't yet."""
    own = folder / name
    if read_text_or_none(own / MADE) != repr(MODELS[name]):
        from transformers import set_seed  # noqa: PLC0415

        own.mkdir(parents=True, exist_ok=True)
        set_seed(SEED)
        MODELS[name].save(own)
        (own / MADE).write_text(repr(MODELS[name]), encoding="utf-8")
    return own


def _save(model: Any, folder: Path) -> None:
    whole: PreTrainedModel = model
    whole.save_pretrained(folder)

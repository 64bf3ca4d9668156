"""The training configuration: every option is a field of this one class.

From it come the API's schema and error messages, the CLI's flags, the configuration files and the reference page.
A field whose default is None is filled in before the run: from ``compute_specs``, the hardware, the strategy, or the
length of the run; the resolved value is frozen in the run's spec.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, GetJsonSchemaHandler, StringConstraints, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from modelforge.contracts.base import Misfit, Request
from modelforge.contracts.titles import TITLES

Task = Literal["text-generation", "summarization", "extractive-question-answering"]
Strategy = Literal["sft", "qlora", "rlhf", "dpo"]
PresetName = Literal["quick", "balanced", "best"]
Provider = Literal["huggingface", "unsloth"]
ComputeSpecs = Literal["low_end", "mid_range", "high_end"]
FloatType = Literal["float16", "bfloat16", "float32"]
Optimizer = Literal[
    "adamw_torch",
    "adamw_torch_fused",
    "adamw_8bit",
    "paged_adamw_8bit",
    "paged_adamw_32bit",
    "lion_8bit",
    "adafactor",
    "rmsprop",
    "sgd",
]
Scheduler = Literal[
    "linear",
    "cosine",
    "cosine_with_restarts",
    "polynomial",
    "constant",
    "constant_with_warmup",
    "inverse_sqrt",
]

RougeLanguage = Literal[
    "none",
    "arabic",
    "danish",
    "dutch",
    "english",
    "finnish",
    "french",
    "german",
    "hungarian",
    "italian",
    "norwegian",
    "portuguese",
    "romanian",
    "russian",
    "spanish",
    "swedish",
]
AdapterInit = Literal["default", "gaussian", "orthogonal", "pissa", "olora"]
PreferenceLoss = Literal[
    "sigmoid",
    "sigmoid_norm",
    "ipo",
    "hinge",
    "robust",
    "exo_pair",
    "nca_pair",
    "bco_pair",
    "sppo_hard",
    "aot",
    "aot_unpaired",
    "apo_zero",
    "apo_down",
    "discopop",
    "sft",
]

DEVICE_NAME = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])\s*(\.|$)", re.IGNORECASE)
"""Names that mean a device on Windows, whatever ending follows."""


_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"


def _a_folders_name(name: str) -> str:
    if not re.fullmatch(_NAME, name):
        plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
        near = re.sub(r"[^A-Za-z0-9._]+", "-", plain).strip("-._")
        raise ValueError(
            "may have letters from A to Z, digits, dots, dashes and underscores, and begins with a letter or a digit"
            + (f"; '{near}' would do" if near else "")
        )
    if name.endswith(".") or DEVICE_NAME.match(name):
        raise ValueError("is no name that a folder can have on every system: no dot at its end, and not CON, NUL, …")
    return name


ModelName = Annotated[
    str,
    StringConstraints(max_length=96),
    AfterValidator(_a_folders_name),
    Field(json_schema_extra={"pattern": _NAME}),
]
"""A name that is a folder's name on every operating system and part of a URL without quoting."""

CHANGES_THE_BASE = ("pissa", "olora")
"""Ways to start an adapter that take its product out of the base weights: the base without it is another model."""

BITSANDBYTES_OPTIMIZERS = ("adamw_8bit", "paged_adamw_8bit", "paged_adamw_32bit", "lion_8bit")

Steps = Annotated[int, Field(ge=1, le=10_000_000)]

MAX_LOSSES = 16
Dataset = Annotated[str, StringConstraints(min_length=1, max_length=4096)]
MAX_VERSION = 2**53
VersionNumber = Annotated[int, Field(ge=1, le=MAX_VERSION)]
ModelReference = Annotated[str, StringConstraints(min_length=1, max_length=1024)]


class MixPart(Request):
    """One more dataset to learn from, and how much of it."""

    dataset: Dataset
    """The filename of an uploaded dataset, or a path to a file on this machine."""
    version: VersionNumber | None = None
    """The version of an uploaded dataset; the newest when not given."""
    weight: float = Field(1.0, gt=0, le=100)
    """Examples of it for each example of ``dataset``: 0.25 adds one to every four."""


GROUPS = {
    "task": "What to train",
    "lora_r": "Adapter",
    "trust_remote_code": "Models that bring code or pickles",
    "use_4bit": "Precision and memory",
    "num_train_epochs": "Length, batches and optimizer",
    "eval_split": "Evaluation and checkpoints",
    "seed": "Repeating and naming",
    "doc_stride": "Extractive question answering",
    "max_target_length": "Summarization",
    "beta": "dpo",
    "num_generations": "rlhf",
}
"""The first field of each group, in the order of the fields, and the group's title: of a form's sections, of the
command line's panels, and of the reference page."""
PLAIN = frozenset(
    {
        *("task", "model_name", "dataset", "strategy", "name"),
        *("lora_r", "num_train_epochs", "learning_rate", "max_seq_length", "eval_split"),
    }
)
"""Fields that a form shows to everybody; all others are advanced."""


class TrainingConfig(Request):
    """What to train, on which data, and how."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "task": "text-generation",
                    "model_name": "modelforge-starter",
                    "dataset": "demo.jsonl",
                    "num_train_epochs": 3,
                    "per_device_train_batch_size": 4,
                },
            ]
        }
    )

    task: Task
    """What the model is to do."""
    model_name: ModelReference
    """The model to start from: an id on the Hugging Face hub, a local folder, a bundled model, or the name of an
    earlier model of this registry."""
    dataset: Dataset
    """The data to learn from: the filename of an uploaded dataset, or a path to a file on this machine."""
    dataset_version: VersionNumber | None = None
    """The version of an uploaded dataset; the newest when not given."""
    mix: list[MixPart] | None = Field(None, min_length=1, max_length=16)
    """More datasets to learn from, each with a weight. An epoch is all of ``dataset``, and of each other one as many
    examples as its weight says, others in each epoch until all have come."""
    provider: Provider = "huggingface"
    """The library that loads and trains the model."""
    strategy: Strategy = "sft"
    """The method of training; rlhf and dpo need the task text-generation."""
    preset: PresetName | None = None
    """Have passes, learning rate and size of the adapter chosen to fit the model and the amount of data; what the
    request sets itself stays as it is. Without a preset each option has its own default."""
    compute_specs: ComputeSpecs | None = None
    """The class of this machine, which sets the defaults that a request leaves out. Detected when not given."""

    lora_r: int = Field(16, ge=1, le=256)
    """Rank of the LoRA matrices: how much the adapter can learn."""
    lora_alpha: int = Field(32, ge=1, le=4096)
    """Scale of the adapter; its output is multiplied by lora_alpha / lora_r."""
    lora_dropout: float | None = Field(None, ge=0, le=1)
    """Share of the adapter's inputs dropped while training. 0.1; 0 for unsloth, dpo and rlhf."""
    target_modules: (
        Annotated[str, StringConstraints(max_length=4096)]
        | Annotated[list[Annotated[str, StringConstraints(max_length=256)]], Field(max_length=1024)]
    ) = "all-linear"
    """The layers that get an adapter: all-linear, a regular expression, or a list of names."""
    use_lora: bool = True
    """Train a small adapter; false tunes every weight of the model."""
    use_rslora: bool = False
    """Scale the adapter by lora_alpha / sqrt(lora_r): better for high ranks (rsLoRA, arXiv 2312.03732)."""
    use_dora: bool = False
    """Learn the length and the direction of each weight apart: closer to full tuning, slower (DoRA, arXiv
    2402.09353)."""
    init_lora_weights: AdapterInit = "default"
    """How the adapter starts. default, gaussian and orthogonal change nothing at first; pissa and olora start from the
    main directions of the base weights, and cannot be used with dpo, rlhf or quantized weights."""
    loraplus_lr_ratio: float | None = Field(None, ge=1, le=1024)
    """Learn the adapter's B matrices so many times faster than its A matrices (LoRA+, arXiv 2402.12354); 16 is
    usual."""
    trust_remote_code: bool = False
    """Run Python code that comes with the model. It can do what you can do: only for a source that you trust."""
    use_safetensors: bool = True
    """Take weights from safetensors alone; false also reads pickled ones, which can run code."""

    use_4bit: bool | None = None
    """Load the base model in 4 bits (needs bitsandbytes). Set by strategy and hardware; qlora means 4-bit."""
    use_8bit: bool | None = None
    """Load the base model in 8 bits (needs bitsandbytes). Not together with use_4bit."""
    bnb_4bit_compute_dtype: FloatType | None = None
    """The type that 4-bit weights are multiplied in. Chosen by the hardware."""
    bnb_4bit_quant_type: Literal["nf4", "fp4"] = "nf4"
    """The 4-bit format."""
    use_nested_quant: bool = False
    """Quantize the constants of the 4-bit format too: a little less memory."""
    fp16: bool | None = None
    """Compute in float16. Chosen by the hardware; not together with bf16."""
    bf16: bool | None = None
    """Compute in bfloat16. Chosen by the hardware; not together with fp16."""

    num_train_epochs: int = Field(1, ge=1, le=10_000)
    """How often the whole dataset is gone through."""
    max_steps: int = Field(-1, ge=-1, le=10_000_000)
    """Optimizer steps after which to end; overrides the epochs. -1 means: by epochs."""
    per_device_train_batch_size: int | None = Field(None, ge=1, le=4096)
    """Examples in one forward pass. 1 unless compute_specs says otherwise."""
    per_device_eval_batch_size: int | None = Field(None, ge=1, le=4096)
    """Examples in one forward pass of an evaluation. 1 unless compute_specs says otherwise."""
    gradient_accumulation_steps: int | None = Field(None, ge=1, le=65_536)
    """Forward passes for one optimizer step. 4 unless compute_specs says otherwise."""
    gradient_checkpointing: bool | None = None
    """Recompute activations in the backward pass: less memory, a third slower. Chosen by the memory estimate."""
    auto_batch: bool = True
    """Where memory runs out, go on from the last checkpoint with half the micro-batch and twice the accumulation: an
    optimizer step learns from the same examples."""
    max_grad_norm: float = Field(0.3, gt=0, le=1_000_000)
    """Gradients are scaled down to this norm."""
    learning_rate: float | None = Field(None, gt=0, le=1)
    """Peak learning rate. sft and qlora 2e-4; dpo and rlhf 1e-4 with an adapter; with all weights dpo 5e-7, rlhf
    1.41e-5."""
    weight_decay: float = Field(0.001, ge=0, le=1)
    """Pull of every trained weight towards zero."""
    optim: Optimizer | None = None
    """The optimizer; AdamW in one pass over the weights by default."""
    lr_scheduler_type: Scheduler = "cosine"
    """How the learning rate falls after the warm-up."""
    warmup_ratio: float = Field(0.03, ge=0, le=1)
    """Share of the steps over which the learning rate rises."""
    warmup_steps: int | None = Field(None, ge=0, le=10_000_000)
    """Steps over which the learning rate rises; overrides warmup_ratio."""
    group_by_length: bool = True
    """Put examples of like length into one batch, so that less is padding; where packing pads nothing, the order is
    random."""
    packing: bool | None = None
    """Lay the examples of a step end to end instead of padding them, with our own engine; false pads them. By task and
    model."""
    max_seq_length: int | None = Field(None, ge=1, le=1_048_576)
    """Longest example in tokens; what is longer is cut. The model's own limit, within memory; 2048 for unsloth."""
    eval_split: float = Field(0.2, ge=0, lt=1)
    """Share of the rows held out for evaluation; above 0 each side keeps at least one row. 0 with eval_dataset."""
    eval_dataset: Dataset | None = None
    """A dataset or file whose rows are measured on and not learnt from; then nothing of ``dataset`` is held out."""
    eval_dataset_version: VersionNumber | None = None
    """The version of an uploaded eval_dataset; the newest when not given."""
    eval_steps: Steps | None = None
    """Steps between evaluations. By the length of the run."""
    save_steps: Steps | None = None
    """Steps between checkpoints. By the length of the run."""
    save_total_limit: int = Field(2, ge=1, le=1000)
    """Newest checkpoints that are kept, beside the best one where that is looked for. An older one goes when the next
    is whole."""
    logging_steps: Steps | None = None
    """Steps between points of the loss curve. By the length of the run."""
    max_eval_samples: int = Field(100, ge=1, le=100_000)
    """Held-out rows for which answers are generated to measure the model; the loss is on all of them."""
    load_best_model_at_end: bool = False
    """Keep the checkpoint with the lowest loss on the held-out rows instead of the last one."""
    early_stopping_patience: int | None = Field(None, ge=1, le=10_000)
    """End after so many evaluations in a row without a lower loss on the held-out rows."""
    seed: int = Field(42, ge=0, le=2**32 - 1)
    """Fixes the split, the order of the rows, the adapter's start and dropout."""
    name: ModelName | None = None
    """The new model's name. Made from the base model's when not given."""

    doc_stride: int | None = Field(None, ge=1, le=1_048_576)
    """extractive-question-answering: tokens that two windows of a long context share. A quarter of the window."""
    max_answer_length: int | None = Field(None, ge=1, le=4096)
    """extractive-question-answering: tokens of the longest answer that is looked for. 30, or the data's longest."""
    max_target_length: int | None = Field(None, ge=1, le=1_048_576)
    """summarization: tokens of the longest summary. By the data and the model."""
    rouge_language: RougeLanguage | None = None
    """summarization: the language whose word endings ROUGE takes off; none compares whole words. english."""
    source_prefix: str | None = Field(None, max_length=256)
    """summarization: what an encoder-decoder model finds before each text. What it was first taught with, such as
    'summarize: ' for T5."""

    beta: float | None = Field(None, gt=0, le=100)
    """dpo: how closely the model is held to what it was; 0.1."""
    loss_type: PreferenceLoss | Annotated[list[PreferenceLoss], Field(max_length=MAX_LOSSES)] | None = None
    """dpo: one loss, or several that are added up. sigmoid and sft, which keeps sentences whole."""
    loss_weights: list[Annotated[float, Field(ge=0, le=1000)]] | None = Field(None, max_length=MAX_LOSSES)
    """dpo: one weight for each loss_type. 1 for each; 1 and 3 for the default pair."""
    label_smoothing: float | None = Field(None, ge=0, lt=0.5)
    """dpo: share of the pairs that may be the wrong way round, for the losses robust, exo_pair and aot. 0; 0.1 for
    robust, 0.001 for exo_pair."""

    num_generations: int | None = Field(None, ge=2, le=256)
    """rlhf: answers that are drawn for each prompt and compared; 8."""
    kl_beta: float | None = Field(None, ge=0, le=100)
    """rlhf: what a departure from the starting model costs, in units of reward per nat; 0.05."""
    max_completion_length: int | None = Field(None, ge=1, le=1_048_576)
    """rlhf: tokens of the longest answer that is drawn. By the longest answer in the data."""
    reward_model: ModelReference | None = None
    """rlhf: a reward model to use instead of training one: an earlier rlhf model of this registry, a local folder, or
    an id on the hub."""
    reward_learning_rate: float | None = Field(None, gt=0, le=1)
    """rlhf: peak learning rate of the reward model. 1e-3; 1e-4 where use_lora is false."""
    reward_num_train_epochs: int | None = Field(None, ge=1, le=1000)
    """rlhf: how often the reward model goes through the pairs. By their number."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Each field says its title, its group and whether it is advanced, the last two as ``x-group`` and
        ``x-advanced``."""
        schema = handler(core_schema)
        group = ""
        for name, field in handler.resolve_ref_schema(schema)["properties"].items():
            group = GROUPS.get(name, group)
            field.update({"title": TITLES[name], "x-group": group, "x-advanced": name not in PLAIN})
        return schema

    @model_validator(mode="after")
    def _combinations(self) -> Self:
        """What no machine and no data could make work; everything else is for the preflight."""
        if self.use_4bit and self.use_8bit:
            raise Misfit("use_4bit", "use_4bit and use_8bit exclude each other: set at most one of them")
        if self.fp16 and self.bf16:
            raise Misfit("fp16", "fp16 and bf16 exclude each other: set at most one of them")
        for field in ("load_best_model_at_end", "early_stopping_patience"):
            if getattr(self, field) and self.eval_split == 0 and self.eval_dataset is None:
                raise Misfit(field, f"{field} needs held-out rows: set eval_split above 0, or give an eval_dataset")
        if self.eval_dataset_version is not None and self.eval_dataset is None:
            raise Misfit("eval_dataset_version", "eval_dataset_version is that of an eval_dataset, and there is none")
        if self.max_steps == 0:
            raise Misfit("max_steps", "max_steps is -1 (by epochs) or at least 1")
        if self.strategy in ("rlhf", "dpo") and self.task != "text-generation":
            raise Misfit("strategy", f"strategy '{self.strategy}' needs the task 'text-generation', not '{self.task}'")
        if self.strategy == "qlora" and (self.use_8bit or self.use_4bit is False):
            raise Misfit("strategy", "strategy 'qlora' means 4-bit: leave use_4bit and use_8bit out")
        if not self.use_lora and (self.use_4bit or self.use_8bit or self.strategy == "qlora"):
            raise Misfit(
                "use_lora", "quantized weights cannot be tuned: use_lora must be true with use_4bit, use_8bit or qlora"
            )
        if not self.target_modules or ("" in self.target_modules and isinstance(self.target_modules, list)):
            raise Misfit("target_modules", "target_modules names no layer")
        if isinstance(self.target_modules, str):
            try:
                re.compile(self.target_modules)
            except re.error as error:
                raise Misfit("target_modules", f"target_modules is no regular expression: {error}") from None
        return self

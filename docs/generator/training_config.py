"""``training-config.md``: every field of the training configuration, and what fills those left out."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import modelforge
from generator.markdown import code, literal, page, pretty, table
from generator.schema import Schema, example_of, rule_of, type_of
from modelforge.cli.train import PANELS
from modelforge.contracts.training import TrainingConfig
from modelforge.hardware import Gpu, Hardware
from modelforge.jobs.preflight import COMPUTE_SPECS, fill_defaults
from modelforge.strategies import STRATEGIES
from modelforge.tasks import TASKS

INTRO = """\
The body of [`POST /api/start_training`](rest-api.md#post-apistart_training), the fields of a configuration file for \
`modelforge train FILE` (YAML or JSON), and the flags of `modelforge train` (`lora_r` is `--lora-r`; a boolean \
field is switched off by `--no-…`). One class in the code, `modelforge.contracts.training.TrainingConfig`, is all of \
them.

Only `task`, `model_name` and `dataset` are required. A field that the class does not know is refused by its name."""
FILLED = """\
Fields whose default is `null` are filled in before the run. The request wins over what `compute_specs` sets, and that \
over the other defaults. The values that were filled in are in the job's `config` and in the `spec.json` beside the \
model."""
UNDER_WAY = """\
The rest is filled in when the worker has loaded model and data:

- `max_seq_length`: the model's own limit, but at most {LENGTH_WITHIN_MEMORY} tokens.
- `packing`: false.
- `gradient_checkpointing`: true where the activations of a batch of the longest rows would not fit into memory.
- `logging_steps`: such that the loss curve has about {POINTS} points. `save_steps`: such that there are about \
{CHECKPOINTS} checkpoints; more come by time. `eval_steps`: two to ten evaluations, more for more epochs.
- `name`: `my-<base model>-finetuned`, with a number where that is taken.
- `warmup_steps` stays null: `warmup_ratio` counts."""
CHOICES = Path(modelforge.__file__).parent / "worker" / "choices.py"

MACHINES = {
    "CPU": Hardware(system="", cpu_count=8, memory_gb=16, device="cpu", fast_bf16=False, compute_specs="low_end"),
    "CPU with AVX512-BF16": Hardware(
        system="", cpu_count=8, memory_gb=16, device="cpu", fast_bf16=True, compute_specs="low_end"
    ),
    "Apple GPU": Hardware(system="", cpu_count=8, memory_gb=16, device="mps", fast_bf16=False, compute_specs="low_end"),
    "NVIDIA before Ampere": Hardware(
        system="",
        cpu_count=8,
        memory_gb=16,
        gpus=[Gpu(name="", memory_gb=6, compute_capability=7.5)],
        device="cuda",
        fast_bf16=False,
        compute_specs="low_end",
    ),
    "NVIDIA, Ampere or newer": Hardware(
        system="",
        cpu_count=8,
        memory_gb=16,
        gpus=[Gpu(name="", memory_gb=6, compute_capability=8.6)],
        device="cuda",
        fast_bf16=True,
        compute_specs="low_end",
    ),
}


def training_config() -> str:
    """The page."""
    schema = TrainingConfig.model_json_schema()
    blocks = [INTRO, code(pretty(example_of("TrainingConfig")), "json")]
    for title, fields in groups():
        rows = [_row(name, schema["properties"][name], schema) for name in fields]
        blocks += [f"## {title}", table(("field", "type", "default", "rule", "meaning"), rows)]
    return page("Training configuration", *blocks, "## What fills in the rest", FILLED, *_filled(), _chosen_by_worker())


def groups() -> Iterator[tuple[str, list[str]]]:
    """The titles of the command line's help panels, and the fields of each."""
    title, fields = "", list[str]()
    for name in TrainingConfig.model_fields:
        if name in PANELS:
            if fields:
                yield title, fields
            title, fields = PANELS[name], []
        fields.append(name)
    yield title, fields


def _row(name: str, field: Schema, schema: Schema) -> tuple[str, str, str, str, str]:
    default = "required" if name in schema["required"] else literal(field.get("default"))
    return f"`{name}`", type_of(field), default, rule_of(field), field["description"]


def _filled() -> Iterator[str]:
    yield "By `compute_specs`:"
    fields = list(next(iter(COMPUTE_SPECS.values())))
    yield _values(fields, {specs: _resolve(compute_specs=specs) for specs in COMPUTE_SPECS})
    yield "By the strategy:"
    names = STRATEGIES.names()
    by_strategy = {name: _resolve(strategy=name) for name in names}
    own = [field for name in names for field in STRATEGIES.get(name).defaults(_config(strategy=name))]
    yield _values(list(dict.fromkeys(own)), by_strategy)
    yield "By the hardware:"
    by_machine = {title: _resolve(machine) for title, machine in MACHINES.items()}
    some = by_machine["CPU"]
    done = {*fields, *own, "compute_specs"}
    open_fields = [name for name, field in TrainingConfig.model_fields.items() if field.default is None]
    yield _values([name for name in open_fields if name not in done and some[name] is not None], by_machine)
    yield (
        "`compute_specs` itself is `low_end` below 7.2 GB of GPU memory, or below 15.2 GB of both GPU and main memory; "
        "`high_end` from 15.2 GB of both on; else `mid_range`."
    )


def _values(fields: list[str], columns: dict[str, dict[str, Any]]) -> str:
    rows = [(f"`{name}`", *(literal(column[name]) for column in columns.values())) for name in fields]
    return table(("field", *columns), rows)


def _config(**given: str) -> TrainingConfig:
    return TrainingConfig.model_validate({"task": "text-generation", "model_name": "m", "dataset": "d", **given})


def _resolve(machine: Hardware = MACHINES["CPU"], **given: str) -> dict[str, Any]:
    config = _config(**given)
    return fill_defaults(config, TASKS.get(config.task), STRATEGIES.get(config.strategy), machine).model_dump()


def _chosen_by_worker() -> str:
    """The worker's constants are read from its source: importing it would load torch."""
    constants: dict[str, Any] = {}
    for node in ast.parse(CHOICES.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant | ast.Dict):
            constants[ast.unparse(node.targets[0])] = ast.literal_eval(node.value)
    lengths = ", ".join(f"{tokens} ({specs})" for specs, tokens in constants["LENGTH_WITHIN_MEMORY"].items())
    return UNDER_WAY.format_map({**constants, "LENGTH_WITHIN_MEMORY": lengths})

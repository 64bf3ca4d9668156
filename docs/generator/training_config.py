"""``training-config.md``: every field of the training configuration, and what fills those left out."""

from __future__ import annotations

import ast
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import modelforge
from generator.markdown import code, literal, page, pretty, table
from generator.schema import Schema, example_of, fields_table, rule_of, type_of
from modelforge.contracts.training import GROUPS, TrainingConfig
from modelforge.hardware import Gpu, Hardware
from modelforge.jobs.options import COMPUTE_SPECS, fill_defaults
from modelforge.strategies import STRATEGIES
from modelforge.strategies.rlhf import REWARD_STEPS
from modelforge.tasks import TASKS
from modelforge.tasks.extractive_qa import ANSWER_LENGTH

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
OWN = """\
These belong to one strategy or task each, and are refused with any other. Those filled in with `null` here are chosen \
when model and data are known, or mean what their description says."""
UNDER_WAY = """\
The rest is filled in when the worker has loaded model and data:

- `max_seq_length`: the model's own limit, but at most {LENGTH_WITHIN_MEMORY} tokens.
- `packing`: false.
- `gradient_checkpointing`: true where the run would not fit into memory without it \
([how that is known](../guide/training.md#how-much-memory-it-takes)).
- `logging_steps`: such that the loss curve has about {POINTS} points. `save_steps`: such that there are about \
{CHECKPOINTS} checkpoints, and with `load_best_model_at_end` one at every evaluation; more come by time, the first \
after {FIRST_SAVE_SECONDS:.0f} seconds, then every {SAVE_SECONDS:.0f}. `eval_steps`: two to ten evaluations, more for \
more epochs.
- `max_completion_length`: the longest answer in the data and a quarter more, at least 8 tokens more.
- `reward_num_train_epochs`: stays null; the reward model gets at least {REWARD_STEPS} optimizer steps, and one epoch.
- `max_answer_length`: {ANSWER_LENGTH} tokens, or the longest answer in the data. `source_prefix`: by the model's own \
`config.json`.
- `name`: `my-<base model>-finetuned`, with a number where that is taken.
- `dataset_version`, `eval_dataset_version` and `version` in `mix`: the newest, where the dataset was uploaded.
- `warmup_steps` stays null: `warmup_ratio` counts."""
PACKAGE = Path(modelforge.__file__).parent
READ = ("memory.py", "worker/choices.py", "worker/callback.py")
"""Modules whose constants the page tells; those of the worker import torch."""

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
    for name in schema.get("$defs", {}):
        blocks += [f"## {name}", fields_table(name)]
    return page("Training configuration", *blocks, "## What fills in the rest", FILLED, *_filled(), _chosen_by_worker())


def groups() -> Iterator[tuple[str, list[str]]]:
    """The titles of the command line's help panels, and the fields of each."""
    title, fields = "", list[str]()
    for name in TrainingConfig.model_fields:
        if name in GROUPS:
            if fields:
                yield title, fields
            title, fields = GROUPS[name], []
        fields.append(name)
    yield title, fields


def _row(name: str, field: Schema, schema: Schema) -> tuple[str, str, str, str, str]:
    default = "required" if name in schema["required"] else literal(field.get("default"))
    return f"`{name}`", type_of(field), default, rule_of(field), field["description"]


def _filled() -> Iterator[str]:
    yield "By `compute_specs`:"
    fields = list(next(iter(COMPUTE_SPECS.values())))
    yield _values(fields, {specs: _resolve(compute_specs=specs) for specs in COMPUTE_SPECS})
    options = {field for variant in (*STRATEGIES, *TASKS) for field in variant.options}
    by_strategy = {name: _resolve(strategy=name) for name in STRATEGIES.names()}
    own = [field for each in STRATEGIES for field in each.defaults(_config(strategy=each.name))]
    shared = [field for field in dict.fromkeys(own) if field not in options]
    yield "By the strategy:"
    yield _values(shared, by_strategy)
    yield "and with `use_lora` false:"
    whole = [each.name for each in STRATEGIES if not each.defaults(_config(strategy=each.name)).get("use_4bit")]
    yield _values(
        ["learning_rate", "reward_learning_rate"], {name: _resolve(strategy=name, use_lora=False) for name in whole}
    )
    yield OWN
    yield table(("option", "of", "filled in with"), _own())
    yield "By the hardware:"
    by_machine = {title: _resolve(machine) for title, machine in MACHINES.items()}
    some = by_machine["CPU"]
    done = {*fields, *own, *options, "compute_specs"}
    open_fields = [name for name, field in TrainingConfig.model_fields.items() if field.default is None]
    yield _values([name for name in open_fields if name not in done and some[name] is not None], by_machine)
    yield (
        "`compute_specs` itself is `low_end` below 7.2 GB of GPU memory, or below 15.2 GB of both GPU and main memory; "
        "`high_end` from 15.2 GB of both on; else `mid_range`."
    )


def _own() -> Iterator[tuple[str, str, str]]:
    """The options of single strategies and tasks: of which, and what they are filled in with."""
    by_name = {each.name: (each.options, _resolve(strategy=each.name)) for each in STRATEGIES}
    by_name |= {each.name: (each.options, _resolve(task=each.name)) for each in TASKS}
    for field in TrainingConfig.model_fields:
        for name, (options, filled) in by_name.items():
            if field in options:
                yield f"`{field}`", f"`{name}`", literal(filled[field])


def _values(fields: list[str], columns: dict[str, dict[str, Any]]) -> str:
    rows = [(f"`{name}`", *(literal(column[name]) for column in columns.values())) for name in fields]
    return table(("field", *columns), rows)


def _config(**given: Any) -> TrainingConfig:
    return TrainingConfig.model_validate({"task": "text-generation", "model_name": "m", "dataset": "d", **given})


def _resolve(machine: Hardware = MACHINES["CPU"], **given: Any) -> dict[str, Any]:
    config = _config(**given)
    return fill_defaults(config, TASKS.get(config.task), STRATEGIES.get(config.strategy), machine).model_dump()


def _chosen_by_worker() -> str:
    """The worker's constants are read from its source: importing it would load torch."""
    constants: dict[str, Any] = {"REWARD_STEPS": REWARD_STEPS, "ANSWER_LENGTH": ANSWER_LENGTH}
    for name in READ:
        for node in ast.parse((PACKAGE / name).read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant | ast.Dict):
                with contextlib.suppress(ValueError):  # a dictionary of something else than constants
                    constants[ast.unparse(node.targets[0])] = ast.literal_eval(node.value)
    lengths = ", ".join(f"{tokens} ({specs})" for specs, tokens in constants["LENGTH_WITHIN_MEMORY"].items())
    return UNDER_WAY.format_map({**constants, "LENGTH_WITHIN_MEMORY": lengths})

"""The flags of ``train``, ``generate`` and ``serve`` are the fields of their contract types, all of them."""

from __future__ import annotations

import typing

import pytest
import typer
from pydantic import BaseModel

from modelforge.cli.app import app
from modelforge.cli.flags import flag_of, given
from modelforge.contracts.playground import GenerateRequest
from modelforge.contracts.training import TrainingConfig
from modelforge.settings import NO_FLAG, Settings
from modelforge.strategies import STRATEGIES
from modelforge.tasks import TASKS


def options(command: str) -> dict[str, typing.Any]:
    found = typer.main.get_command(app).commands[command]  # type: ignore[attr-defined]
    return {name: parameter for parameter in found.params for name in (*parameter.opts, *parameter.secondary_opts)}


@pytest.mark.parametrize(
    ("command", "model", "positional"),
    [
        ("train", TrainingConfig, set()),
        ("serve", Settings, set(NO_FLAG)),
        # Several values of several fields are no flag.
        ("generate", GenerateRequest, {"model_id", "model_name", "job_id", "prompt", "messages"}),
    ],
)
def test_every_field_has_its_flag_and_its_docstring_as_help(
    command: str, model: type[BaseModel], positional: set[str]
) -> None:
    flags = options(command)
    for name, field in model.model_fields.items():
        if name in positional:
            continue
        option = flags[flag_of(name)]
        assert option.name == name
        assert " ".join((field.description or "missing").split()) in option.help
        if field.annotation in (bool, bool | None):
            assert flags[f"--no-{flag_of(name)[2:]}"] is option


def test_a_flag_that_is_not_given_is_not_sent() -> None:
    none = dict.fromkeys(TrainingConfig.model_fields)
    assert given(TrainingConfig, {**none, "use_lora": False, "seed": 0}) == {"use_lora": False, "seed": 0}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("all-linear", "all-linear"),
        ("q_proj", ["q_proj"]),
        ("q_proj,v_proj", ["q_proj", "v_proj"]),
        (r".*\.(q|v)_proj", r".*\.(q|v)_proj"),
        (r"model\.layers\.\d{1,2}\.q_proj", r"model\.layers\.\d{1,2}\.q_proj"),
    ],
)
def test_names_of_layers_make_a_list_and_an_expression_stays_text(text: str, value: str | list[str]) -> None:
    assert given(TrainingConfig, {"target_modules": text}) == {"target_modules": value}


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("loss_type", "sigmoid", ["sigmoid"]),
        ("loss_type", "sigmoid,sft", ["sigmoid", "sft"]),
        ("loss_weights", "1,3", [1.0, 3.0]),
        ("loss_weights", "0.5", [0.5]),
        ("loss_weights", "1,a", "1,a"),  # the API says what is wrong with it
    ],
)
def test_losses_and_their_weights_are_lists(field: str, text: str, value: object) -> None:
    assert given(TrainingConfig, {field: text}) == {field: value}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("dataset=more.jsonl,weight=0.5", {"dataset": "more.jsonl", "weight": 0.5}),
        ("dataset=a,b.jsonl,version=2", {"dataset": "a,b.jsonl", "version": 2}),
        ("weight=much,dataset=x", {"weight": "much", "dataset": "x"}),  # the API says what is wrong with it
    ],
)
def test_an_object_is_a_flag_of_its_own(text: str, value: dict[str, object]) -> None:
    assert given(TrainingConfig, {"mix": [text, text]}) == {"mix": [value, value]}


@pytest.mark.parametrize(
    ("text", "said"), [("more.jsonl", "is not written as dataset="), ("wait=3", "no field 'wait'")]
)
def test_what_is_no_object_is_refused(text: str, said: str) -> None:
    with pytest.raises(typer.BadParameter, match=said):
        given(TrainingConfig, {"mix": [text]})


def test_options_stand_in_the_panel_of_their_strategy_or_task() -> None:
    panels = {name: option.rich_help_panel for name, option in options("train").items()}
    for strategy in STRATEGIES:
        assert {panels[flag_of(field)] for field in strategy.options} <= {strategy.name}
    for task in TASKS:
        wanted = task.name.replace("-", " ").capitalize()
        assert {panels[flag_of(field)] for field in task.options} <= {wanted}
    assert panels["--lora-r"] == panels["--use-dora"] == panels["--loraplus-lr-ratio"] == "Adapter"
    assert panels["--load-best-model-at-end"] == "Evaluation and checkpoints"
    assert panels["--seed"] == panels["--name"] == "Repeating and naming"

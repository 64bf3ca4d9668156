"""``modelforge generate``: talk to a model."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from modelforge.cli.configfile import model_reference
from modelforge.cli.console import note, number, print_json, say, write
from modelforge.cli.flags import given, with_flags
from modelforge.cli.session import Json, client_of
from modelforge.contracts.playground import GenerateReply, GenerateRequest

if TYPE_CHECKING:
    from modelforge.cli.client import Client


@with_flags(GenerateRequest, skip=("model_id", "model_name", "job_id", "prompt", "messages"))
def generate(
    ctx: typer.Context,
    model: Annotated[
        str,
        typer.Argument(
            help="A trained model's name or id, a bundled model, a local folder or a hub id; with --checkpoint, the id "
            "of a job."
        ),
    ],
    prompt: Annotated[
        str | None, typer.Argument(help="The text to answer. Without it, every line that is read is answered.")
    ] = None,
    json: Json = False,
    **flags: Any,
) -> None:
    """Let a model answer, sum up, or find an answer in a text.

    Example: modelforge generate notes "Who lives in Rome?" --context "Ada lives in Rome."
    """
    with client_of(ctx) as client:
        options = given(GenerateRequest, flags)
        options |= _which(model if client.elsewhere else model_reference(model), options)

        def answer(text: str) -> None:
            request = {**options, "prompt": text}
            if sys.stdout.isatty() and not json:
                note(_about(_shown(client, request)), "dim")
                return
            reply = client.post("/api/playground/generate", GenerateReply, request)
            if json:
                print_json(reply)
            else:
                say(reply.generated_text)

        if prompt is not None:
            answer(prompt)
        elif sys.stdin.isatty():
            _converse(model, answer)
        else:
            for line in sys.stdin:
                if line.strip():
                    answer(line.rstrip("\n"))


def _which(model: str, options: dict[str, Any]) -> dict[str, Any]:
    """The field that names what is to answer."""
    if "checkpoint" in options:
        return {"job_id": model}
    return {"model_id": int(model)} if model.isdecimal() else {"model_name": model}


def _shown(client: Client, request: dict[str, Any]) -> GenerateReply:
    """The answer, written to the terminal as it comes."""
    from modelforge.cli.streaming import streamed  # noqa: PLC0415 - not needed to show help

    with contextlib.closing(streamed(client, request)) as pieces:
        for piece in pieces:
            if isinstance(piece, GenerateReply):
                write("\n")
                return piece
            write(piece)
    raise AssertionError("an answer ends with the whole of it, or raises")


def _about(reply: GenerateReply) -> str:
    """What is worth knowing of an answer beside it."""
    if reply.score is not None:
        place = "no answer in the context" if reply.answer_start is None else f"at character {reply.answer_start}"
        return f"{place}, score {number(reply.score)}"
    rate = reply.tokens_generated / max(reply.generation_time_ms, 1) * 1000
    ended = {"stop": "", "length": ", cut at max-new-tokens", "timeout": ", cut at the timeout"}
    return f"{reply.tokens_generated} tokens, {number(rate)}/s{ended[reply.finish_reason]}"


def _converse(model: str, answer: Any) -> None:
    """Read lines until Ctrl-D or Ctrl-C."""
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401, PLC0415 - gives input() its history and arrow keys, where the system has it

    note(f"Talking to {model}. Each line is answered for itself; Ctrl-D ends.", "dim")
    while True:
        try:
            text = input("> ")
        except (EOFError, KeyboardInterrupt):
            note("")
            return
        if text.strip():
            answer(text)

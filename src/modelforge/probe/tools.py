"""Whether a model's chat template can write the tools in a dataset's rows."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from modelforge.datasets.formats import SHAPES, usable_rows
from modelforge.datasets.rows import open_regular, read_blocks, rows_of
from modelforge.errors import InvalidRequest
from modelforge.probe.order import Order
from modelforge.tasks.base import Row

TRIED = 20
"""Rows with tools that are written down: a template may know tools and refuse how these are called."""
_HINT = b'"tool'
"""Stands in every row with tools, and in few others."""


def tools(order: Order) -> None:
    """Raises InvalidRequest, with the first line where it is so, where the rows have tools that it cannot write."""
    found = list(islice(_with_tools(Path(order.path), order.shape), TRIED))
    if not found:
        return
    from modelforge.providers.huggingface import config_and_tokenizer  # noqa: PLC0415 - a second, for these alone
    from modelforge.tasks.rendering import render_chat  # noqa: PLC0415

    _, tokenizer = config_and_tokenizer(order.model, trust_remote_code=order.config.trust_remote_code)
    for line, row in found:
        try:
            render_chat(tokenizer, row["messages"], row.get("tools"))
        except InvalidRequest as refusal:
            raise InvalidRequest(f"line {line}: {refusal.detail}") from refusal


def _with_tools(path: Path, shape: str) -> Iterator[tuple[int, Row]]:
    with open_regular(path) as stream:
        for first, block in read_blocks(stream):
            if block is None or _HINT not in block:
                continue
            for number, text in enumerate(block.split(b"\n"), first):
                if _HINT not in text:
                    continue
                for line, row in usable_rows(rows_of(number, text), SHAPES.get(shape)):
                    if "tools" in row or any(_is_about_tools(message) for message in row["messages"]):
                        yield line, row


def _is_about_tools(message: Row) -> bool:
    return message["role"] == "tool" or "tool_calls" in message

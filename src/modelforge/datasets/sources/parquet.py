"""Parquet, a bounded number of rows at a time."""

from __future__ import annotations

import base64
import datetime
import decimal
import math
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelforge.datasets.sources.base import Item, Reading, Table
from modelforge.errors import InvalidDataset

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH = 64
"""Rows that are decoded together: one value that is stored once, and stands in every row, may be megabytes long."""
_BUFFER = 1 << 20
"""Bytes of a column that are read at once."""


def read(path: Path, reading: Reading) -> Iterator[Table]:
    import pyarrow as pa  # noqa: PLC0415 - takes a third of a second, for Parquet alone
    from pyarrow import parquet  # noqa: PLC0415

    pa.set_cpu_count(1)
    try:
        file = parquet.ParquetFile(path, buffer_size=_BUFFER, pre_buffer=False)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InvalidDataset(
            f"the Parquet file cannot be read: {_words(error)}. Send it again, or write it anew"
        ) from error
    with file:
        schema = file.schema_arrow
        if len(set(schema.names)) < len(schema.names):
            raise InvalidDataset("several columns of the Parquet file have one name; rename them")
        yield Table(_items(file, schema, pa), "row")


def _items(file: Any, schema: pa.Schema, arrow: Any) -> Iterator[Item]:
    # Texts and whole numbers are what JSON has; all else is looked at.
    plain = all(_is_plain(column.type, arrow.types) for column in schema)
    done = 0
    try:
        for batch in file.iter_batches(_BATCH, use_threads=False):
            rows = batch.to_pylist(maps_as_pydicts="lossy")
            done += len(rows)
            yield from rows if plain else map(_told, rows)
    # Arrow has dates that Python has not, and keys of maps.
    except (arrow.ArrowException, OSError, ValueError, OverflowError, TypeError) as error:
        raise InvalidDataset(
            f"the Parquet file breaks off after row {done}: {_words(error)}. Send it again, or write it anew"
        ) from error


def _is_plain(kind: Any, types: Any) -> bool:
    if types.is_list(kind) or types.is_large_list(kind):
        return _is_plain(kind.value_type, types)
    if types.is_struct(kind):
        return all(_is_plain(kind.field(at).type, types) for at in range(kind.num_fields))
    if types.is_dictionary(kind):
        return _is_plain(kind.value_type, types)
    tests: tuple[Callable[[Any], bool], ...] = (
        types.is_string, types.is_large_string, types.is_string_view, types.is_integer, types.is_boolean, types.is_null
    )  # fmt: skip
    return any(test(kind) for test in tests)


def _told(value: Any) -> Any:
    """A value as JSON has it: numbers that are none as null, times in ISO 8601, bytes as the text that they are."""
    if isinstance(value, dict):
        return {key if isinstance(key, str) else str(_told(key)): _told(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_told(inner) for inner in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return base64.b64encode(value).decode()
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, datetime.timedelta | decimal.Decimal | uuid.UUID):
        return str(value)
    if isinstance(value, str | int | type(None)):
        return value
    return str(value)


def _words(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".")[:200]

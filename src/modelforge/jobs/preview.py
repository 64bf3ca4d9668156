"""Rows of a dataset as a training would see them, without one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from anyio import to_thread

from modelforge.contracts.preview import DatasetPreview, PreviewRequest
from modelforge.errors import NotFound
from modelforge.hardware import Hardware
from modelforge.jobs.data import check_shape
from modelforge.jobs.options import check_options, check_trust, fill_defaults
from modelforge.jobs.origin import find_model
from modelforge.jobs.probing import SECONDS, Probe
from modelforge.probe.order import Order
from modelforge.settings import Settings
from modelforge.store.database import Database
from modelforge.store.datasets import get_dataset
from modelforge.strategies import STRATEGIES
from modelforge.tasks import TASKS


async def preview(
    filename: str,
    request: PreviewRequest,
    settings: Settings,
    database: Database,
    hardware: Hardware,
    probe: Probe,
    roots: Sequence[Path],
) -> DatasetPreview:
    """Rows as the model sees them. Raises what a training of the same would be refused with, as far as it is about
    them."""
    config = request.configuration(filename)
    task, strategy = TASKS.get(config.task), STRATEGIES.get(config.strategy)
    check_options(config, task, strategy)
    check_trust(config, settings)
    strategy.check(config)
    with database.session() as session:
        row = get_dataset(session, filename, request.version)
    check_shape(filename, task, strategy, row.shape, row.num_examples, row.report["errors"])
    assert row.shape is not None
    if not Path(row.path).is_file():
        raise NotFound(f"dataset '{filename}' is listed, but its file {row.path} is gone: upload it again")
    order = Order(
        path=row.path,
        shape=row.shape,
        config=fill_defaults(config, task, strategy, hardware),
        model=await to_thread.run_sync(find_model, config, roots, database),
        long_rows=hardware.device == "cuda" and hardware.fast_bf16,
        rows=request.rows or list(range(request.offset + 1, request.offset + request.limit + 1)),
    )
    seen = await probe.ask("preview", order, SECONDS)
    return DatasetPreview(
        filename=row.filename, version=row.version, model_name=config.model_name, shape=row.shape, **seen
    )

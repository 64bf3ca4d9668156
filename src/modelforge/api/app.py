"""The app: routes, guards and errors put together, and what lives as long as it does."""

from __future__ import annotations

import asyncio
import shlex
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from filelock import FileLock, Timeout

from modelforge import __version__, hardware, processes
from modelforge.api import errors, openapi, stream
from modelforge.api.access import Access
from modelforge.api.cors import Cors
from modelforge.api.deps import State
from modelforge.api.guard import Guard
from modelforge.api.headers import SecurityHeaders
from modelforge.api.keep import drop_unkept
from modelforge.api.keys import KeyRing
from modelforge.api.limits import BodyLimit
from modelforge.api.operations import Operations
from modelforge.api.resumable import Uploads
from modelforge.api.rootpath import RootPath
from modelforge.api.routes import (
    catalogue,
    datasets,
    docs,
    examination,
    imports,
    info,
    jobs,
    keys,
    models,
    operations,
    playground,
    preflight,
    preview,
    samples,
    system,
    training,
    trash,
    uploads,
    versions,
)
from modelforge.api.storage import Storage
from modelforge.api.studio import Studio
from modelforge.api.trash import Trash
from modelforge.api.tus import Tus
from modelforge.errors import Conflict, InvalidRequest
from modelforge.files import read_json_or_none
from modelforge.inference.client import InferenceClient
from modelforge.jobs.probing import Probe
from modelforge.jobs.supervisor import Supervisor
from modelforge.lease import DeviceLease
from modelforge.settings import Settings, load_settings
from modelforge.store.database import Database
from modelforge.store.keys import valid_digests

ROUTERS = (
    *(info, catalogue, training, preflight, jobs, models, trash, datasets, versions, examination, preview),
    *(imports, samples, uploads, operations, keys, system, playground, stream, docs),
)


def create_app(settings: Settings | None = None, *, supervise: bool = True, serves_queue: bool = True) -> FastAPI:
    """The app over one home folder.

    With ``supervise`` it is the home folder's one server: it holds the lock, adopts and starts workers, with
    ``serves_queue`` also those whose turn in the queue has come. Without, it reads and edits beside a server that may
    run.
    """
    settings = settings or load_settings()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        settings.make_folders()
        with _lock(settings) if supervise else _nothing():
            async with _state(settings, supervise, serves_queue) as state:
                app.state.modelforge = state
                yield

    app = FastAPIOffline(
        docs_url=None,  # routes/docs.py
        redoc_url=None,
        title="ModelForge",
        version=__version__,
        summary="Fine-tuning without code, on your own machine.",
        lifespan=lifespan,
    )
    # The last is the first that a request comes to.
    app.add_middleware(BodyLimit)
    app.add_middleware(Tus)
    app.add_middleware(Access)
    app.add_middleware(Studio)
    if settings.allowed_origins:
        app.add_middleware(Cors, origins=settings.allowed_origins)
    app.add_middleware(Guard, settings=settings)
    app.add_middleware(RootPath)
    app.add_middleware(SecurityHeaders)
    errors.install(app)
    for module in ROUTERS:
        app.include_router(module.router)
    openapi.install(app)

    app.add_api_websocket_route("/{path:path}", errors.no_socket)
    return app


@asynccontextmanager
async def _state(settings: Settings, supervise: bool, serves_queue: bool) -> AsyncIterator[State]:
    """Open everything, close it in the opposite order. Workers outlive it."""
    database = Database(settings.database)
    machine = hardware.detect()
    lease = DeviceLease(machine.device)
    inference = InferenceClient(settings.home / "inference.log", lease, settings.inference_memory_mb)
    probe = Probe(settings, lease)
    supervisor = Supervisor(settings, database, machine, lease, probe, serves_queue=serves_queue)
    works = Operations()
    expiry = timedelta(hours=settings.upload_expiry_hours)
    pieces = Uploads(settings.uploads, settings.max_upload_mb * 1_000_000, expiry)
    trash = Trash(settings, database)
    sweeping: list[asyncio.Task[None]] = []
    if supervise:
        trash.reconcile()
        sweeping = [asyncio.create_task(each.sweep_for_ever()) for each in (pieces, trash)]
        shutil.rmtree(settings.scratch, ignore_errors=True)
        settings.scratch.mkdir(mode=0o700)
        drop_unkept(settings, database)
        await supervisor.start()
    try:
        ring = KeyRing(database)
        yield State(
            settings=settings,
            database=database,
            hardware=machine,
            supervisor=supervisor,
            inference=inference,
            probe=probe,
            keys=ring,
            operations=works,
            uploads=pieces,
            trash=trash,
            storage=Storage(settings, database, trash, pieces),
            supervises=supervise,
        )
    finally:
        for sweep in sweeping:
            sweep.cancel()
        await works.close()
        await supervisor.close()
        await inference.close()
        await probe.close()
        database.close()


def check_home(settings: Settings) -> None:
    """Raises what would keep a server from starting: Conflict for a held home folder, InvalidRequest for an address
    that others reach where there is no key, what the database raises."""
    with _lock(settings):
        database = Database(settings.database)
        try:
            with database.session() as session:
                closed = bool(valid_digests(session))
        finally:
            database.close()
    if not closed and not settings.on_loopback:
        raise InvalidRequest(
            f"on {settings.host} others reach this server, and there is no API key to keep them out. Make one with "
            f"'modelforge --home {shlex.quote(str(settings.home))} keys create' and start again; or listen on "
            "127.0.0.1 alone, which is the default, with a reverse proxy in front that lets in who may"
        )


@contextmanager
def _lock(settings: Settings) -> Iterator[None]:
    """Held while a server runs; the system lets go of it however the server ends."""
    lock = FileLock(settings.home / "server.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        which = _holder(settings)
        raise Conflict(
            f"another ModelForge{which} uses the home folder {settings.home}: use that one, stop it, or choose another "
            "folder with MODELFORGE_HOME"
        ) from None
    try:
        yield
    finally:
        lock.release()


def _holder(settings: Settings) -> str:
    """Which server that is, as far as it says so: a command that trains holds the lock without a word."""
    known = read_json_or_none(settings.home / "server.json")
    if not isinstance(known, dict) or not isinstance(known.get("pid"), int):
        return ""
    lives = processes.start_identity(known["pid"]) is not None
    return f" at {known['url']} (process {known['pid']})" if lives else ""


@contextmanager
def _nothing() -> Iterator[None]:
    yield

"""The command line's one way to the product: its REST contract, over HTTP or inside this process.

A server that runs on the home folder is spoken to over HTTP, and so is one elsewhere that the settings name. Without
one, the same application runs here, on an event loop in a thread, and the requests reach it without a socket.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import httpx
from anyio.from_thread import BlockingPortal, start_blocking_portal
from pydantic import BaseModel, ValidationError

from modelforge.contracts.info import ErrorReply, Health
from modelforge.errors import Fault, ModelForgeError
from modelforge.files import read_json_or_none

if TYPE_CHECKING:
    from modelforge.settings import Settings

T = TypeVar("T", bound=BaseModel)

HEALTH_TIMEOUT = 5.0
"""Seconds in which a server that is alive answers /api/health, on a machine that trains with every core."""
CONNECT_TIMEOUT = 10.0


class Unreachable(ModelForgeError):
    """The server went away, or never answered."""

    error = "No connection"


class Client:
    """Sends requests and returns contract types; every refusal is raised as the error class that the server raised.

    ``url`` is the running server's, or None when the application runs in this process.
    """

    def __init__(
        self, portal: BlockingPortal, http: httpx.AsyncClient, url: str | None, *, elsewhere: bool = False
    ) -> None:
        self._portal = portal
        self._http = http
        self.url = url
        self.elsewhere = elsewhere
        """Whether its files are others than those of this machine."""

    def get(self, path: str, reply: type[T], **query: Any) -> T:
        return self._send("GET", path, reply, params=_given(query))

    def post(self, path: str, reply: type[T], body: dict[str, Any] | None = None, **query: Any) -> T:
        if body is None:
            return self._send("POST", path, reply, params=_given(query))
        # json.dumps, unlike httpx, also writes NaN: the API refuses it by the field's name.
        return self._send(
            "POST",
            path,
            reply,
            params=_given(query),
            content=json.dumps(body).encode(),
            headers={"content-type": "application/json"},
        )

    def patch(self, path: str, reply: type[T], body: dict[str, Any]) -> T:
        return self._send("PATCH", path, reply, json=body)

    def delete(self, path: str, reply: type[T]) -> T:
        return self._send("DELETE", path, reply)

    def upload(self, path: str, files: Sequence[Path], reply: type[T], **query: Any) -> T:
        """Send files as the form's field ``file``, read as they go."""
        with ExitStack() as stack:
            form = [
                ("file", (file.name, stack.enter_context(file.open("rb")), "application/octet-stream"))
                for file in files
            ]
            return self._send("POST", path, reply, files=form, params=_given(query))

    def download(self, path: str) -> Iterator[bytes]:
        """An answer's bytes, as they come. For a server's: an application in this process gives its answers whole."""
        with self._reached(), self._portal.wrap_async_context_manager(self._http.stream("GET", path)) as response:
            if not response.is_success:
                self._portal.call(response.aread)
                raise error_of(response)
            blocks = response.aiter_raw()
            while block := self._portal.call(partial(anext, blocks, b"")):
                yield block

    @contextmanager
    def _reached(self) -> Iterator[None]:
        try:
            yield
        except httpx.TransportError as error:
            what = str(error) or type(error).__name__
            raise Unreachable(
                f"the server at {self.url or 'this process'} does not answer ({what}). Look at its terminal, or start "
                "it with 'modelforge serve'; a training run goes on without it."
            ) from error

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """A good answer, whatever is in it."""
        with self._reached():
            response = self._portal.call(partial(self._http.request, method, path, **options))
        if not response.is_success:
            raise error_of(response)
        return response

    def _send(self, method: str, path: str, reply: type[T], **options: Any) -> T:
        response = self.request(method, path, **options)
        try:
            return reply.model_validate_json(response.content)
        except ValidationError as error:
            raise Fault(
                f"{method} {path} gave an answer that this command does not understand: the server is of another "
                f"version. {error.error_count()} fields differ."
            ) from error


def _given(query: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in query.items() if value is not None}


def error_of(response: httpx.Response) -> ModelForgeError:
    """The error that an envelope tells of, as its own class."""
    try:
        return refusal_of(ErrorReply.model_validate_json(response.content))
    except ValidationError:
        return Fault(f"{response.url} answered with status {response.status_code}, not in ModelForge's form")


def refusal_of(told: ErrorReply) -> ModelForgeError:
    """The error that a reply tells of, as its own class."""
    kinds = [kind for kind in kinds_of(ModelForgeError) if kind.status_code == told.status_code]
    for kind in kinds:
        if kind.error == told.error:
            return kind(told.detail)
    return (kinds[0] if kinds else ModelForgeError)(f"{told.error}: {told.detail}")


def kinds_of(kind: type[ModelForgeError]) -> Iterator[type[ModelForgeError]]:
    """The class of errors and all that are narrower."""
    yield kind
    for narrower in kind.__subclasses__():
        yield from kinds_of(narrower)


class Running(NamedTuple):
    """A server that can be asked."""

    url: str
    key: str
    """What opens it: its own token for one on the home folder, an API key for one elsewhere."""


def running_server(home: Path) -> Running | None:
    """The server that runs on this home folder and answers, or None."""
    told = read_json_or_none(home / "server.json")
    url = told.get("url") if isinstance(told, dict) else None
    if not isinstance(url, str):
        return None
    token = told.get("token")
    try:
        reply = httpx.get(f"{url}/api/health", timeout=HEALTH_TIMEOUT, trust_env=False)
        Health.model_validate_json(reply.content)
    except (httpx.HTTPError, httpx.InvalidURL, ValidationError):
        return None
    return Running(url, token if isinstance(token, str) else "")


@contextmanager
def connect(settings: Settings, *, supervise: bool) -> Iterator[Client]:
    """A client of the server that the settings name, else of the one that runs on the home folder, else of the
    application in this process.

    ``supervise`` takes the home folder's lock and runs the supervisor: needed to train and to stop.
    A worker that still runs at the end goes on without this process.
    """
    elsewhere = Running(settings.server_url, settings.api_key.get_secret_value()) if settings.server_url else None
    running = elsewhere or running_server(settings.home)
    with ExitStack() as stack:
        portal = stack.enter_context(start_blocking_portal())
        transport: httpx.AsyncBaseTransport | None = None
        if running is None:
            transport, token = stack.enter_context(_own_application(portal, settings, supervise))
            url, key = f"http://127.0.0.1:{settings.port}", token
        else:
            url, key = running
        http = httpx.AsyncClient(
            base_url=url,
            headers={"Authorization": f"Bearer {key}"} if key else {},
            transport=transport,
            timeout=httpx.Timeout(None, connect=CONNECT_TIMEOUT),
            # No proxy of the environment stands between this process and its own machine.
            trust_env=elsewhere is not None,
        )
        stack.enter_context(portal.wrap_async_context_manager(http))
        yield Client(portal, http, running.url if running else None, elsewhere=elsewhere is not None)


@contextmanager
def _own_application(
    portal: BlockingPortal, settings: Settings, supervise: bool
) -> Iterator[tuple[httpx.ASGITransport, str]]:
    """The application in this process, and the token that opens it."""
    from modelforge.api.app import create_app  # noqa: PLC0415 - a client of a server needs none of it

    os.umask(0o077)  # as a server: what is written is its owner's alone
    # What a server logs of its refusals, the command says itself.
    logging.getLogger("modelforge.api.errors").addHandler(logging.NullHandler())
    # A command does what it was told; what waits or was left unfinished waits for a server, or 'jobs resume'.
    app = create_app(settings.model_copy(update={"auto_resume": False}), supervise=supervise, serves_queue=False)
    with portal.wrap_async_context_manager(app.router.lifespan_context(app)):
        # An exception that nobody foresaw comes out here with its trace: there is no server's log to look it up in.
        yield httpx.ASGITransport(app=app), app.state.modelforge.keys.token

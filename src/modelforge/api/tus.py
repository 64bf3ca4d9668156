"""tus 1.0, the protocol of uploads that go on where they stopped (https://tus.io/protocols/resumable-upload): what its
headers say, and what every answer of its routes tells."""

from __future__ import annotations

import base64
import binascii
from datetime import UTC
from email.utils import format_datetime

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from modelforge.api.errors import answer
from modelforge.api.resumable import CHECKSUMS, Checksum
from modelforge.contracts.upload import Upload
from modelforge.errors import InvalidRequest, PreconditionFailed

VERSION = "1.0.0"
EXTENSIONS = ("creation", "expiration", "checksum", "termination")
PATH = "/api/uploads"
BYTES = "application/offset+octet-stream"
"""The kind of body that a piece is."""
HEADERS = (
    *("Location", "Tus-Resumable", "Tus-Version", "Tus-Extension", "Tus-Max-Size", "Tus-Checksum-Algorithm"),
    *("Upload-Offset", "Upload-Length", "Upload-Metadata", "Upload-Expires"),
)
"""What pages of other origins must be let read to speak it."""
_OVERRIDE = ("PATCH", "DELETE", "HEAD")


class Tus:
    """ASGI middleware: the version on every answer, and a refusal for another one. One that is not named is taken for
    this one, so that curl needs a header less."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "").removeprefix(scope.get("root_path", ""))
        if scope["type"] != "http" or not f"{path}/".startswith(f"{PATH}/"):
            await self._app(scope, receive, send)
            return

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).setdefault("Tus-Resumable", VERSION)
            await send(message)

        headers = Headers(scope=scope)
        if headers.get("tus-resumable", VERSION) != VERSION and scope["method"] != "OPTIONS":
            refusal = PreconditionFailed(f"this server speaks tus {VERSION}: send 'Tus-Resumable: {VERSION}'")
            await answer(refusal, {"Tus-Version": VERSION})(scope, receive, told)
            return
        # Where something between lets only POST through. A GET stays one: no guard has looked at it.
        method = headers.get("x-http-method-override", "").upper()
        if scope["method"] == "POST" and method in _OVERRIDE:
            scope = {**scope, "method": method}
        await self._app(scope, receive, told)


def metadata_of(header: str) -> dict[str, str]:
    """What ``Upload-Metadata`` says: ``name base64,name base64``. Raises InvalidRequest."""
    told: dict[str, str] = {}
    for pair in header.split(","):
        name, _, value = pair.strip().partition(" ")
        try:
            text = base64.b64decode(value.strip(), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise InvalidRequest(
                f"Upload-Metadata: the value of '{name[:40]}' is not UTF-8 in base64. Write it as 'filename "
                f"{encode('faq.jsonl')}'"
            ) from None
        if name:
            told[name] = text
    return told


def encode(text: str) -> str:
    """A value as ``Upload-Metadata`` has it."""
    return base64.b64encode(text.encode()).decode()


def checksum_of(header: str | None) -> Checksum | None:
    """What ``Upload-Checksum`` says: ``sha256 base64``. Raises InvalidRequest."""
    if header is None:
        return None
    algorithm, _, value = header.partition(" ")
    if algorithm not in CHECKSUMS:
        raise InvalidRequest(f"Upload-Checksum: '{algorithm[:40]}' is not reckoned here; use {' or '.join(CHECKSUMS)}")
    try:
        return Checksum(algorithm, base64.b64decode(value.strip(), validate=True))
    except binascii.Error:
        raise InvalidRequest("Upload-Checksum: the checksum's bytes are not in base64") from None


def state_of(upload: Upload) -> dict[str, str]:
    """The headers that tell how an upload stands."""
    return {
        "Upload-Offset": str(upload.offset),
        "Upload-Length": str(upload.length),
        "Upload-Metadata": ",".join(f"{name} {encode(value)}" for name, value in upload.metadata.items()),
        "Upload-Expires": format_datetime(upload.expires_at.astimezone(UTC), usegmt=True),
        "Cache-Control": "no-store",
    }


def offered(max_bytes: int) -> dict[str, str]:
    """The headers that tell what this server can do."""
    return {
        "Tus-Version": VERSION,
        "Tus-Extension": ",".join(EXTENSIONS),
        "Tus-Max-Size": str(max_bytes),
        "Tus-Checksum-Algorithm": ",".join(CHECKSUMS),
    }

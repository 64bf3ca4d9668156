"""Keeps other sites' pages out: a browser may be made to send anything, but not to lie about host and origin.

A name with a dot that is not allowed by name may be an attacker's, pointed at this machine (DNS rebinding); addresses
and names without a dot cannot be pointed anywhere by him. A foreign Origin is a page that the user did not mean to let
in; a request without one is no page.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from modelforge.api.errors import refuse
from modelforge.errors import Forbidden
from modelforge.settings import Settings

UNSAFE = ("POST", "PUT", "PATCH", "DELETE")


class Guard:
    """ASGI middleware for HTTP and WebSocket alike."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._hosts = {host.lower() for host in settings.allowed_hosts}
        self._origins = set(settings.allowed_origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        fault = self._fault(scope)
        if fault is None:
            await self._app(scope, receive, send)
        else:
            await refuse(Forbidden(fault), scope, receive, send)

    def _fault(self, scope: Scope) -> str | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if host and not self._known(hostname(f"//{host}")):
            return f"host '{host}' is not allowed: add its name to MODELFORGE_ALLOWED_HOSTS"
        origin = headers.get("origin")
        # What a page asks before it sends more than a form could: refused here, it needs no second answer.
        preflight = "access-control-request-method" in headers
        unsafe = scope["type"] == "websocket" or scope["method"] in UNSAFE or preflight
        if not unsafe or origin is None or origin.lower() in self._origins:
            return None
        if host and _netloc(origin) == host.lower():
            return None
        return f"origin '{origin}' is not allowed: add it to MODELFORGE_ALLOWED_ORIGINS if you trust that page"

    def _known(self, name: str) -> bool:
        if name in self._hosts or "." not in name:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return name.endswith(".localhost")
        return True


def _netloc(url: str) -> str | None:
    try:
        return urlsplit(url).netloc.lower()
    except ValueError:  # "http://[", say
        return None


def hostname(url: str) -> str:
    """The host of an address, in lower case, without its port."""
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return "malformed.host"

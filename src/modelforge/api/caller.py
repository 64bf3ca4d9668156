"""Who asks: the owner of the home folder, a user of this machine, or anybody else."""

from __future__ import annotations

import ipaddress
from enum import StrEnum, auto

from starlette.datastructures import Headers
from starlette.types import Scope

from modelforge.api.guard import hostname

SUBPROTOCOL = "modelforge"
"""What a page that sends its key offers beside it, for the server to choose: browsers close a connection of whose
subprotocols none was chosen, and the key must not stand in the answer."""
KEY_SUBPROTOCOL = f"{SUBPROTOCOL}.bearer."
"""What comes before the key where a page sends it as a subprotocol: browsers let none set a WebSocket's headers."""

_PROXIES_WRITE = ("forwarded", "via", "x-real-ip")


class Caller(StrEnum):
    """What a request proves of who sent it."""

    OWNER = auto()
    """It has the server's own token, which stands in the home folder: it may do what who runs the server may."""
    LOCAL = auto()
    """It comes from this machine, straight, to a server that nobody else reaches and that asks for no key."""
    OTHER = auto()
    """It has a key, or it came through a proxy, which let it in."""


def key_of(scope: Scope) -> str | None:
    """The key that came along, in the header or as a subprotocol; never in the address, which stands in logs."""
    scheme, _, key = Headers(scope=scope).get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and key.strip():
        return key.strip()
    offered = (name for name in scope.get("subprotocols", ()) if name.startswith(KEY_SUBPROTOCOL))
    return next((name.removeprefix(KEY_SUBPROTOCOL) for name in offered), None)


def is_forwarded(scope: Scope) -> bool:
    """Whether a proxy sent it on, trusted or not."""
    return any(name in _PROXIES_WRITE or name.startswith("x-forwarded-") for name in Headers(scope=scope))


def is_from_here(scope: Scope) -> bool:
    """Whether it was sent by this machine, to this machine, and by no proxy. One that says nothing of itself passes on
    the host name that the others know it by."""
    client = scope.get("client")
    host = hostname(f"//{Headers(scope=scope).get('host', '')}")
    return client is not None and is_loopback(client[0]) and is_loopback(host) and not is_forwarded(scope)


def is_loopback(host: str) -> bool:
    """Whether a name or an address means the machine itself."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")

"""Pages of other origins that were allowed by name may use the API from a browser."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp

from modelforge.api import tus
from modelforge.api.errors import answer
from modelforge.api.guard import UNSAFE
from modelforge.errors import InvalidRequest


class Cors(CORSMiddleware):
    """Starlette's, which refuses in plain text, with its refusals in the contract's form."""

    def __init__(self, app: ASGIApp, origins: list[str]) -> None:
        super().__init__(
            app,
            allow_origins=origins,
            allow_methods=["GET", "HEAD", *UNSAFE],
            allow_headers=["*"],
            expose_headers=list(tus.HEADERS),
        )

    def preflight_response(self, request_headers: Headers) -> Response:
        response = super().preflight_response(request_headers)
        if response.status_code < 400:
            return response
        # Foreign origins do not come this far (the guard is before it), so it is mostly the method.
        detail = f"pages of other origins are not given this: {bytes(response.body).decode()}"
        headers = {name: value for name, value in response.headers.items() if not name.startswith("content-")}
        return answer(InvalidRequest(detail), headers)

"""The page that shows the routes and lets them be tried out."""

from __future__ import annotations

import base64
import hashlib
import re

from fastapi import APIRouter, Request
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import HTMLResponse

from modelforge.api.access import OPEN_FOLDER
from modelforge.api.headers import policy

router = APIRouter(include_in_schema=False)

_SCRIPT = re.compile(rb"<script>(.*?)</script>", re.DOTALL)


@router.get("/docs")
async def docs(request: Request) -> HTMLResponse:
    """Swagger UI. Its page starts it by a script of its own, which the policy allows by its hash, and its icons are
    in its style sheet."""
    root = request.scope["root_path"]
    page = get_swagger_ui_html(
        openapi_url=f"{root}{request.app.openapi_url}",
        title=f"{request.app.title} API",
        swagger_js_url=f"{root}{OPEN_FOLDER}swagger-ui-bundle.js",
        swagger_css_url=f"{root}{OPEN_FOLDER}swagger-ui.css",
        swagger_favicon_url="data:,",
    )
    hashes = (base64.b64encode(hashlib.sha256(script).digest()).decode() for script in _SCRIPT.findall(page.body))
    page.headers["Content-Security-Policy"] = policy(
        script_src=" ".join(["'self'", *(f"'sha256-{each}'" for each in hashes)]), img_src="'self' data:"
    )
    return page

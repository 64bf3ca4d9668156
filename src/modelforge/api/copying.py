"""A request as text, for people to copy."""

from __future__ import annotations

import json
import shlex
from typing import Any

from fastapi import Request

from modelforge import yaml12
from modelforge.contracts.preflight import RequestText

QUEUE = "/api/jobs"


def text_of(http: Request, given: dict[str, Any]) -> RequestText:
    """The fields of a training configuration, and a command that sends them to the address that this request came
    to."""
    words = ["curl", f"{str(http.base_url).rstrip('/')}{QUEUE}", "-H", "Content-Type: application/json"]
    command = shlex.join([*words, "-d", json.dumps(given, ensure_ascii=False)])
    if "authorization" in http.headers:
        # In double quotes, for the shell to fill in: the key itself is nobody's to copy.
        command += ' -H "Authorization: Bearer $MODELFORGE_API_KEY"'
    return RequestText(json_body=json.dumps(given, indent=2, ensure_ascii=False), yaml=yaml12.dump(given), curl=command)

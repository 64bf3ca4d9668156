"""Is a model on the hub, may we have it, and which revision is it?"""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
from pathlib import Path
from typing import Any

from modelforge.errors import Forbidden, NotFound
from modelforge.files import read_json_or_none

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?", re.ASCII)
TIMEOUT = 10.0
"""Seconds; a hub that is slower counts as out of reach, and the local cache decides."""


def find_revision(model_id: str) -> str:
    """The commit of the model's main branch, from the hub, or from the local cache when the hub is out of reach.

    Blocks for up to TIMEOUT seconds. Raises NotFound, or Forbidden for a gated model.
    """
    from huggingface_hub import (  # noqa: PLC0415 - 0.3 s that only hub models need
        get_hf_file_metadata,
        hf_hub_url,
        try_to_load_from_cache,
    )
    from huggingface_hub.errors import (  # noqa: PLC0415
        EntryNotFoundError,
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
    )

    what = f"model '{model_id}'"
    nowhere = f"{what} is no model of this registry, no bundled model, and no folder of this machine"
    try:
        found = get_hf_file_metadata(hf_hub_url(model_id, "config.json"), token=hub_token(), timeout=TIMEOUT)
        if found.commit_hash:
            return found.commit_hash
        why = "the hub did not say which revision it is"
    except GatedRepoError as error:
        raise Forbidden(
            f"{what} is gated: accept its terms on its page on the hub, then give a token (set HF_TOKEN, or run "
            "`hf auth login`) and start again"
        ) from error
    except RepositoryNotFoundError as error:
        raise NotFound(f"{nowhere}, and the hub has none of that name (or it is private: set HF_TOKEN)") from error
    except EntryNotFoundError as error:
        raise NotFound(f"{what} is on the hub, but has no config.json: it is not a transformers model") from error
    except HFValidationError as error:
        raise NotFound(f"{nowhere}, and its name cannot be one of the hub") from error
    except (HfHubHTTPError, OfflineModeIsEnabled, OSError) as error:
        why = f"the hub cannot be reached ({type(error).__name__})"
    except transport_errors() as error:
        why = f"the hub cannot be reached ({type(error).__name__})"
    cached = try_to_load_from_cache(model_id, "config.json")
    if isinstance(cached, str):
        return Path(cached).parent.name
    raise NotFound(f"{nowhere}; {why}, and it is not in the local cache of the hub either")


def find_config(model_id: str, revision: str) -> dict[str, Any]:
    """The model's ``config.json`` at a revision that ``find_revision`` found, from the hub or the local cache; empty
    where the hub does not answer any more, for the worker to find out."""
    from huggingface_hub import hf_hub_download  # noqa: PLC0415

    try:
        path = hf_hub_download(model_id, "config.json", revision=revision, token=hub_token(), etag_timeout=TIMEOUT)
    except OSError:  # of which the hub's own errors are
        return {}
    except transport_errors():
        return {}
    config = read_json_or_none(Path(path))
    return config if isinstance(config, dict) else {}


def cached_config(model_id: str, revision: str | None) -> dict[str, Any]:
    """The same from the local cache alone; empty where that has none. Asks nobody."""
    from huggingface_hub import try_to_load_from_cache  # noqa: PLC0415

    path = try_to_load_from_cache(model_id, "config.json", revision=revision)
    config = read_json_or_none(Path(path)) if isinstance(path, str) else None
    return config if isinstance(config, dict) else {}


def hub_token() -> str | None:
    """HUGGINGFACE_TOKEN, which the hub's own library does not know; None leaves it to that library to find HF_TOKEN or
    a stored login."""
    return None if "HF_TOKEN" in os.environ else os.environ.get("HUGGINGFACE_TOKEN")


def transport_errors() -> tuple[type[Exception], ...]:
    """What the hub's HTTP library raises when nobody answers: httpx, or the successor that newer hub clients use."""
    return tuple(
        importlib.import_module(library).HTTPError
        for library in ("httpx", "httpx2")
        if importlib.util.find_spec(library) is not None
    )

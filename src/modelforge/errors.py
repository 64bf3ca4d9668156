"""Every way in which ModelForge refuses or fails.

::

    ModelForgeError            500  internal error
    ├── InvalidRequest         400  a parameter, or a combination of them, cannot work
    │   └── InvalidDataset     400  the data cannot be trained on
    ├── Unauthorized           401  an API key is needed, or the one that came is not known
    ├── Forbidden              403  a foreign origin or host; a gated model
    ├── NotFound               404  no such model, dataset, job or path
    ├── MethodNotAllowed       405  the path is there, but does not take this method
    ├── Conflict               409  in progress already, nothing to stop, a name that is taken
    ├── PreconditionFailed     412  a version of the upload's protocol that is not spoken here
    ├── TooLarge               413  an upload above the limit
    ├── UnsupportedMedia       415  not a kind of file that can be read
    ├── ChecksumMismatch       460  a piece of an upload was changed on its way
    └── Fault                  500  something of ours broke; says which part and what to do
        ├── DiskFull           500  there is no room to write on
        ├── InferenceFault     500  the playground's process failed
        ├── InstallationFault  500  a provider's environment could not be made
        └── StoreFault         500  the database cannot be used

``error`` is the short message of a class, ``detail`` says what is wrong, where, and what to do. The HTTP answer is
made from them in one place, ``api/errors.py``; the command line prints the same two lines.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import ClassVar


class ModelForgeError(Exception):
    """The base of them all; ``detail`` is for people and never holds a secret or a stack trace."""

    status_code: ClassVar[int] = 500
    error: ClassVar[str] = "Internal error"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class InvalidRequest(ModelForgeError):
    status_code = 400
    error = "Invalid request"


class InvalidDataset(InvalidRequest):
    error = "Invalid dataset"


class Unauthorized(ModelForgeError):
    status_code = 401
    error = "Unauthorized"


class Forbidden(ModelForgeError):
    status_code = 403
    error = "Forbidden"


class NotFound(ModelForgeError):
    status_code = 404
    error = "Not found"


class MethodNotAllowed(ModelForgeError):
    status_code = 405
    error = "Method not allowed"


class Conflict(ModelForgeError):
    status_code = 409
    error = "Conflict"


class PreconditionFailed(ModelForgeError):
    status_code = 412
    error = "Precondition failed"


class TooLarge(ModelForgeError):
    status_code = 413
    error = "Too large"


class UnsupportedMedia(ModelForgeError):
    status_code = 415
    error = "Unsupported media type"


class ChecksumMismatch(ModelForgeError):
    status_code = 460
    error = "Checksum mismatch"


class Fault(ModelForgeError):
    error = "Internal error"


class DiskFull(Fault):
    error = "Disk full"


class InferenceFault(Fault):
    error = "Generation failed"


class InstallationFault(Fault):
    error = "Installation failed"


class StoreFault(Fault):
    error = "Database error"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`` Did you mean 'x'?`` for the known name nearest to ``word``, or an empty string when none is near."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" Did you mean '{near[0]}'?" if near else ""

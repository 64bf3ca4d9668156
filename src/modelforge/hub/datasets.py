"""``python -m modelforge.hub.datasets REQUEST``: the files of a split of a dataset on the hub, fetched into a folder.

Files are downloaded as they lie there, at one commit, and read as any other file that comes: the ``datasets`` library
would write them anew as Arrow, whose types break where two rows differ, and would lose which row came from where. No
code of a repository is ever run.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelforge.datasets.ingest import check_ending
from modelforge.datasets.reply import answer, say
from modelforge.errors import DiskFull, Fault, Forbidden, InvalidDataset, InvalidRequest, NotFound, TooLarge
from modelforge.files import is_disk_full
from modelforge.hub.lookup import hub_token, transport_errors
from modelforge.hub.splits import CONVERTED, choose, configurations, reading

if TYPE_CHECKING:
    from huggingface_hub.hf_api import DatasetInfo

CARD = "README.md"
TIMEOUT = 60.0
"""Seconds in which the hub lists a repository, which may have a hundred thousand files."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for."""

    id: str
    config: str | None
    split: str | None
    revision: str | None
    folder: str
    """Where to put it."""
    max_bytes: int


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came."""

    commit: str
    config: str
    split: str
    files: list[str]
    """Their names in the repository, in the order of their rows."""
    paths: list[str]
    """Where each lies now."""
    reading: dict[str, Any]
    """How the card says that they are to be read, as ``ReadOptions``."""


def main(request: str) -> int:
    """Exit status: 0 with what came, 2 for what is refused."""
    return answer(lambda: asdict(fetch(Wanted(**json.loads(request)))))


def fetch(wanted: Wanted) -> Fetched:
    """Find the split and download its files.

    Raises NotFound, Forbidden (gated), InvalidRequest (no such configuration or split, or one that is to be read in a
    way that is not done here), InvalidDataset (nothing to
    read), UnsupportedMedia, TooLarge, DiskFull, and Fault where the hub does not answer.
    """
    say(0.0, "asking the hub")
    with _in_words(wanted):
        info = _look(wanted)
        sizes = {file.rfilename: file.size or 0 for file in info.siblings or [] if _is_plain(file.rfilename)}
        card = _card(wanted, info) if CARD in sizes else {}
        found = configurations(list(sizes), card, wanted.revision)
        config, split, names = choose(found, card, wanted.config, wanted.split)
        how = reading(card, config) if wanted.revision != CONVERTED else {}
        for name in names:
            check_ending(name)
        _require_room(wanted, sum(sizes[name] for name in names))
        paths = _download(wanted, str(info.sha), names, sizes)
    return Fetched(str(info.sha), config, split, names, paths, how)


def _look(wanted: Wanted) -> DatasetInfo:
    from huggingface_hub import HfApi  # noqa: PLC0415 - 0.3 s

    return HfApi(token=hub_token()).dataset_info(
        wanted.id, revision=wanted.revision, files_metadata=True, timeout=TIMEOUT
    )


def _is_plain(name: str) -> bool:
    """Whether a file of that name lies in the folder that it is put in. The hub's all do."""
    return not name.startswith("/") and "\\" not in name and ".." not in name.split("/")


def _card(wanted: Wanted, info: DatasetInfo) -> dict[str, Any]:
    """What the card of this very commit says for machines; nothing where it is malformed, as the hub has it."""
    import yaml  # noqa: PLC0415
    from huggingface_hub import hf_hub_download  # noqa: PLC0415
    from huggingface_hub.repocard import metadata_load  # noqa: PLC0415

    path = hf_hub_download(
        wanted.id, CARD, repo_type="dataset", revision=info.sha, local_dir=wanted.folder, token=hub_token()
    )
    try:
        return metadata_load(path) or {}
    except (ValueError, yaml.YAMLError, RecursionError):
        return {}


def _require_room(wanted: Wanted, size: int) -> None:
    if size > wanted.max_bytes:
        raise TooLarge(
            f"the split has {size / 1e6:,.0f} MB, and at most {wanted.max_bytes / 1e6:g} may come. Raise "
            "MODELFORGE_MAX_UPLOAD_MB, or name a smaller split"
        )
    # The files, and the rows that are made of them.
    if shutil.disk_usage(wanted.folder).free < 2 * size:
        raise DiskFull(f"the split has {size / 1e6:,.0f} MB and takes twice that while it is read; make room")


def _download(wanted: Wanted, commit: str, names: Sequence[str], sizes: dict[str, int]) -> list[str]:
    from huggingface_hub import hf_hub_download  # noqa: PLC0415

    bar: Any = importlib.import_module("tqdm").tqdm
    total = sum(sizes[name] for name in names) or 1
    before = 0

    class Told(bar):  # type: ignore[misc]
        """The library's progress bar, told to who asked."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **{**kwargs, "disable": True})
            self.came = kwargs.get("initial", 0)

        def update(self, n: float | None = 1) -> None:
            self.came += n or 0
            say(min(1.0, (before + self.came) / total), f"downloading {(before + self.came) / 1e6:,.1f} MB")

    paths = []
    for number, name in enumerate(names):
        path = hf_hub_download(
            wanted.id,
            name,
            repo_type="dataset",
            revision=commit,
            local_dir=Path(wanted.folder) / "files",
            token=hub_token(),
            tqdm_class=Told,
        )
        before += sizes[name]
        say(min(1.0, before / total), f"{number + 1} of {len(names)} files are here")
        paths.append(path)
    return paths


@contextmanager
def _in_words(wanted: Wanted) -> Iterator[None]:
    """The hub's refusals as ours. Not in its library's words, which may hold addresses that open what is closed."""
    from huggingface_hub.errors import (  # noqa: PLC0415
        EntryNotFoundError,
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    what = f"dataset '{wanted.id}'"
    try:
        yield
    except GatedRepoError:
        raise Forbidden(
            f"{what} is gated: accept its terms on its page on the hub, then give a token (set HF_TOKEN, or run "
            "`hf auth login`) where the server runs, and start again"
        ) from None
    except RepositoryNotFoundError:
        raise NotFound(f"the hub has no {what}, or it is private: then set HF_TOKEN where the server runs") from None
    except RevisionNotFoundError:
        raise NotFound(f"revision: {what} has no branch, tag or commit '{wanted.revision}'") from None
    except LocalEntryNotFoundError:
        raise _unreachable(what) from None
    except EntryNotFoundError:
        raise InvalidDataset(f"{what} lists a file that it does not have; try another revision") from None
    except HfHubHTTPError as error:
        status = error.response.status_code
        raise Fault(f"the hub answered with status {status} when asked for {what}; try again later") from None
    except transport_errors():
        raise _unreachable(what) from None
    except HFValidationError:
        raise InvalidRequest(f"hub: '{wanted.id}' cannot be a name on the hub; it is owner/name") from None
    except OfflineModeIsEnabled:
        raise Fault(
            "the hub is not asked, because HF_HUB_OFFLINE is set where the server runs: start the server without it, "
            "or import files that lie on its machine"
        ) from None
    except OSError as error:
        if is_disk_full(error):
            raise DiskFull("the disk filled up while the files were fetched; make room and start again") from None
        raise Fault(f"{what} could not be fetched: {error.strerror or type(error).__name__}") from None


def _unreachable(what: str) -> Fault:
    return Fault(f"the hub cannot be reached to fetch {what}: look at this machine's network, and try again")


if __name__ == "__main__":
    # What the library says beside its answers is for a terminal.
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    sys.exit(main(sys.argv[1]))

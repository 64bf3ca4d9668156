"""Making and removing a provider's environment: gigabytes that come over the network, so it says what it does, can be
run again after any end, and is only called whole when it was read back."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import venv
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil
from filelock import FileLock, Timeout

from modelforge import __version__, processes
from modelforge.environments import MANIFEST_SCHEMA, Environment, foreign_environment
from modelforge.errors import Conflict, InstallationFault
from modelforge.files import read_text_or_none, sha256, size_mb, write_atomic

NEEDED_GB = 10.0
"""Free disk that an installation wants, in units of 1 000 000 000 bytes: torch for CUDA takes 5, the rest 3, and pip
unpacks beside it."""
UNREACHABLE = (
    "NewConnectionError",
    "ConnectTimeout",
    "ReadTimeout",
    "ProxyError",
    "SSLError",
    "name resolution",
    "Network is unreachable",
    "Could not fetch URL",
)
"""What pip says when it cannot reach its index."""

_LOOK = """
import importlib.metadata as metadata, json, platform, re, sysconfig
every = list(metadata.distributions())  # the first of a name is the one that is imported
named = re.compile(r"[A-Za-z0-9._-]+")
torch = [line.split(";")[0] for line in metadata.requires("torch") or [] if "extra ==" not in line]
print(json.dumps({
    "versions": {found.metadata["Name"].lower().replace("_", "-"): found.version for found in every[::-1]},
    "held": [named.match(line)[0].lower().replace("_", "-") for line in torch if "==" in line],
    "site_packages": sysconfig.get_path("purelib"),
    "python": platform.python_version(),
}))
"""
"""What the environment itself says is in it; ``held`` are packages that its build of torch wants in one version."""

Tell = Callable[[str], None]


def install(environment: Environment, tell: Tell, *, torch: str | None = None, index: str | None = None) -> None:
    """Make the environment, or mend it; ``tell`` hears what happens, a line at a time.

    ``torch`` is a requirement (``torch==2.13.0+cu130``) in the place of the pinned one, ``index`` the package index
    that it comes from. Raises Conflict while another installation runs, InstallationFault where one cannot end well.
    """
    pins = read_pins(environment.pins)
    with _alone(environment):
        if environment.fault() is None and torch is None:
            environment.interpreter()
            tell("Everything is installed already")
            return
        _check_disk(environment)
        (environment.folder / "environment.json").unlink(missing_ok=True)
        _make(environment, tell)
        # torch by itself and first: what else needs it would pull its default build.
        tell(f"Installing {torch or 'torch'}: the largest part")
        _pip(environment, [torch or pins["torch"], *(["--index-url", index] if index else [])], tell)
        held = _look(environment)["held"]
        rest = [pin for name, pin in pins.items() if name != "torch" and name not in held]
        tell(f"Installing {len(rest)} packages")
        # The pins name all that is needed: what packages ask for beside it is refused room, torchvision above all,
        # which no text needs and which breaks beside another build of torch.
        _pip(environment, ["--no-deps", *rest], tell)
        found = _look(environment)
        _check_versions(found["versions"], rest)
        _run(environment, "import modelforge.worker.__main__")
        tell("Counting")
        manifest = {
            "schema_version": MANIFEST_SCHEMA,
            "name": environment.name,
            "modelforge": __version__,
            "pins": sha256(environment.pins),
            "python": found["python"],
            "site_packages": found["site_packages"],
            "versions": found["versions"],
            "size_mb": round(size_mb(environment.folder), 1),
        }
        write_atomic(environment.folder / "environment.json", json.dumps(manifest, indent=2))


def remove(environment: Environment) -> None:
    """Delete the environment, whole or half. Raises Conflict while something runs in it."""
    with _alone(environment):
        inside = str(environment.folder) + os.sep
        for process in psutil.process_iter(["cmdline"]):
            if (process.info["cmdline"] or [""])[0].startswith(inside):
                raise Conflict(
                    f"process {process.pid} runs in the environment of provider '{environment.name}': stop the "
                    "training first"
                )
        # The manifest goes first: what is half gone is not taken for whole.
        (environment.folder / "environment.json").unlink(missing_ok=True)
        shutil.rmtree(environment.folder)


def read_pins(path: Path) -> dict[str, str]:
    """The requirements of the file by package, those that another system has left out."""
    pins = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        requirement, _, systems = line.partition("#")[0].partition(";")
        if requirement.strip() and (not systems or sys.platform in systems):
            pins[requirement.partition("==")[0].strip().lower().replace("_", "-")] = requirement.strip()
    return pins


@contextmanager
def _alone(environment: Environment) -> Iterator[None]:
    environment.folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        with FileLock(environment.folder.with_suffix(".lock"), timeout=0):
            yield
    except Timeout as error:
        raise Conflict(f"the environment of provider '{environment.name}' is being worked on already") from error


def _check_disk(environment: Environment) -> None:
    there = size_mb(environment.folder) / 1000 if environment.folder.exists() else 0.0
    free = shutil.disk_usage(environment.folder.parent).free / 1e9
    if free + there < NEEDED_GB:
        raise InstallationFault(
            f"the environment of provider '{environment.name}' wants {NEEDED_GB:.0f} GB of disk, and {free:.1f} GB "
            f"are free at {environment.folder.parent}. Make room, or set MODELFORGE_HOME to a folder that has it"
        )


def _make(environment: Environment, tell: Tell) -> None:
    """A bare Python; of a half-made environment what is there already is kept."""
    tell(f"Making {environment.folder}")
    release = f"{sys.version_info.major}.{sys.version_info.minor}."
    made_by = re.search(r"^version = (\S+)", read_text_or_none(environment.folder / "pyvenv.cfg") or "", re.MULTILINE)
    anew = made_by is not None and not made_by[1].startswith(release)  # packages for another Python are of no use
    try:
        venv.create(environment.folder, with_pip=True, clear=anew, symlinks=os.name != "nt")
    except (OSError, subprocess.CalledProcessError) as error:
        raise InstallationFault(
            f"{sys.executable} cannot make an environment at {environment.folder}: {error}. On Debian and Ubuntu the "
            "package python3-venv is needed"
        ) from error
    environment.link(Path(_run(environment, "import sysconfig; print(sysconfig.get_path('purelib'), end='')")))


def _pip(environment: Environment, arguments: Sequence[str], tell: Tell) -> None:
    """Run pip there, with the user's own configuration of it."""
    argv = [str(environment.python), "-m", "pip", "install", "--no-input", "--disable-pip-version-check"]
    argv += ["--progress-bar", "off", *arguments]
    tail: deque[str] = deque(maxlen=200)
    pip = processes.spawn(
        argv,
        foreign_environment(dict(os.environ)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        own_session=False,  # Ctrl-C ends it too
    )
    with ExitStack() as undo:
        undo.callback(pip.wait)
        undo.callback(pip.kill)
        assert pip.stdout is not None
        for line in pip.stdout:
            text = line.decode(errors="replace").rstrip()
            tail.append(text)
            if text.startswith("Installing collected packages"):
                tell("Unpacking")
            elif text.lstrip().startswith(("Collecting", "Downloading", "Using cached", "Processing")):
                tell(text.strip())
        undo.pop_all()
    if pip.wait():
        raise InstallationFault(_explain(environment, tail))


def _explain(environment: Environment, tail: Sequence[str]) -> str:
    said = "\n".join(tail)
    again = f"What was fetched is kept; go on with: {environment.install_command}"
    if "No space left on device" in said:
        return f"the disk is full. Make room, or set MODELFORGE_HOME to a folder that has it. {again}"
    if any(words in said for words in UNREACHABLE):
        return (
            "pip cannot reach its package index, so nothing can be installed. Check the network and the proxy; an "
            f"index of your own goes into PIP_INDEX_URL. {again}"
        )
    errors = [line.removeprefix("ERROR:").strip() for line in tail if line.startswith("ERROR:")]
    return f"pip failed: {' '.join(errors) or (tail[-1] if tail else 'it said nothing')}. {again}"


def _look(environment: Environment) -> dict[str, Any]:
    """What is in it, as it says itself."""
    found: dict[str, Any] = json.loads(_run(environment, _LOOK))
    return found


def _run(environment: Environment, script: str) -> str:
    """What the script prints under the environment's own Python."""
    done = subprocess.run(
        [str(environment.python), "-P", "-c", script],
        env=foreign_environment(dict(os.environ)),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        why = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise InstallationFault(
            f"the environment at {environment.folder} does not work: {why}. Make it anew: modelforge providers "
            f"remove {environment.name}, then {environment.install_command}"
        )
    return done.stdout


def _check_versions(versions: dict[str, str], wanted: Sequence[str]) -> None:
    for pin in wanted:
        name, _, version = pin.partition("==")
        there = versions.get(name.lower().replace("_", "-"))
        if there != version:
            raise InstallationFault(f"{name} {version} was to be installed, and {there or 'nothing'} is there")

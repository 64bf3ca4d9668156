"""Environments of providers: a Python of its own for each, with the versions that it needs, under the home folder.

The packages of one Python exist in one version each. A provider whose pins fight ours names an environment, and its
workers run under that environment's interpreter, with ModelForge's own code and none of our packages.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelforge.catalogue import ASSETS
from modelforge.errors import InvalidRequest, NotFound
from modelforge.files import read_json_or_none, read_text_or_none, sha256, write_atomic

if TYPE_CHECKING:
    from modelforge.hardware import Hardware
    from modelforge.providers.base import Provider

PINS = ASSETS / "environments"
"""A requirements file for each environment: exact versions of everything in it."""
CODE = Path(__file__).parent
"""Where the package ``modelforge`` lies."""
MANIFEST_SCHEMA = 1

_STUB = '''"""ModelForge's own code, which lies elsewhere; written by ``modelforge providers install``."""

__path__ = [{code!r}]
__file__ = {init!r}
with open(__file__, encoding="utf-8") as source:
    exec(compile(source.read(), __file__, "exec"))
'''
"""A package that points at another folder. A ``.pth`` file would bring in everything that lies beside that folder, and
with an installed ModelForge those are the very packages that are to stay out."""


def obstacle_of(provider: Provider, home: Path, hardware: Hardware) -> str | None:
    """Why the provider can train nothing now, and what to do; None where it can."""
    obstacle = provider.obstacle(hardware)
    if provider.environment is None:
        return obstacle
    environment = find_environment(home, provider.environment)
    fault = environment.fault()
    reasons = [obstacle, f"its environment {fault}: {environment.install_command}" if fault else None]
    return "; ".join(reason for reason in reasons if reason) or None


@dataclass(frozen=True)
class Environment:
    """A folder with a Python in it, whole or not."""

    name: str
    folder: Path
    pins: Path
    """The requirements file that it is made from."""

    @property
    def python(self) -> Path:
        """Its interpreter, where it is installed."""
        return self.folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    @property
    def manifest(self) -> dict[str, Any]:
        """What was installed: ``versions``, ``pins``, ``python``, ``size_mb``; empty until all of it was."""
        found = read_json_or_none(self.folder / "environment.json")
        return found if isinstance(found, dict) else {}

    @property
    def install_command(self) -> str:
        return f"modelforge providers install {self.name}"

    def fault(self) -> str | None:
        """Why no worker can run in it, as the end of a sentence about it; None when it is ready."""
        if not self.folder.is_dir():
            return "is not installed"
        manifest = self.manifest
        if not manifest:
            return "is half made: its installation did not come to an end"
        if manifest.get("schema_version") != MANIFEST_SCHEMA or manifest.get("pins") != sha256(self.pins):
            return "was made for another version of ModelForge"
        if not self.python.exists():
            return f"lost its Python: {self.python} leads nowhere"
        return None

    def interpreter(self) -> Path:
        """Its Python, ready to run a worker. Raises InvalidRequest, which says what to do, where there is none."""
        fault = self.fault()
        if fault:
            raise InvalidRequest(
                f"the environment of provider '{self.name}' {fault}. Make it: {self.install_command}. Or use the "
                "provider 'huggingface', which needs none"
            )
        self.link(Path(self.manifest["site_packages"]))
        return self.python

    def link(self, site_packages: Path) -> None:
        """Make ``import modelforge`` there mean the code that runs here, wherever an upgrade has put it."""
        stub = site_packages / "modelforge" / "__init__.py"
        text = _STUB.format(code=str(CODE), init=str(CODE / "__init__.py"))
        if read_text_or_none(stub) != text:
            stub.parent.mkdir(exist_ok=True)
            write_atomic(stub, text)


def find_environment(home: Path, name: str) -> Environment:
    """The environment of that name below ``home``, installed or not. Raises NotFound where nothing says what is in
    it."""
    pins = PINS / f"{name}.txt"
    if not pins.is_file():
        raise NotFound(f"environment '{name}': this installation of ModelForge lacks {pins}")
    return Environment(name, home / "environments" / name, pins)


def foreign_environment(base: dict[str, str]) -> dict[str, str]:
    """Environment variables for another Python than ours: without what points at our packages."""
    ours = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")
    return {name: value for name, value in base.items() if name not in ours}

"""An environment of its own is made from pins, read back, mended and removed; ModelForge's code is found in it."""

from __future__ import annotations

import ast
import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import time
import zipfile
from pathlib import Path

import psutil
import pytest

from modelforge import __version__
from modelforge.environments import CODE, Environment, find_environment, foreign_environment
from modelforge.errors import Conflict, InstallationFault, InvalidRequest, NotFound
from modelforge.installation import install, read_pins, remove

OURS = sysconfig.get_path("purelib")
"""What the fake torch brings along, so that ModelForge's code finds pydantic without a network."""


def wheel(
    folder: Path, name: str, version: str, *, requires: tuple[str, ...] = (), more: dict[str, str] | None = None
) -> None:
    """Write a package that pip can install."""
    info = f"{name}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {line}\n" for line in requires)
    files = {
        f"{name}/__init__.py": f"__version__ = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        **(more or {}),
    }
    record = ""
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as out:
        for path, text in files.items():
            out.writestr(path, text)
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
            record += f"{path},sha256={digest},{len(text.encode())}\n"
        out.writestr(f"{info}/RECORD", f"{record}{info}/RECORD,,\n")


@pytest.fixture(autouse=True)
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only place that pip finds packages in."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    wheel(folder, "torch", "2.0", requires=("kernels==1.5",), more={"ours.pth": OURS + "\n"})
    wheel(folder, "kernels", "1.5")
    wheel(folder, "kernels", "1.6")
    wheel(folder, "trainer", "3.1", requires=("pictures",))
    for name in list(os.environ):
        if name.startswith("PIP_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    monkeypatch.setattr("modelforge.installation.NEEDED_GB", 0.01)
    pins = tmp_path / "pins.txt"
    pins.write_text('torch==2.0\ntrainer==3.1  # why\nkernels==1.6\nelsewhere==1.0; sys_platform == "nowhere"\n')
    return Environment("fast", tmp_path / "home" / "environments" / "fast", pins)


def test_it_is_made_from_its_pins_and_read_back(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    assert environment.fault() == "is not installed"
    with pytest.raises(InvalidRequest, match=r"modelforge providers install fast.*'huggingface'"):
        environment.interpreter()
    told: list[str] = []
    install(environment, told.append)
    assert environment.fault() is None
    manifest = environment.manifest
    # What torch wants in one version stays as it came with torch; what nobody pinned is not fetched.
    assert {name: manifest["versions"].get(name) for name in ("torch", "trainer", "kernels", "pictures")} == {
        "torch": "2.0", "trainer": "3.1", "kernels": "1.5", "pictures": None,
    }  # fmt: skip
    assert manifest["modelforge"] == __version__ and manifest["size_mb"] > 1
    assert any("Installing torch" in line for line in told)

    # Our code is found there, from anywhere, and none of our variables goes along.
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    script = (
        "import os, modelforge, modelforge.catalogue as catalogue\n"
        "print(modelforge.__version__, catalogue.__file__, 'PYTHONPATH' in os.environ)"
    )
    said = subprocess.run(
        [environment.interpreter(), "-P", "-c", script], env=foreign_environment(dict(os.environ)), cwd="/",
        capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    import modelforge.catalogue

    assert said == [__version__, modelforge.catalogue.__file__, "False"]

    told.clear()
    install(environment, told.append)
    assert told == ["Everything is installed already"]

    environment.pins.write_text("torch==2.0\ntrainer==3.1\n")
    assert environment.fault() == "was made for another version of ModelForge"
    install(environment, told.append)
    assert environment.fault() is None

    remove(environment)
    assert environment.fault() == "is not installed"


def test_half_an_environment_is_told_and_mended(environment: Environment, index: Path) -> None:
    (index / "trainer-3.1-py3-none-any.whl").rename(index / "aside")
    with pytest.raises(
        InstallationFault, match=r"pip failed: .*trainer==3.1.* go on with: modelforge providers install"
    ):
        install(environment, lambda _: None)
    assert environment.fault() == "is half made: its installation did not come to an end"
    with pytest.raises(InvalidRequest, match="half made"):
        environment.interpreter()
    (index / "aside").rename(index / "trainer-3.1-py3-none-any.whl")
    told: list[str] = []
    install(environment, told.append)
    assert environment.fault() is None
    assert not any("torch-2.0" in line for line in told), "what was there is fetched again"


def test_another_build_of_torch(environment: Environment, index: Path) -> None:
    wheel(index, "torch", "2.0+cu130", more={"ours.pth": OURS + "\n"})
    install(environment, lambda _: None, torch="torch==2.0+cu130")
    versions = environment.manifest["versions"]
    assert (versions["torch"], versions["kernels"]) == ("2.0+cu130", "1.6")


def test_no_network_is_said(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(InstallationFault, match="pip cannot reach its package index"):
        install(environment, lambda _: None)


def test_too_little_disk_is_said_before_anything_is_made(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("modelforge.installation.NEEDED_GB", 1e9)
    with pytest.raises(InstallationFault, match="wants 1000000000 GB of disk"):
        install(environment, lambda _: None)
    assert not environment.folder.exists()


def test_a_python_that_is_gone(environment: Environment) -> None:
    environment.folder.mkdir(parents=True)
    manifest = {"schema_version": 1, "pins": hashlib.sha256(environment.pins.read_bytes()).hexdigest()}
    (environment.folder / "environment.json").write_text(json.dumps(manifest))
    assert "lost its Python" in (environment.fault() or "")


def test_one_that_is_in_use_is_not_removed(environment: Environment) -> None:
    (environment.folder / "bin").mkdir(parents=True)
    sleeper = environment.folder / "bin" / "sleep"
    sleeper.symlink_to(shutil.which("sleep") or "")
    process = subprocess.Popen([str(sleeper), "60"])
    try:
        while not psutil.Process(process.pid).cmdline():  # a process that has just begun has none yet
            time.sleep(0.01)
        with pytest.raises(Conflict, match=f"process {process.pid} runs in it|process {process.pid} runs in the"):
            remove(environment)
        assert environment.folder.exists()
    finally:
        process.kill()
        process.wait()
    remove(environment)
    assert not environment.folder.exists()


def test_the_pins_of_unsloth_are_exact(tmp_path: Path) -> None:
    environment = find_environment(tmp_path, "unsloth")
    pins = read_pins(environment.pins)
    assert all("==" in pin for pin in pins.values())
    assert (pins["unsloth"], pins["trl"], pins["transformers"]) == (
        "unsloth==2026.10.7", "trl==1.15.0", "transformers==5.17.0",
    )  # fmt: skip
    assert "torchvision" not in pins and {"torch", "pydantic", "psutil"} <= set(pins)
    with pytest.raises(NotFound):
        find_environment(tmp_path, "nothing")


def test_the_pins_hold_all_that_a_worker_imports(tmp_path: Path) -> None:
    """What a task or a strategy imports must be in every environment that a worker runs in."""
    rooms = ("worker", "tasks", "strategies", "providers", "contracts")
    files = [*CODE.glob("*.py"), *(file for room in rooms for file in (CODE / room).rglob("*.py"))]
    server_only = {"settings.py", "installation.py", "hardware.py", "archive.py", "yaml12.py"}
    imported = {
        name.partition(".")[0]
        for file in files
        if file.name not in server_only
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    needed = {name.replace("_", "-") for name in imported - set(sys.stdlib_module_names) - {"modelforge"}}
    pinned = set(read_pins(find_environment(tmp_path, "unsloth").pins))
    assert {"trl", "peft"} <= needed
    assert needed <= pinned

"""C++ of our own, compiled for the processor that it runs on, once, and kept. The standard library alone: what a source
file needs of torch's are addresses."""

from __future__ import annotations

import ctypes
import hashlib
import os
import subprocess
import tempfile
import threading
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from modelforge.computing import cxx

ATTENTION = Path(__file__).parent / "engine" / "attention.cpp"
LOWRANK = Path(__file__).parent / "engine" / "lowrank.cpp"
POINTWISE = Path(__file__).parent / "engine" / "pointwise.cpp"
STEP = Path(__file__).parent / "inference" / "step.cpp"
KEPT = "TORCHINDUCTOR_CACHE_DIR"
"""Where torch's compiler keeps its own; without such a folder the code is for this process alone."""
FLOAT, BFLOAT16 = "float", "BFloat16"
"""What activations are made of, by their names in C++: a run computes in one type, and code for two takes twice as long
to compile."""
FLAGS = ("-std=c++17", "-O3", "-march=native", "-fopenmp", "-fno-math-errno", "-fno-trapping-math", "-shared", "-fPIC")


@dataclass(frozen=True)
class Code:
    """A compiled source file."""

    library: ctypes.CDLL | None
    """Its functions; None where it could not be compiled."""
    fault: str | None = None
    """Why not, as the end of a sentence."""


def code(source: Path, element: str = FLOAT) -> Code:
    """The code of a source file, made now where it wasn't before: that takes a second or two."""
    with _one_at_a_time:
        return _code(source, element)


def element_of(dtype: object) -> str | None:
    """The name in C++ of one of torch's types; None for those that no code is made for."""
    return {"torch.float32": FLOAT, "torch.bfloat16": BFLOAT16}.get(str(dtype))


def prepare(element: str, *sources: Path) -> None:
    """Begin to make it, beside what else is to be done first. It is not loaded yet: it shares torch's OpenMP, which has
    to come first."""
    threading.Thread(target=_prepare, args=(element, sources), daemon=True).start()


def _prepare(element: str, sources: tuple[Path, ...]) -> None:
    compiler, kept = cxx(), os.environ.get(KEPT)
    if compiler is None or not kept:
        return
    for source in sources:
        # ``code`` tries again, and tells.
        with _one_at_a_time, suppress(OSError, subprocess.CalledProcessError):
            _compiled(source, element, compiler, Path(kept))


_one_at_a_time = threading.Lock()


@cache
def _code(source: Path, element: str) -> Code:
    compiler = cxx()
    if compiler is None:
        return Code(None, "there is no C++ compiler (g++ or clang++)")
    kept = os.environ.get(KEPT)
    try:
        with nullcontext(kept) if kept else tempfile.TemporaryDirectory(prefix="modelforge-") as folder:
            return Code(ctypes.CDLL(str(_compiled(source, element, compiler, Path(folder)))))
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip() or f"exit code {error.returncode}"
        return Code(None, f"the compiler fails: {said.splitlines()[0]}")
    except OSError as error:
        return Code(None, f"what the compiler made can't be used: {error}")


def _compiled(source: Path, element: str, compiler: str, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    flags = (*FLAGS, f"-DELEMENT={element}")
    # What -march=native means here, the compiler's version included: a folder may be used by several machines.
    meant = _output(compiler, *flags, "-E", "-dM", "-x", "c++", os.devnull)
    whole = _output(compiler, *flags, "-E", "-P", str(source))  # with what it includes
    target = folder / f"{source.stem}-{hashlib.sha256(whole + meant).hexdigest()[:16]}.so"
    if not target.exists():
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            made = Path(scratch) / target.name
            _output(compiler, *flags, str(source), "-o", str(made))
            made.replace(target)
    return target


def _output(*command: str) -> bytes:
    return subprocess.run(command, check=True, capture_output=True).stdout

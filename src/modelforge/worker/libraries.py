"""What the training libraries import and a run never uses, kept out: of six seconds of importing it takes one or two,
and of 490 MB 80 (measured, benchmarks/LOG.md)."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from typing import Any


def without_quantization() -> None:
    """PEFT imports bitsandbytes wherever it is installed, and torch's compiler with it. To be called before that."""
    sys.modules["bitsandbytes"] = None  # type: ignore[assignment]


def without_several_machines() -> None:
    """Have torch say what a build without torch.distributed says: transformers imports its sharded tensors wherever
    they are, and with them sympy."""
    import torch.distributed  # noqa: PLC0415 - torch takes seconds

    torch.distributed.is_available = lambda: False


def without_compiler() -> None:
    """Put something light in the place of torch's compiler, which transformers imports to tell it what it may not
    compile, and torch's optimizers to tell it to stay away. Whoever wants more of it gets the real one."""
    import torch  # noqa: PLC0415 - torch takes seconds

    spec = importlib.util.find_spec(_COMPILER)
    if spec is None or spec.loader is None or _COMPILER in sys.modules:
        return
    standing_in = _StandIn(_COMPILER)
    standing_in.__spec__, standing_in.__loader__, standing_in.__file__ = spec, spec.loader, spec.origin
    standing_in.__package__, standing_in.__path__ = _COMPILER, spec.submodule_search_locations or []
    sys.modules[_COMPILER] = torch._dynamo = standing_in
    importlib.import_module(_ASKED_FOR)
    sys.meta_path.insert(0, _Finder(standing_in))


_COMPILER = "torch._dynamo"
_ASKED_FOR = f"{_COMPILER}._trace_wrapped_higher_order_op"
"""Of the compiler's modules the one that transformers imports; it needs none of the others."""


def _same(function: Any) -> Any:
    return function


class _StandIn(types.ModuleType):
    """A module that is executed when something is asked of it that doesn't stand here."""

    assume_constant_result = allow_in_graph = staticmethod(_same)
    eval_frame = types.SimpleNamespace(OptimizedModule=type("OptimizedModule", (), {}))
    """accelerate asks of each model whether it is one."""

    @staticmethod
    def disable(function: Callable[..., Any] | None = None, *_: Any, **__: Any) -> Any:
        """Nothing is compiled: a function that isn't to be stays as it is."""
        return _same if function is None else function

    @staticmethod
    def graph_break(*_: Any, **__: Any) -> None:
        """Where the compiler would begin anew."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        become_real(self)
        return getattr(self, name)


def become_real(module: types.ModuleType) -> None:
    """Execute it, if nobody has yet."""
    if isinstance(module, _StandIn):
        module.__class__ = types.ModuleType  # type: ignore[assignment]
        assert module.__spec__ is not None and module.__spec__.loader is not None
        module.__spec__.loader.exec_module(module)


class _Finder(MetaPathFinder, Loader):
    """Before any other of the compiler's modules comes the compiler, which imports most of them itself."""

    def __init__(self, compiler: types.ModuleType) -> None:
        self._compiler = compiler
        self._own: ModuleSpec | None = None

    def find_spec(self, name: str, path: Sequence[str] | None, target: types.ModuleType | None = None) -> Any:
        """Of a module that has been imported on the way: the one that is there."""
        if not name.startswith(f"{_COMPILER}."):
            return None
        sys.meta_path.remove(self)
        become_real(self._compiler)
        if name not in sys.modules:
            return None
        module, spec = sys.modules[name], ModuleSpec(name, self)
        self._own, module.__spec__ = module.__spec__, spec  # importlib goes by the module's, where there is one
        return spec

    def create_module(self, spec: ModuleSpec) -> types.ModuleType:
        """The module of that name."""
        return sys.modules[spec.name]

    def exec_module(self, module: types.ModuleType) -> None:
        """It has been."""
        module.__spec__ = self._own

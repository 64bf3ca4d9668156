"""What the training libraries import and a run never uses, kept out: a second or two of importing, and 50 to 80 MB
(measured, benchmarks/LOG.md)."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
from collections.abc import Callable, Mapping, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from typing import Any


def without_quantization() -> None:
    """PEFT imports bitsandbytes wherever it is installed, and torch's compiler with it. To be called before that."""
    sys.modules["bitsandbytes"] = None  # type: ignore[assignment]


def without_torch() -> None:
    """transformers imports it with every tokenizer, where it finds it: two seconds, for nothing. To be called before
    that."""
    sys.modules["torch"] = None  # type: ignore[assignment]


def without_compiler() -> None:
    """For a run on this machine alone, by code that is compiled already: put something light in the place of torch's
    compiler and of its sharded tensors. Whoever wants more of them than stands there gets the real ones; what had its
    name from there before keeps it."""
    import torch.distributed  # noqa: PLC0415 - torch takes seconds

    # As a build without torch.distributed says: transformers imports all of it wherever it is.
    torch.distributed.is_available = lambda: False
    for name, attributes in STAND_INS.items():
        if name not in sys.modules:
            _stand_in(name, attributes)
    for name in _LIGHT:
        importlib.import_module(name)


def _same(function: Any) -> Any:
    return function


def _disable(function: Callable[..., Any] | None = None, *_: Any, **__: Any) -> Any:
    """Nothing is compiled: a function that isn't to be stays as it is."""
    return _same if function is None else function


class _Nothing:
    """A class that nothing is an instance of."""


STAND_INS: dict[str, dict[str, Any]] = {
    # transformers and torch's optimizers tell it what it may not compile; accelerate asks of models whether it has.
    "torch._dynamo": {
        "assume_constant_result": _same,
        "allow_in_graph": _same,
        "disable": _disable,
        "graph_break": lambda *_, **__: None,
        "eval_frame": types.SimpleNamespace(OptimizedModule=_Nothing),
    },
    # transformers asks of what is trained whether it is one.
    "torch.distributed.tensor": {"DTensor": _Nothing},
}
"""By module, what a run on one machine asks of it."""
_LIGHT = ("torch._dynamo.config", "torch._dynamo._trace_wrapped_higher_order_op")
"""Of the compiler's modules those that torch's gradient checkpointing and transformers want; they need no others."""


def _stand_in(name: str, attributes: Mapping[str, Any]) -> None:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.loader is None:
        return
    module = _StandIn(name)
    module.__spec__, module.__loader__, module.__file__ = spec, spec.loader, spec.origin
    module.__package__, module.__path__ = name, spec.submodule_search_locations or []
    module.__dict__.update(attributes)
    module.__dict__[_NAMES] = attributes.keys()
    sys.modules[name] = module
    parent, _, child = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], child, module)
    sys.meta_path.insert(0, _Finder(module))


_NAMES = "_names_that_stand_in"


class _StandIn(types.ModuleType):
    """A module that is executed when something is asked of it that doesn't stand there."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        _execute(self)
        return getattr(self, name)


def _execute(module: types.ModuleType) -> None:
    """If nobody has yet."""
    if isinstance(module, _StandIn):
        for name in module.__dict__.pop(_NAMES):
            delattr(module, name)
        module.__class__ = types.ModuleType  # type: ignore[assignment]
        assert module.__spec__ is not None and module.__spec__.loader is not None
        module.__spec__.loader.exec_module(module)


class _Finder(MetaPathFinder, Loader):
    """Before any module of a package, but the light ones, comes the package, which imports most of them itself."""

    def __init__(self, package: types.ModuleType) -> None:
        self._package = package
        self._own: ModuleSpec | None = None

    def find_spec(self, name: str, path: Sequence[str] | None, target: types.ModuleType | None = None) -> Any:
        """Of a module that has been imported on the way: the one that is there."""
        if not name.startswith(f"{self._package.__name__}.") or name in _LIGHT:
            return None
        if self in sys.meta_path:
            sys.meta_path.remove(self)
        _execute(self._package)
        if name not in sys.modules:
            return PathFinder.find_spec(name, path)  # importlib, which goes through that list, skips the next one
        module, spec = sys.modules[name], ModuleSpec(name, self)
        self._own, module.__spec__ = module.__spec__, spec  # importlib goes by the module's, where there is one
        return spec

    def create_module(self, spec: ModuleSpec) -> types.ModuleType:
        """The module of that name."""
        return sys.modules[spec.name]

    def exec_module(self, module: types.ModuleType) -> None:
        """It has been."""
        module.__spec__ = self._own

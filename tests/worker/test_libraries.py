"""What a worker's imports leave out, each in a process of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

LEFT_OUT = "from modelforge.worker import libraries\nlibraries.without_compiler()\n"


def said(script: str) -> str:
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(("before", "found"), [(LEFT_OUT, False), ("", True)])
def test_what_a_run_never_uses_is_not_imported(before: str, found: bool) -> None:
    heavy = ("torch._dynamo.eval_frame", "torch._inductor", "torch.distributed.tensor._api")
    script = (
        f"import sys\nsys.modules['bitsandbytes'] = None\n{before}import modelforge.worker.train\n"
        "import torch\n"
        "weight = torch.nn.Parameter(torch.ones(4))\n"
        "torch.optim.AdamW([weight]).step()\n"
        "from torch.utils.checkpoint import checkpoint\n"
        "checkpoint(torch.exp, weight, use_reentrant=False).sum().backward()\n"
        f"print([name in sys.modules for name in {heavy}])"
    )
    assert said(script) == str([found] * len(heavy))


ASKING = {
    "compile": """
twice = torch.compile(lambda x: 2 * x, backend='eager')
print(float(twice(torch.ones(()))))
""",
    "a module of it": """
from torch._dynamo.eval_frame import OptimizedModule
assert OptimizedModule is torch._dynamo.eval_frame.OptimizedModule
print(2.0 * isinstance(torch.compile(torch.nn.Linear(1, 1), backend='eager'), OptimizedModule))
""",
    "a name of it": "torch._dynamo.reset(); print(2.0)",
    "sharded tensors": "from torch.distributed.tensor import Shard; print(float(Shard(2).dim)); torch._dynamo.reset()",
}


@pytest.mark.parametrize("asking", ASKING.values(), ids=list(ASKING))
def test_who_asks_for_the_compiler_gets_it(asking: str) -> None:
    script = f"{LEFT_OUT}import sys, torch\n{asking}\nassert 'torch._dynamo.convert_frame' in sys.modules"
    assert said(script) == "2.0"

"""``python -m modelforge.probe WHAT ORDER``: its answer, as ``datasets.reply`` says it."""

from __future__ import annotations

import sys
from typing import Any

from modelforge.datasets.reply import answer
from modelforge.probe.order import Order
from modelforge.processes import limit_memory
from modelforge.worker import libraries

MEMORY_BYTES = 4_000_000_000
"""A tokenizer takes some hundred million; a hostile row, or template, may ask for all there is."""


def main(what: str, text: str) -> int:
    """Exit status: 0 with an answer, 2 for what is refused."""

    def work() -> Any:
        order = Order.model_validate_json(text)
        if not order.config.trust_remote_code:  # whose tokenizer may want torch, which wants more memory
            limit_memory(MEMORY_BYTES)
            libraries.without_torch()
        if what == "tools":
            from modelforge.probe.tools import tools  # noqa: PLC0415 - needs no tokenizer where there are none

            return tools(order)
        from modelforge.probe.preview import preview  # noqa: PLC0415 - after torch is put aside

        return preview(order)

    return answer(work)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))

"""The probe: ``python -m modelforge.probe``. Started by ``jobs.probing``, ended with its stdin."""

from __future__ import annotations

import queue
import signal
import threading
from functools import cache
from typing import Any

from modelforge.datasets.reply import outcome
from modelforge.pipe import Refused, private_pipes, take_orders
from modelforge.probe.order import Answer, Order, Question, What
from modelforge.processes import limit_memory
from modelforge.worker import libraries

MEMORY_BYTES = 4_000_000_000
"""A tokenizer takes some hundred million; a hostile row, or template, may ask for all there is."""


def reply_to(question: Question) -> Answer | Refused:
    """The answer, or what it is refused with."""
    if not question.order.config.trust_remote_code:  # whose tokenizer may want torch, which wants more memory
        _confine()
    said = outcome(lambda: _answer(question.what, question.order))
    if "refused" in said:
        return Refused(id=question.id, error=said["refused"]["kind"], detail=said["refused"]["detail"])
    return Answer(id=question.id, result=said["result"])


@cache
def _confine() -> None:
    limit_memory(MEMORY_BYTES)
    libraries.without_torch()


def _answer(what: What, order: Order) -> Any:
    if what == "tools":
        from modelforge.probe.tools import tools  # noqa: PLC0415 - needs no tokenizer where there are none

        return tools(order)
    from modelforge.probe.preview import preview  # noqa: PLC0415 - after torch is put aside

    return preview(order)


def main() -> None:
    """Answer the questions on stdin until it is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in the terminal is for the server, which ends this process
    orders, reports = private_pipes()
    waiting: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=take_orders, args=(orders, waiting.put), daemon=True).start()
    while True:
        reports.write(reply_to(Question.model_validate_json(waiting.get())).line())
        reports.flush()


if __name__ == "__main__":
    main()

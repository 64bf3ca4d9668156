"""``python -m modelforge.worker <job_id>``: run, or go on with, ``$MODELFORGE_HOME/runs/<job_id>``."""

from __future__ import annotations

import faulthandler
import gc
import logging
import os
import signal
import sys
import traceback
from contextlib import suppress
from pathlib import Path

from modelforge import native, reserve
from modelforge.contracts.job import JobState
from modelforge.contracts.training import BITSANDBYTES_OPTIMIZERS
from modelforge.files import read_json_or_none
from modelforge.processes import STACK_SIGNAL
from modelforge.providers import PROVIDERS
from modelforge.strategies import STRATEGIES
from modelforge.worker import checkpoints, libraries
from modelforge.worker.failures import explain
from modelforge.worker.report import Report, StopRequested


def main() -> int:
    """The process's edge: whatever happens, the last event says how the run ended. Returns the exit code."""
    faulthandler.enable()
    if STACK_SIGNAL is not None:
        faulthandler.register(STACK_SIGNAL)
    os.umask(0o077)  # somebody's private data
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    run_dir = Path(os.environ["MODELFORGE_HOME"]) / "runs" / sys.argv[1]
    report = Report(run_dir, attempt=int(os.environ["MODELFORGE_ATTEMPT"]))
    # The machine shuts down, or somebody is polite: save and end, to be taken up again.
    signal.signal(signal.SIGTERM, lambda number, frame: report.interrupt(signal.Signals(number).name))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        report.state(JobState.STARTING, "Loading the training libraries")
        # Collections while a million objects are made that stay take a third of the seconds that the imports take.
        gc.disable()
        _prepare(run_dir)
        from modelforge.worker.train import run  # noqa: PLC0415 - torch takes seconds; the state is told first

        gc.freeze()
        gc.enable()
        run(run_dir, report)
    except StopRequested:
        report.ended_early()
    except BaseException as error:  # noqa: BLE001 - the edge of the process
        cause, text = explain(error, run_dir)
        reserve.release(run_dir)
        with suppress(OSError):  # the log may lie on the disk that is full
            traceback.print_exc()
        checkpoints.remove_unsealed(run_dir / "checkpoints")
        report.state(JobState.FAILED, "Failed", error=text, cause=cause)
        return 1
    return 0


def _prepare(run_dir: Path) -> None:
    """Some providers must be imported before the libraries that they rewrite; libraries that are not needed cost
    seconds; and code that is compiled for this machine takes some, too."""
    spec = read_json_or_none(run_dir / "spec.json")
    if not spec:
        return
    config = spec["config"]
    provider, strategy = PROVIDERS.get(config["provider"]), STRATEGIES.get(config["strategy"])
    if spec["device"] == "cpu" and provider.engine and strategy.engine:
        element = native.BFLOAT16 if config["bf16"] else native.FLOAT
        native.prepare(element, native.ATTENTION, native.LOWRANK, native.POINTWISE)  # while one core imports
    provider.prepare(run_dir)
    if config["provider"] != "huggingface":
        return
    if not (config["use_4bit"] or config["use_8bit"] or config["optim"] in BITSANDBYTES_OPTIMIZERS):
        libraries.without_quantization()
    if spec["device"] == "cpu":
        libraries.without_compiler()


if __name__ == "__main__":
    sys.exit(main())

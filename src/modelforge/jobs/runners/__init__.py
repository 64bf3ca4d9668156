"""Where workers run. A new runner is one file here and one line in ``RUNNERS``."""

from __future__ import annotations

from modelforge.jobs.runners.base import Runner
from modelforge.jobs.runners.local import LocalRunner
from modelforge.registry import Registry

RUNNERS: Registry[Runner] = Registry("runner", LocalRunner())

"""What a model can be taught to do. A new task is one file here and one line in ``TASKS``."""

from __future__ import annotations

from modelforge.registry import Registry
from modelforge.tasks.base import Task
from modelforge.tasks.extractive_qa import ExtractiveQa
from modelforge.tasks.summarization import Summarization
from modelforge.tasks.text_generation import TextGeneration

TASKS: Registry[Task] = Registry("task", TextGeneration(), Summarization(), ExtractiveQa())

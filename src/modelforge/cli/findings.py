"""What was found in a dataset, for people, and what to do next."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from modelforge.cli.console import note, show_command
from modelforge.contracts.dataset import DatasetUploaded, Validation
from modelforge.contracts.finding import Finding

_TRAINED: dict[str, str] = {
    "context_question_answer": "extractive-question-answering",
    "prompt_chosen_rejected": "text-generation --strategy dpo",
}
"""What rows of a shape are learnt as; those of the others as answers of a chat."""
UNMAPPED = "none before its columns are mapped"
"""How many rows of a table can be trained on that has no known shape."""


def examples_of(uploaded: DatasetUploaded) -> str:
    """``60 usable examples``."""
    if uploaded.validation.shape is None:
        return f"{uploaded.num_examples} rows, of which none can be trained on before its columns are mapped"
    return f"{uploaded.num_examples} usable examples"


def print_found(validation: Validation) -> None:
    """How the files were read, where that was not plain to see, and what is wrong with them."""
    for choice in validation.source.notes if validation.source else []:
        note(choice)
    for problem in validation.errors:
        note(problem, "yellow")
    print_findings(finding for finding in validation.findings if finding.severity != "error")


def print_findings(findings: Iterable[Finding]) -> None:
    """What is wrong with rows that are learnt from all the same."""
    for finding in findings:
        lines = ", ".join(map(str, finding.rows))
        lines += f" and {finding.count - len(finding.rows)} more" if finding.count > len(finding.rows) else ""
        place = f" ({finding.place})" if finding.place else ""
        lines = f"line{'s' if finding.count > 1 else ''} {lines}"
        note(f"{lines}: {finding.message}{place}. {finding.advice}", "yellow")


def print_next(filename: str, validation: Validation, program: str) -> None:
    """The commands that a dataset is taken further with."""
    name = shlex.quote(filename)
    if validation.shape is None:
        show_command("Next, say which column holds what:", f"{program} datasets map {name}")
        return
    if any(finding.fix for finding in validation.findings):
        show_command("What can be mended:", f"{program} datasets fix {name}")
    task = _TRAINED.get(validation.shape, "text-generation")
    show_command("Train on it:", f"{program} train --dataset {name} --model-name modelforge-starter --task {task}")

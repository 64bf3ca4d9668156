"""What was found in a dataset, for people."""

from __future__ import annotations

from modelforge.cli.console import note
from modelforge.cli.examination import print_findings
from modelforge.contracts.dataset import Validation


def print_found(validation: Validation) -> None:
    """How the files were read, where that was not plain to see, and what is wrong with them."""
    for choice in validation.source.notes if validation.source else []:
        note(choice)
    for problem in validation.errors:
        note(problem, "yellow")
    print_findings(finding for finding in validation.findings if finding.severity != "error")

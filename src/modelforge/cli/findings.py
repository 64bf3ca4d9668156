"""What was found in a dataset, for people."""

from __future__ import annotations

from collections.abc import Iterable

from modelforge.cli.console import note
from modelforge.contracts.dataset import Validation
from modelforge.contracts.finding import Finding


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

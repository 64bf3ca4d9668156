"""Which fixes are on offer for a dataset, by what was found in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from modelforge.contracts.version import FixOffer
from modelforge.datasets.fixes import FIXES


def offers(report: Mapping[str, Any], examination: Mapping[str, Any] | None) -> list[FixOffer]:
    """Every fix, and what it would have to do by what was found: a ``Validation`` and an ``Examination``."""
    checked = {fix.name for fix in FIXES if not fix.together} if "findings" in report else set()
    examined = {fix.name for fix in FIXES if fix.together} if examination is not None else set()
    findings = [*report.get("findings", ()), *(examination or {}).get("findings", ())]
    found = []
    for fix in FIXES:
        own = [each for each in findings if each["fix"] == fix.name]
        rows = sum(each["count"] for each in own) if fix.name in checked | examined else None
        if fix.name == "drop_bad_rows":
            rows = report.get("num_bad")
        codes_of_it = sorted({each["code"] for each in own})
        found.append(FixOffer(name=fix.name, title=fix.title, rows=rows, codes=codes_of_it, certain=fix.certain))
    return found

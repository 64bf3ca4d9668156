"""The reference pages say what the code says."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import BaseModel

from modelforge.contracts.job import Cause
from modelforge.contracts.training import TrainingConfig
from modelforge.datasets import rows
from modelforge.settings import Settings
from tests.docs.pages import DOCS, PAGES, ROOT, TEMPLATES, anchors, links

generate = importlib.import_module("generate")


def test_no_page_is_stale() -> None:
    assert generate.stale() == {}


def test_a_changed_page_is_stale(tmp_path: Path) -> None:
    generate.write(tmp_path)
    assert generate.stale(tmp_path) == {}
    page = tmp_path / "settings.md"
    page.write_text(page.read_text(encoding="utf-8").replace("8000", "8001"), encoding="utf-8")
    (tmp_path / "old.md").write_text("# Of a page that nothing makes any more\n", encoding="utf-8")
    assert set(generate.stale(tmp_path)) == {"settings.md", "old.md"}
    assert "8001" in generate.stale(tmp_path)["settings.md"]


def test_pages_do_not_depend_on_the_machine(tmp_path: Path) -> None:
    script = "import generate, pathlib, sys; generate.write(pathlib.Path(sys.argv[1]))"
    environment = {
        "PATH": "",
        "HOME": str(tmp_path / "elsewhere"),
        "PYTHONPATH": f"{DOCS}:{ROOT / 'src'}",
        "PYTHONHASHSEED": "7",
        "COLUMNS": "50",
        "MODELFORGE_PORT": "9999",
    }
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "made")], env=environment, cwd=tmp_path, check=True)
    assert generate.stale(tmp_path / "made") == {}


@pytest.mark.parametrize("model", [TrainingConfig, Settings])
def test_every_option_has_a_docstring(model: type[BaseModel]) -> None:
    assert [name for name, field in model.model_fields.items() if not field.description] == []


def test_every_number_of_the_configuration_has_bounds() -> None:
    for name, field in TrainingConfig.model_json_schema()["properties"].items():
        for kind in field.get("anyOf", [field]):
            if kind.get("type") in ("integer", "number"):
                assert kind.keys() & {"minimum", "exclusiveMinimum"}, name
                assert kind.keys() & {"maximum", "exclusiveMaximum"}, name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    if page.parent == TEMPLATES:
        pytest.skip("its links are those of the page that is made of it")
    broken = []
    for target in links(page):
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        if not there.exists() or (anchor and anchor not in anchors(there)):
            broken.append(target)
    assert broken == []


def test_every_page_can_be_reached() -> None:
    seen: set[Path] = set()
    waiting = [DOCS / "README.md"]
    while waiting:
        page = waiting.pop()
        if page not in seen and page.suffix == ".md":
            seen.add(page)
            targets = (target.partition("#")[0] for target in links(page))
            waiting += [(page.parent / target).resolve() for target in targets if target]
    assert [page for page in DOCS.rglob("*.md") if page.parent != TEMPLATES and page not in seen] == []


def test_operations_explains_every_cause() -> None:
    text = (DOCS / "guide" / "operations.md").read_text(encoding="utf-8")
    assert [cause for cause in Cause if f"| `{cause}` |" not in text] == []


def test_data_explains_every_message_about_a_line() -> None:
    text = (DOCS / "guide" / "data.md").read_text(encoding="utf-8")
    constants = [value.kind for value in vars(rows).values() if isinstance(value, rows.BadLine)]
    datasets = ROOT / "src" / "modelforge" / "datasets"
    modules = ("answers", "calls", "conversations")
    source = "".join((datasets / f"{name}.py").read_text(encoding="utf-8") for name in modules)
    told = re.findall(r'(?:Problem\(codes\.\w+, |    return (?="(?:the|a tool|is|holds) ))"([^"]+)"', source)
    told += re.findall(
        r'= Flaw\(codes\.\w+, "((?:is|holds)[^"]+)"', (datasets / "problems.py").read_text(encoding="utf-8")
    )
    assert len(constants) >= 3
    assert len(told) >= 14
    assert [words for words in [*constants, *told] if words not in text] == []

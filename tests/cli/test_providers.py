"""``modelforge providers``: what is ready, why not, and an environment that comes and goes."""

from __future__ import annotations

from pathlib import Path

from modelforge.environments import find_environment
from tests.cli.program import document, documents, modelforge


def test_the_list_says_what_is_missing(tmp_path: Path) -> None:
    found = {item["name"]: item for item in document("providers", "list", home=tmp_path)["providers"]}
    assert found["huggingface"]["ready"] and not found["huggingface"]["own_environment"]
    unsloth = found["unsloth"]
    assert (unsloth["ready"], unsloth["installed"], unsloth["versions"]) == (False, False, {})
    assert "modelforge providers install unsloth" in unsloth["reason"]
    table = modelforge("providers", "list", home=tmp_path, COLUMNS="50").stdout
    assert "huggingface" in table and "environment is not installed" in " ".join(table.split())


def test_a_half_made_environment_is_listed_and_removed(tmp_path: Path) -> None:
    folder = find_environment(tmp_path, "unsloth").folder
    folder.mkdir(parents=True)
    assert "is half made" in str(document("providers", "list", home=tmp_path)["providers"][1]["reason"])
    assert document("providers", "remove", "unsloth", home=tmp_path) == {"status": "removed", "name": "unsloth"}
    assert not folder.exists()
    again = modelforge("providers", "remove", "unsloth", "--json", home=tmp_path)
    assert again.returncode == 1 and documents(again.stdout)[0]["status_code"] == 404


def test_one_that_needs_no_environment(tmp_path: Path) -> None:
    done = modelforge("providers", "install", "huggingface", home=tmp_path)
    assert done.returncode == 1 and "needs no other" in done.stderr

"""Flags win over the environment, that over the file, that over the defaults."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from modelforge.errors import InvalidRequest
from modelforge.settings import load_settings


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith("MODELFORGE_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))


def test_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "modelforge.toml").write_text('port = 1111\nhost = "::1"\nmax_upload_mb = 7\n')
    monkeypatch.setenv("MODELFORGE_PORT", "2222")
    monkeypatch.setenv("MODELFORGE_HOST", "localhost")
    settings = load_settings(home=tmp_path, port=3333, host=None)
    assert (settings.port, settings.host, settings.max_upload_mb) == (3333, "localhost", 7)
    assert load_settings(home=tmp_path).port == 2222
    assert settings.database == tmp_path / "modelforge.db"
    assert load_settings(home=tmp_path, database_url="postgresql://x/y").database == "postgresql://x/y"


def test_lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELFORGE_DATA_ROOTS", f"/a{os.pathsep}/b c")
    monkeypatch.setenv("MODELFORGE_ALLOWED_ORIGINS", "https://A.example/, https://b.example")
    settings = load_settings(home=tmp_path)
    assert settings.data_roots == [Path("/a"), Path("/b c")]
    assert settings.allowed_origins == ["https://a.example", "https://b.example"]


def test_defaults_keep_the_network_out(tmp_path: Path) -> None:
    settings = load_settings()
    assert settings.on_loopback and settings.port == 8000
    assert settings.home == tmp_path / ".modelforge"


@pytest.mark.parametrize(
    ("text", "said"),
    [("prot = 1", "no setting 'prot'. Did you mean 'port'"), ("port = 99999", "port"), ("port = ", "modelforge.toml")],
)
def test_a_bad_file_is_said(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "modelforge.toml").write_text(text)
    with pytest.raises(InvalidRequest) as refusal:
        load_settings(home=tmp_path)
    assert said in refusal.value.detail


def test_a_bad_variable_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELFORGE_PORT", "eighty")
    with pytest.raises(InvalidRequest, match="MODELFORGE_PORT"):
        load_settings()


def test_an_empty_variable_is_as_good_as_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".modelforge").mkdir()
    (tmp_path / ".modelforge" / "modelforge.toml").write_text("max_upload_mb = 7\n")
    for name in ("HOME", "PORT", "MAX_UPLOAD_MB", "DATA_ROOTS"):
        monkeypatch.setenv(f"MODELFORGE_{name}", "")
    settings = load_settings()
    assert (settings.home, settings.port, settings.max_upload_mb) == (tmp_path / ".modelforge", 8000, 7)


@pytest.mark.parametrize(("given", "path"), [("/a/b", "/a/b"), ("a/b/", "/a/b"), ("/", ""), ("", "")])
def test_a_root_path_begins_with_a_slash_and_ends_without(tmp_path: Path, given: str, path: str) -> None:
    assert load_settings(home=tmp_path, root_path=given).root_path == path

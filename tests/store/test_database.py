"""Migrations and tables agree, a newer database is refused, ids are never used again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from modelforge.contracts.base import now
from modelforge.errors import InvalidRequest, StoreFault
from modelforge.store.database import Database
from modelforge.store.tables import ModelRow, Table
from tests.live import until


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(f"sqlite:///{tmp_path / 'test.db'}")


def model(name: str) -> ModelRow:
    return ModelRow(
        name=name, base_model="b", task="t", provider="p", strategy="s", created_at=now(), size_mb=1.5, path="/x",
        job_id="j", dataset="d", training_params={}, metrics={},
    )  # fmt: skip


def test_migrations_make_the_tables(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Table.metadata) == []


def test_opening_twice_keeps_everything(database: Database, tmp_path: Path) -> None:
    with database.session() as session:
        session.add(model("kept"))
    again = Database(f"sqlite:///{tmp_path / 'test.db'}")
    with again.session() as session:
        assert session.query(ModelRow).one().name == "kept"


def test_a_newer_database_is_refused(database: Database, tmp_path: Path) -> None:
    with database.session() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreFault, match=r"newer version of ModelForge.*9999"):
        Database(f"sqlite:///{tmp_path / 'test.db'}")


def test_ids_are_never_used_again(database: Database) -> None:
    with database.session() as session:
        session.add(model("first"))
        session.flush()
        session.add(second := model("second"))
        session.flush()
        last = second.id
        session.delete(second)
    with database.session() as session:
        session.add(third := model("third"))
        session.flush()
        assert third.id == last + 1


def test_times_come_back_in_utc(database: Database) -> None:
    moment = now()
    with database.session() as session:
        row = model("timed")
        row.created_at = moment
        session.add(row)
    with database.session() as session:
        assert session.query(ModelRow).one().created_at == moment


def test_a_failed_transaction_leaves_nothing(database: Database) -> None:
    with pytest.raises(ZeroDivisionError), database.session() as session:
        session.add(model("never"))
        session.flush()
        raise ZeroDivisionError
    with database.session() as session:
        assert session.query(ModelRow).count() == 0


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        "hunter2",
        "oracle9://u:hunter2@x",
        "mysql+nodriver://u:hunter2@x",
        "sqlite://u:hunter2@host/file.db",
        "postgresql://u:hunter2@host:port/name",
        "postgresql://u:hunter2/2@host/name",
        "mssql+pymssql://u:hunter2@host/name",
    ],
)
def test_a_url_that_cannot_work_is_said_without_its_password(url: str) -> None:
    with pytest.raises(InvalidRequest, match="MODELFORGE_DATABASE_URL") as refusal:
        Database(url)
    assert "hunter2" not in refusal.value.detail


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "test.db").write_text("not a database" * 100)
    with pytest.raises(StoreFault, match="not a database"):
        Database(f"sqlite:///{tmp_path / 'test.db'}")


DIE_AT_THE_THIRD_TABLE = """
import os, sys
from pathlib import Path
from sqlalchemy import Engine, event
from modelforge.store.database import Database

@event.listens_for(Engine, "before_cursor_execute")
def die(connection, cursor, statement, *rest):
    if "CREATE TABLE models" in statement:
        os._exit(9)

Database(Path(sys.argv[1]))
"""


def test_a_kill_between_two_tables_leaves_a_database_that_opens(tmp_path: Path) -> None:
    path = tmp_path / "test.db"
    assert subprocess.run([sys.executable, "-c", DIE_AT_THE_THIRD_TABLE, str(path)]).returncode == 9
    with Database(path).session() as session:
        assert session.query(ModelRow).count() == 0


OPEN_MANY = """
import sys, time
from pathlib import Path
from modelforge.store.database import Database

folder = Path(sys.argv[1])
(folder / f"ready{sys.argv[2]}").touch()
while not (folder / "go").exists():
    time.sleep(0.001)
for number in range(30):
    Database(folder / f"{number}.db").close()
"""


def test_two_processes_open_a_fresh_home_at_once(tmp_path: Path) -> None:
    children = [
        subprocess.Popen([sys.executable, "-c", OPEN_MANY, str(tmp_path), name], stderr=subprocess.PIPE)
        for name in ("a", "b")
    ]
    until(lambda: all((tmp_path / f"ready{name}").exists() for name in ("a", "b")), 60)
    (tmp_path / "go").touch()
    for child in children:
        said = child.communicate()[1].decode()
        assert child.returncode == 0, said


def test_what_the_database_refuses_is_a_store_fault(database: Database) -> None:
    for nonsense, values in (("SELECT x FROM nowhere", {}), ("SELECT :x", {"x": object()})):
        with pytest.raises(StoreFault, match="did not take it"), database.session() as session:
            session.execute(text(nonsense), values)
    with pytest.raises(IntegrityError), database.session() as session:
        session.add_all([model("same"), model("same")])


def test_a_path_may_hold_what_a_url_may_not(tmp_path: Path) -> None:
    folder = tmp_path / "what? #1 100%"
    folder.mkdir()
    Database(folder / "test.db").close()
    assert (folder / "test.db").stat().st_size > 0

"""Migrations and tables agree, a newer database is refused, ids are never used again."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine, text
from sqlalchemy.exc import IntegrityError

from modelforge.contracts.base import now
from modelforge.errors import InvalidRequest, StoreFault
from modelforge.store.database import MIGRATIONS, Database
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


def at_revision(path: Path, revision: str) -> None:
    """A database as the version that knew no later schema left it, with a model in it."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with create_engine(f"sqlite:///{path}").begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        row = {
            column.name: "1" for column in ModelRow.__table__.columns if column.name not in ("lineage", "created_at")
        }
        names = ", ".join(f'"{name}"' for name in row)
        values = ", ".join(f":{name}" for name in row)
        statement = text(f"INSERT INTO models ({names}, created_at) VALUES ({values}, '2026-01-01 00:00:00')")
        connection.execute(statement, row)


def test_an_older_one_is_copied_before_it_is_migrated(tmp_path: Path) -> None:
    path = tmp_path / "test.db"
    at_revision(path, "0001")
    Database(path).close()
    backup = tmp_path / "test.db.0001.bak"
    with closing(sqlite3.connect(backup)) as copy:
        assert list(copy.execute("SELECT version_num FROM alembic_version")) == [("0001",)]
        assert list(copy.execute("SELECT name FROM models")) == [("1",)]
        assert list(copy.execute("PRAGMA integrity_check")) == [("ok",)]
    with Database(path).session() as session:
        assert session.query(ModelRow.name, ModelRow.lineage).all() == [("1", [])]
    assert sorted(each.name for each in tmp_path.glob("*.bak*")) == [backup.name]


def test_nothing_is_migrated_that_was_not_copied(tmp_path: Path) -> None:
    path = tmp_path / "test.db"
    at_revision(path, "0001")
    (tmp_path / "test.db.0001.bak").mkdir()  # in the way
    with pytest.raises(StoreFault, match=r"could not be copied to .*test\.db\.0001\.bak.*Nothing was changed"):
        Database(path)
    with closing(sqlite3.connect(path)) as connection:
        assert list(connection.execute("SELECT version_num FROM alembic_version")) == [("0001",)]


def test_a_fresh_one_needs_no_copy(tmp_path: Path) -> None:
    Database(tmp_path / "test.db").close()
    Database(tmp_path / "test.db").close()
    assert list(tmp_path.glob("*.bak*")) == []


KEEP_LOCKED = """
import sqlite3, sys, time

connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
time.sleep(float(sys.argv[2]))
connection.execute("COMMIT")
time.sleep(60)
"""


@pytest.fixture
def locker(tmp_path: Path) -> Iterator[Callable[[float], None]]:
    """Has another process keep the database locked for so many seconds."""
    children: list[subprocess.Popen[bytes]] = []

    def lock(seconds: float) -> None:
        argv = [sys.executable, "-c", KEEP_LOCKED, str(tmp_path / "test.db"), str(seconds)]
        children.append(subprocess.Popen(argv, stdout=subprocess.PIPE))
        stdout = children[-1].stdout
        assert stdout is not None and stdout.readline() == b"locked\n"

    yield lock
    for child in children:
        child.kill()
        child.wait()


def test_a_locked_database_is_waited_for(database: Database, locker: Callable[[float], None]) -> None:
    locker(1.0)
    began = time.monotonic()
    with database.session() as session:
        session.add(model("late"))
    assert time.monotonic() - began >= 0.5
    with database.session() as session:
        assert session.query(ModelRow).one().name == "late"


def test_one_that_stays_locked_is_told(
    tmp_path: Path, locker: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    Database(tmp_path / "test.db").close()
    monkeypatch.setattr("modelforge.store.database.BUSY_SECONDS", 0.3)
    database = Database(tmp_path / "test.db")
    locker(60.0)
    with (
        pytest.raises(StoreFault, match=r"another process has kept it locked for 0\.3 s"),
        database.session() as session,
    ):
        session.add(model("never"))
    with database.session() as session:  # readers go on
        assert session.query(ModelRow).count() == 0
    with pytest.raises(StoreFault, match="cannot be opened: another process has kept it locked"):
        Database(tmp_path / "test.db")


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
from modelforge.store.database import MIGRATIONS, Database

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
from modelforge.store.database import MIGRATIONS, Database

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

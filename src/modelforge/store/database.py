"""Opening the database: connection, migrations at start, one session per piece of work."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, NoSuchModuleError
from sqlalchemy.orm import Session, sessionmaker

from modelforge.errors import InvalidRequest, StoreFault

MIGRATIONS = Path(__file__).parent / "migrations"
BUSY_SECONDS = 30


class Database:
    """An engine with its migrations applied."""

    def __init__(self, place: str | Path) -> None:
        """Connects to a URL, or to an SQLite file by its path, and migrates.

        Raises InvalidRequest for a URL that cannot work, StoreFault for a database that does not answer or was written
        by a newer version.
        """
        self.engine = _engine(place)
        self._sessions = sessionmaker(self.engine, expire_on_commit=False)
        _migrate(self.engine)

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A transaction: committed at the end, rolled back by an exception. What the database itself refuses is a
        StoreFault; that a row collides with another stays an IntegrityError, for the caller to tell in its words."""
        try:
            with self._sessions.begin() as session:
                yield session
        except IntegrityError:
            raise
        except DBAPIError as error:
            raise StoreFault(f"the database did not take it: {error.orig}") from error

    def close(self) -> None:
        self.engine.dispose()


def _engine(place: str | Path) -> Engine:
    try:
        # Not by way of text: a path may hold "?" and "#".
        parsed = URL.create("sqlite", database=str(place)) if isinstance(place, Path) else make_url(place)
        if parsed.get_backend_name() != "sqlite":
            return create_engine(parsed, pool_pre_ping=True)
        engine = create_engine(parsed, connect_args={"timeout": BUSY_SECONDS})
    except (ArgumentError, NoSuchModuleError, ValueError):
        # Not in SQLAlchemy's words, which may be the whole URL, with the password.
        raise InvalidRequest(
            "MODELFORGE_DATABASE_URL is no database URL that can be used: it has the form "
            "postgresql+psycopg://user:password@host/name or sqlite:////folder/file.db, without signs like @ and / in "
            "user or password unless they are written as %40 and %2F"
        ) from None
    except ModuleNotFoundError as error:
        raise InvalidRequest(f"MODELFORGE_DATABASE_URL needs the Python package '{error.name}': install it") from error

    @event.listens_for(engine, "connect")
    def _configure(connection: sqlite3.Connection, record: Any) -> None:
        # WAL lets readers go on while one writes. In WAL mode NORMAL loses no consistency in a power cut, at most
        # the last commits, which are read again from the run folders.
        _write_ahead(connection)
        for pragma in ("synchronous=NORMAL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    return engine


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Turn WAL mode on. Of two processes that do so to a fresh file at once, SQLite tells one that it is locked, and
    does not wait: both hold a read lock that the other waits for."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            # The low byte is the error, the rest its variety (sqlite.org/rescode.html).
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _migrate(engine: Engine) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    try:
        with engine.begin() as connection:
            if engine.dialect.name == "sqlite":
                # Python's sqlite3 begins no transaction for CREATE TABLE, so a kill between two of them would leave
                # the first. IMMEDIATE, so that a second process waits here and then finds everything made.
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            current = MigrationContext.configure(connection).get_current_revision()
            if current is not None and current not in known:
                raise StoreFault(
                    f"the database was written by a newer version of ModelForge (its schema is {current}): "
                    "install that version, or choose another home folder"
                )
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except DBAPIError as error:
        raise StoreFault(f"the database cannot be opened: {error.orig}") from error

"""Opening the database: connection, migrations at start, one session per piece of work."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
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
from modelforge.files import sync_folder

MIGRATIONS = Path(__file__).parent / "migrations"
BUSY_SECONDS = 30.0
"""How long a piece of work waits for another process that writes."""


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
            raise StoreFault(f"the database did not take it: {_why(error)}") from error

    def close(self) -> None:
        self.engine.dispose()


def _why(error: DBAPIError) -> str:
    """What the driver says, and what to do where that is known (the low byte is the error, sqlite.org/rescode.html)."""
    kind = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF
    if kind == sqlite3.SQLITE_BUSY:
        return (
            f"another process has kept it locked for {BUSY_SECONDS:g} s. End what writes to it (a backup, a database "
            "browser), and try again"
        )
    if kind == sqlite3.SQLITE_FULL:
        return f"{error.orig}. Make room and try again; nothing of it was written"
    return str(error.orig)


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
    scripts = ScriptDirectory.from_config(config)
    known = {script.revision for script in scripts.walk_revisions()}
    try:
        with engine.begin() as connection:
            if engine.dialect.name == "sqlite":
                # Python's sqlite3 begins no transaction for CREATE TABLE, so a kill between two of them would leave
                # the first. IMMEDIATE, so that a second process waits here and then finds everything made.
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            current = MigrationContext.configure(connection).get_current_revision()
            if current in known and current != scripts.get_current_head():
                _back_up(engine, current)
            if current is not None and current not in known:
                raise StoreFault(
                    f"the database was written by a newer version of ModelForge (its schema is {current}): "
                    "install that version, or choose another home folder"
                )
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except DBAPIError as error:
        raise StoreFault(f"the database cannot be opened: {_why(error)}") from error


def _back_up(engine: Engine, revision: str) -> None:
    """Copy the SQLite file as it is before a migration, beside it: ``<file>.<revision>.bak``.

    Whoever wants the earlier version back, stops the server and puts the copy in the database's place. Raises
    StoreFault where it cannot be made: then nothing is migrated.
    """
    place = engine.url.database
    if engine.dialect.name != "sqlite" or not place or not Path(place).is_file():
        return
    target = Path(f"{place}.{revision}.bak")
    partial = target.with_name(f"{target.name}.partial")
    try:
        partial.unlink(missing_ok=True)
        with closing(sqlite3.connect(place)) as source, closing(sqlite3.connect(partial)) as copy:
            source.backup(copy)
        partial.replace(target)
        sync_folder(target.parent)
    except (OSError, sqlite3.Error) as error:
        partial.unlink(missing_ok=True)
        raise StoreFault(
            f"the database is to be migrated, and before that it could not be copied to {target}: {error}. Nothing was "
            "changed; make room, or let the folder be written to"
        ) from error

"""Opening the database: connection, migrations at start, one session per piece of work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, NoSuchModuleError, OperationalError
from sqlalchemy.orm import Session, sessionmaker

from modelforge.errors import InvalidRequest, StoreFault

MIGRATIONS = Path(__file__).parent / "migrations"
BUSY_SECONDS = 30


class Database:
    """An engine with its migrations applied."""

    def __init__(self, url: str) -> None:
        """Connects and migrates. Raises InvalidRequest for a URL that cannot work, StoreFault for a database that
        does not answer or was written by a newer version."""
        self.engine = _engine(url)
        self._sessions = sessionmaker(self.engine, expire_on_commit=False)
        _migrate(self.engine)

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A transaction: committed at the end, rolled back by an exception."""
        try:
            with self._sessions.begin() as session:
                yield session
        except OperationalError as error:
            raise StoreFault(f"the database did not take it: {error.orig}") from error

    def close(self) -> None:
        self.engine.dispose()


def _engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() != "sqlite":
            return create_engine(parsed, pool_pre_ping=True)
        engine = create_engine(parsed, connect_args={"timeout": BUSY_SECONDS})
    except (ArgumentError, NoSuchModuleError) as error:
        raise InvalidRequest(f"MODELFORGE_DATABASE_URL is no database URL that can be used: {error}") from error
    except ModuleNotFoundError as error:
        raise InvalidRequest(f"MODELFORGE_DATABASE_URL needs the Python package '{error.name}': install it") from error

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, record: Any) -> None:
        # WAL lets readers go on while one writes. In WAL mode NORMAL loses no consistency in a power cut, at most
        # the last commits, which are read again from the run folders.
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    return engine


def _migrate(engine: Engine) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    try:
        with engine.begin() as connection:
            current = MigrationContext.configure(connection).get_current_revision()
            if current is not None and current not in known:
                raise StoreFault(
                    f"the database was written by a newer version of ModelForge (its schema is {current}): "
                    "install that version, or choose another home folder"
                )
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except DatabaseError as error:
        raise StoreFault(f"the database cannot be opened: {error.orig}") from error

"""The one database that holds the truth: a SQLite file in the studio's folder, or PostgreSQL by its address."""

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.errors import StudioError

if TYPE_CHECKING:
    from sqlalchemy import Connection, CursorResult, Executable

ADDRESS_VARIABLE = "STUDIO_DATABASE"
FILE_NAME = "studio.db"
REVISION = "0006"  # the newest of studio/migrations/versions
BUSY_SECONDS = 30
WRITERS_LOCK = 0x5354_5544_494F  # PostgreSQL's advisory lock under which one process writes at a time, as in SQLite

Row = Mapping[Any, Any]  # by column name; SQLAlchemy's own also take columns


class Answer:
    """What a statement gave: its rows, or how many it changed."""

    def __init__(self, result: "CursorResult[Any]") -> None:
        self._result = result

    @property
    def rowcount(self) -> int:
        return self._result.rowcount

    def fetchone(self) -> Row | None:
        """Return the first row and leave the rest."""
        return self._result.mappings().first()

    def fetchall(self) -> Sequence[Row]:
        return self._result.mappings().all()


class Transaction:
    """An open connection, for statements in SQL with `?` for each value, or built with SQLAlchemy from `studio.schema`."""

    def __init__(self, connection: "Connection") -> None:
        self.connection = connection

    @property
    def dialect(self) -> str:
        """Return "sqlite" or "postgresql"."""
        return self.connection.dialect.name

    def execute(self, query: "str | Executable", values: Sequence[Any] = ()) -> Answer:
        """Run a statement; for one of SQLAlchemy's, `values` are mappings, one for each time that it is run."""
        if not isinstance(query, str):
            return Answer(self.connection.execute(query, list(values) or None))
        if self.dialect != "sqlite":
            query = query.replace("?", "%s")
        return Answer(self.connection.exec_driver_sql(query, tuple(values)))


class Store:
    """A connection to the studio's database, safe to share between the threads of one process.

    `address` is one of SQLAlchemy's, as "postgresql+psycopg://me@localhost/studio"; without one the environment's
    STUDIO_DATABASE counts, and else the file in `home`. Raises StudioError if the database is from a newer program.
    """

    def __init__(self, home: Path, *, address: str | None = None, versions: Path | None = None) -> None:
        self.home = home
        self._lock = threading.RLock()
        self._is_writing = False
        self._connection = _connect(address or os.environ.get(ADDRESS_VARIABLE) or f"sqlite:///{home / FILE_NAME}")
        self._transaction = Transaction(self._connection)
        self._migrate(versions)

    @property
    def dialect(self) -> str:
        """Return "sqlite" or "postgresql"."""
        return self._transaction.dialect

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Write in one step: all of it on success, none of it when the body raises. Nested calls join the outer one."""
        with self._lock:
            if self._is_writing:
                yield self._transaction
                return
            self._begin()
            self._is_writing = True
            try:
                yield self._transaction
                self._connection.exec_driver_sql("COMMIT")
            except BaseException:
                self._connection.exec_driver_sql("ROLLBACK")
                raise
            finally:
                self._is_writing = False

    def rows(self, query: "str | Executable", *values: object) -> Sequence[Row]:
        """Read all rows of a query."""
        with self._lock:
            return self._transaction.execute(query, values).fetchall()

    def row(self, query: "str | Executable", *values: object) -> Row | None:
        """Read the first row of a query."""
        with self._lock:
            return self._transaction.execute(query, values).fetchone()

    def mark(self) -> object:
        """Return something that differs whenever anybody may have written since an earlier call; cheap to ask."""
        if self.dialect != "sqlite":
            return object()
        with self._lock:
            ours = self._connection.exec_driver_sql("SELECT total_changes()").scalar_one()
            others = self._connection.exec_driver_sql("PRAGMA data_version").scalar_one()
            return ours, others

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def _begin(self) -> None:
        if self.dialect == "sqlite":
            self._connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            self._connection.exec_driver_sql("BEGIN")
            self._connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITERS_LOCK})")

    def _migrate(self, versions: Path | None) -> None:
        if versions is None and self._revision() == REVISION:
            return
        from studio import migrations  # slow to import, and seldom needed

        with self.transaction():
            migrations.upgrade(self._connection, self._revision(), versions or migrations.VERSIONS)

    def _revision(self) -> str | None:
        """Return the schema's revision, or None where alembic has never been."""
        from sqlalchemy import inspect

        if not inspect(self._connection).has_table("alembic_version"):
            return None
        revision: str | None = self._connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
        return revision


def _connect(address: str) -> "Connection":
    """Open the one connection; transactions are begun and ended in SQL, so that reading never waits for a writer."""
    from sqlalchemy import NullPool, create_engine
    from sqlalchemy.exc import ArgumentError, OperationalError

    is_file = address.startswith("sqlite:")
    options = {"timeout": BUSY_SECONDS, "check_same_thread": False} if is_file else {}
    try:
        engine = create_engine(address, isolation_level="AUTOCOMMIT", poolclass=NullPool, connect_args=options)
        connection = engine.connect()
    except (ArgumentError, ImportError, OperationalError) as error:
        if is_file:
            raise
        raise StudioError(
            f"The database that {ADDRESS_VARIABLE} names cannot be reached ({type(error).__name__}). "
            "Check the address and that its driver is installed: pip install 'multimodal-studio[postgres]'."
        ) from error
    if is_file:
        connection.exec_driver_sql("PRAGMA journal_mode = WAL")
        connection.exec_driver_sql("PRAGMA synchronous = NORMAL")
        connection.exec_driver_sql("PRAGMA foreign_keys = ON")
    return connection

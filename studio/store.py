"""The one SQLite file that holds the truth: conversations, media, jobs, recipes."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from studio.errors import StudioError

# One entry per schema version, a tuple of statements each; append, never edit.
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE conversations (
            id TEXT PRIMARY KEY, title TEXT NOT NULL, preset TEXT NOT NULL, created REAL NOT NULL, updated REAL NOT NULL
        )""",
        """CREATE TABLE messages (
            id INTEGER PRIMARY KEY, conversation TEXT NOT NULL REFERENCES conversations(id) ON DELETE CASCADE,
            role TEXT NOT NULL CHECK (role IN ('user', 'assistant')), content TEXT NOT NULL, job TEXT NOT NULL,
            created REAL NOT NULL, UNIQUE (job, role)
        )""",
        "CREATE INDEX messages_of_conversation ON messages (conversation, id)",
        """CREATE TABLE media (
            id TEXT PRIMARY KEY, modality TEXT NOT NULL, content_hash TEXT NOT NULL, suffix TEXT NOT NULL,
            num_bytes INTEGER NOT NULL, created REAL NOT NULL
        )""",
        "CREATE INDEX media_by_content ON media (content_hash)",
        """CREATE TABLE recipes (
            media TEXT PRIMARY KEY REFERENCES media(id) ON DELETE CASCADE, recipe TEXT NOT NULL, created REAL NOT NULL
        )""",
        """CREATE TABLE jobs (
            position INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, payload TEXT NOT NULL,
            state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'done', 'failed', 'cancelled')),
            attempts INTEGER NOT NULL DEFAULT 0, cancel_requested INTEGER NOT NULL DEFAULT 0,
            lease TEXT, lease_until REAL, result TEXT, error TEXT, created REAL NOT NULL, finished REAL
        )""",
        "CREATE INDEX jobs_by_state ON jobs (state, position)",
        """CREATE TABLE events (
            id INTEGER PRIMARY KEY AUTOINCREMENT, job TEXT NOT NULL REFERENCES jobs(id) ON DELETE CASCADE,
            kind TEXT NOT NULL, data TEXT NOT NULL, created REAL NOT NULL
        )""",
        "CREATE INDEX events_of_job ON events (job, id)",
        """CREATE TABLE previews (
            job TEXT NOT NULL REFERENCES jobs(id) ON DELETE CASCADE, slot INTEGER NOT NULL, png BLOB NOT NULL,
            PRIMARY KEY (job, slot)
        )""",
    ),
)


class Store:
    """A connection to the studio's database, safe to share between the threads of one process."""

    def __init__(self, home: Path, *, migrations: tuple[tuple[str, ...], ...] = MIGRATIONS) -> None:
        self.home = home
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(
            home / "studio.db", timeout=30, isolation_level=None, check_same_thread=False
        )
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.execute("PRAGMA foreign_keys = ON")
        self._migrate(migrations)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Write in one step: all of it on success, none of it when the body raises. Nested calls join the outer one."""
        with self._lock:
            if self._connection.in_transaction:
                yield self._connection
                return
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def rows(self, query: str, *values: object) -> list[sqlite3.Row]:
        """Read all rows of a query."""
        with self._lock:
            return self._connection.execute(query, values).fetchall()

    def row(self, query: str, *values: object) -> sqlite3.Row | None:
        """Read the first row of a query."""
        with self._lock:
            found: sqlite3.Row | None = self._connection.execute(query, values).fetchone()
            return found

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def _migrate(self, migrations: tuple[tuple[str, ...], ...]) -> None:
        with self.transaction() as database:
            version = int(database.execute("PRAGMA user_version").fetchone()[0])
            if version > len(migrations):
                raise StudioError(
                    f"The studio's database has schema {version}, this program knows up to {len(migrations)}. "
                    "Update the program, or point STUDIO_HOME to another folder."
                )
            for number, statements in enumerate(migrations[version:], start=version + 1):
                for statement in statements:
                    database.execute(statement)
                database.execute(f"PRAGMA user_version = {number}")

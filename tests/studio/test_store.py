"""The database: its schema, migrations of older files, transactions."""

import sqlite3
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, create_engine, insert, select
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.schema import CreateTable

from studio import migrations, schema
from studio.conversation.history import History
from studio.errors import StudioError
from studio.jobs.queue import JobQueue
from studio.library.library import Library
from studio.media_store import MediaStore
from studio.store import FILE_NAME, REVISION, Store

# The statements of the program before alembic, as they stood.
OLD_STATEMENTS = (
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
    "PRAGMA user_version = 1",
)
OLD_ROWS = (
    "INSERT INTO conversations VALUES ('c', 'A bell', 'tiny', 1.5, 2.5)",
    "INSERT INTO messages VALUES (7, 'c', 'user', '[{\"type\": \"text\", \"text\": \"A bell\"}]', 'j', 2.0)",
    "INSERT INTO media VALUES ('m', 'image', 'h', '.png', 12, 3.0)",
    "INSERT INTO recipes VALUES ('m', '{}', 3.0)",
    "INSERT INTO jobs VALUES (4, 'j', 'chat', '{}', 'done', 1, 0, NULL, NULL, '{\"total\": 2}', NULL, 1.0, 2.0)",
    "INSERT INTO events VALUES (9, 'j', 'text', '{}', 1.0)",
    "INSERT INTO previews VALUES ('j', 0, x'89')",
)


# Rows that every revision takes.
FIRST_ROWS = (
    ("conversations", "id, title, preset, created, updated", "'c', 'A bell', 'tiny', 1.5, 2.5"),
    ("media", "id, modality, content_hash, suffix, num_bytes, created", "'ab', 'image', 'h', '.png', 12, 3.0"),
    (
        "jobs",
        "position, id, kind, payload, state, result, created",
        "4, 'j', 'chat', '{}', 'done', '{\"total\": 2}', 1.0",
    ),
)


@pytest.fixture
def old_rows(tmp_path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Make a file as the program before alembic did, and return what it holds."""
    database = sqlite3.connect(tmp_path / FILE_NAME)
    database.execute("PRAGMA journal_mode = WAL")
    for statement in (*OLD_STATEMENTS, *OLD_ROWS):
        database.execute(statement)
    database.commit()
    tables = ("conversations", "messages", "media", "recipes", "jobs", "events", "previews")
    rows = {table: database.execute(f"SELECT * FROM {table}").fetchall() for table in tables}
    database.close()
    return rows


@pytest.fixture
def later(tmp_path: Path) -> Path:
    """A folder of revisions with one more than there is."""
    folder = tmp_path / "versions"
    folder.mkdir()
    for revision in migrations.VERSIONS.glob("v*.py"):
        (folder / revision.name).write_text(revision.read_text())
    return folder


def add_revision(folder: Path, *statements: str) -> None:
    body = "\n".join(f"    op.execute({statement!r})" for statement in statements)
    (folder / "later.py").write_text(
        f"from alembic import op\nrevision = 'later'\ndown_revision = {REVISION!r}\ndef upgrade():\n{body}\n"
    )


def test_a_new_database_is_in_wal_mode_at_the_newest_revision(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.rows("PRAGMA journal_mode") == [{"journal_mode": "wal"}]
    assert store.rows("SELECT version_num FROM alembic_version") == [{"version_num": migrations.newest()}]
    assert migrations.newest() == REVISION


def test_the_migrations_make_the_tables_that_the_schema_names(tmp_path: Path) -> None:
    def is_ours(name: str | None, kind: str, parents: object) -> bool:
        return kind != "table" or name in schema.metadata.tables

    connection: Connection = Store(tmp_path)._connection
    options = {"include_name": is_ours, "compare_type": True, "compare_server_default": True}
    context = MigrationContext.configure(connection, opts=options)
    assert compare_metadata(context, schema.metadata) == []


def test_the_schema_can_be_made_by_postgresql() -> None:
    from sqlalchemy.dialects import postgresql

    made = [str(CreateTable(table).compile(dialect=postgresql.dialect())) for table in schema.metadata.tables.values()]
    assert len(made) == len(schema.metadata.tables)
    assert any("DOUBLE PRECISION" in statement for statement in made)


def test_a_file_made_before_alembic_opens_and_keeps_every_row(
    tmp_path: Path, old_rows: dict[str, list[tuple[object, ...]]]
) -> None:
    Store(tmp_path).close()
    store = Store(tmp_path)
    for table, before in old_rows.items():
        after = [tuple(row.values())[: len(before[0])] for row in store.rows(f"SELECT * FROM {table}")]
        assert after == before, table
    assert store.rows("SELECT is_stored FROM media") == [{"is_stored": 1}]
    assert History(store).messages("c")[0].content == [{"type": "text", "text": "A bell"}]
    assert JobQueue(store).get("j").result == {"total": 2}
    JobQueue(store).submit("chat", {})
    History(store).delete("c")
    assert store.rows("SELECT * FROM messages") == []


@pytest.mark.parametrize("revision", [migrations.FIRST, "0002", "0003", "0004", "0005"])
def test_a_file_of_an_earlier_revision_is_brought_up_and_its_newest_columns_are_read_and_written(
    tmp_path: Path, revision: str
) -> None:
    """The file is made by the migrations themselves, as far as they went then, and filled by statements of the first."""
    early = tmp_path / "early"
    early.mkdir()
    for script in migrations.VERSIONS.glob("v*.py"):
        if script.name[1:5] <= revision:
            (early / script.name).write_text(script.read_text())
    engine = create_engine(f"sqlite:///{tmp_path / FILE_NAME}")
    with engine.begin() as connection:
        migrations.upgrade(connection, None, versions=early)
        for table, columns, row in FIRST_ROWS:
            connection.exec_driver_sql(f"INSERT INTO {table} ({columns}) VALUES ({row})")
        assert connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one() == revision
    engine.dispose()

    store = Store(tmp_path)
    assert store.rows("SELECT version_num FROM alembic_version") == [{"version_num": REVISION}]
    done = JobQueue(store).get("j")
    assert (done.result, done.priority, done.retries, done.meant_for, done.is_confined) == (
        {"total": 2},
        1,
        0,
        None,
        False,
    )
    again = JobQueue(store, is_confined=True).submit("chat", {}, worker="1")
    assert (again.meant_for, again.is_confined) == ("1", True)
    assert JobQueue(store, worker="0").claim() is None, "it is meant for another"
    lease = JobQueue(store, worker="1").claim()
    assert lease is not None and lease.job.id == again.id
    assert Library(store).get("ab").is_starred is False
    Library(store).star("ab")
    assert Library(store).get("ab").is_starred is True
    assert store.rows("SELECT is_stored, width, seconds, look, compared FROM media") == [
        {"is_stored": 1, "width": None, "seconds": None, "look": None, "compared": None}
    ]
    assert store.rows("PRAGMA foreign_key_check") == []


def test_the_program_before_alembic_would_refuse_what_this_one_wrote(tmp_path: Path) -> None:
    Store(tmp_path).close()
    database = sqlite3.connect(tmp_path / FILE_NAME)
    assert database.execute("PRAGMA user_version").fetchone()[0] > 1
    database.close()


def test_an_older_database_is_brought_up_and_keeps_its_rows(tmp_path: Path, later: Path) -> None:
    store = Store(tmp_path)
    conversation = History(store).create("tiny").id
    store.close()
    add_revision(later, "ALTER TABLE conversations ADD COLUMN done INTEGER DEFAULT 0")
    store = Store(tmp_path, versions=later)
    assert store.rows("SELECT id, done FROM conversations") == [{"id": conversation, "done": 0}]


def test_a_newer_database_is_refused_with_advice(tmp_path: Path, later: Path) -> None:
    add_revision(later, "CREATE TABLE later (x INTEGER)")
    Store(tmp_path, versions=later).close()
    with pytest.raises(StudioError, match="Update the program"):
        Store(tmp_path)


def test_a_migration_that_breaks_leaves_the_database_as_it_was(tmp_path: Path, later: Path) -> None:
    Store(tmp_path).close()
    add_revision(later, "CREATE TABLE half (x INTEGER)", "this is not SQL")
    with pytest.raises(OperationalError):
        Store(tmp_path, versions=later)
    store = Store(tmp_path)
    assert store.row("SELECT 1 FROM sqlite_master WHERE name = 'half'") is None
    assert store.rows("SELECT version_num FROM alembic_version") == [{"version_num": REVISION}]


def test_a_transaction_that_raises_writes_nothing_and_nested_ones_join_it(tmp_path: Path) -> None:
    store = Store(tmp_path)

    def write_and_fail() -> None:
        with store.transaction():
            with store.transaction() as database:
                database.execute("INSERT INTO conversations VALUES ('a', 't', 'tiny', 0, 0)")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_and_fail()
    assert store.rows("SELECT * FROM conversations") == []


def test_statements_of_sqlalchemy_join_a_transaction_too(tmp_path: Path) -> None:
    store = Store(tmp_path)
    rows = [{"id": name, "title": name, "preset": "tiny", "created": 0.0, "updated": 0.0} for name in "ab"]
    with store.transaction() as database:
        assert database.execute(insert(schema.conversations), rows).rowcount == 2
        database.execute("DELETE FROM conversations WHERE id = ?", ("a",))
    assert [row["id"] for row in store.rows(select(schema.conversations))] == ["b"]


def test_another_connection_reads_while_one_writes_and_sees_only_what_was_committed(tmp_path: Path) -> None:
    writer, reader = Store(tmp_path), Store(tmp_path)
    with writer.transaction() as database:
        database.execute("INSERT INTO conversations VALUES ('a', 't', 'tiny', 0, 0)")
        assert reader.rows("SELECT * FROM conversations") == []
    assert len(reader.rows("SELECT * FROM conversations")) == 1


def test_the_mark_changes_when_anybody_writes_and_stays_otherwise(tmp_path: Path) -> None:
    store, other = Store(tmp_path), Store(tmp_path)
    first = store.mark()
    assert store.mark() == first
    History(other).create("tiny")
    second = store.mark()
    assert second != first
    History(store).create("tiny")
    assert store.mark() != second


def test_foreign_keys_are_enforced(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(IntegrityError), store.transaction() as database:
        database.execute("INSERT INTO recipes VALUES ('nothing', '{}', 0)")


def test_a_database_that_cannot_be_reached_is_named_without_its_address(tmp_path: Path) -> None:
    with pytest.raises(StudioError, match="STUDIO_DATABASE") as raised:
        Store(tmp_path, address="postgresql+nonesuch://me:secret@127.0.0.1:1/studio")
    assert "secret" not in str(raised.value)


def test_a_medium_left_in_place_is_reached_by_its_id_while_it_has_not_changed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    media, media_id, own = MediaStore(store), "0" * 64, tmp_path / "own.png"
    own.write_bytes(b"1234")
    with store.transaction() as database:
        database.execute(
            "INSERT INTO media (id, modality, content_hash, suffix, num_bytes, created, is_stored) "
            "VALUES (?, 'image', 'h', '.png', 4, 0, ?)",
            (media_id, False),
        )
        database.execute("INSERT INTO files VALUES (?, ?, 4, 0, 0)", (str(own), media_id))
    assert media.path(media_id) == own
    own.write_bytes(b"another")
    with pytest.raises(StudioError, match="missing"):
        media.path(media_id)

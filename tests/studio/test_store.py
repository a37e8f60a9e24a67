"""The database: migrations, transactions."""

import sqlite3
from pathlib import Path

import pytest

from studio.errors import StudioError
from studio.store import MIGRATIONS, Store


def test_a_new_database_is_in_wal_mode_at_the_newest_version(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.rows("PRAGMA journal_mode")[0][0] == "wal"
    assert store.rows("PRAGMA user_version")[0][0] == len(MIGRATIONS)


def test_an_older_database_is_brought_up_and_keeps_its_rows(tmp_path: Path) -> None:
    first = ("CREATE TABLE notes (text TEXT)",)
    store = Store(tmp_path, migrations=(first,))
    with store.transaction() as database:
        database.execute("INSERT INTO notes VALUES ('kept')")
    store.close()
    store = Store(tmp_path, migrations=(first, ("ALTER TABLE notes ADD COLUMN done INTEGER DEFAULT 0",)))
    assert [tuple(row) for row in store.rows("SELECT * FROM notes")] == [("kept", 0)]


def test_a_newer_database_is_refused_with_advice(tmp_path: Path) -> None:
    Store(tmp_path, migrations=(*MIGRATIONS, ("CREATE TABLE later (x)",))).close()
    with pytest.raises(StudioError, match="Update the program"):
        Store(tmp_path)


def test_a_migration_that_breaks_leaves_the_database_as_it_was(tmp_path: Path) -> None:
    Store(tmp_path).close()
    with pytest.raises(sqlite3.OperationalError):
        Store(tmp_path, migrations=(*MIGRATIONS, ("CREATE TABLE half (x)", "this is not SQL")))
    store = Store(tmp_path)
    assert store.row("SELECT 1 FROM sqlite_master WHERE name = 'half'") is None


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

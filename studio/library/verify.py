"""Check a library against itself: the database, the files it names, the words and the indexes it is searched by."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.exc import DatabaseError

from studio.library.library import Library
from studio.media_store import MediaStore

ITEMS_AT_ONCE = 1000


@dataclass(frozen=True)
class Problem:
    """Something that is not as it should be: `kind` "damaged", "missing" or "changed", and what to do about it."""

    kind: str
    text: str
    media: str | None = None


def verify(library: Library, *, reads_bytes: bool = False) -> Iterator[Problem]:
    """Yield what is wrong; with `reads_bytes` every file is also read whole and compared with its id."""
    yield from _database(library)
    last = ""
    while rows := library.store.rows(
        "SELECT id, is_stored FROM media WHERE id > ? ORDER BY id LIMIT ?", last, ITEMS_AT_ONCE
    ):
        for row in rows:
            last = row["id"]
            yield from _files(library, row["id"], is_stored=bool(row["is_stored"]), reads_bytes=reads_bytes)


def _database(library: Library) -> Iterator[Problem]:
    if library.store.dialect != "sqlite":
        return
    for row in library.store.rows("PRAGMA integrity_check"):
        if row["integrity_check"] != "ok":
            yield Problem("damaged", f"The database is damaged: {row['integrity_check']}. Restore a copy of it.")
    for row in library.store.rows("PRAGMA foreign_key_check"):
        yield Problem("damaged", f"A row of {row['table']} belongs to nothing in {row['parent']}. Restore a copy.")
    try:
        with library.store.transaction() as database:
            database.execute("INSERT INTO texts_found (texts_found, rank) VALUES ('integrity-check', 1)")
    except DatabaseError:
        yield Problem("damaged", "The words are not all found. Mend it with: studio library verify --mend")


def mend_words(library: Library) -> None:
    """Build the full-text search anew from the texts."""
    if library.store.dialect == "sqlite":
        with library.store.transaction() as database:
            database.execute("INSERT INTO texts_found (texts_found) VALUES ('rebuild')")


def _files(library: Library, media_id: str, *, is_stored: bool, reads_bytes: bool) -> Iterator[Problem]:
    paths = [Path(path) for path in library.paths(media_id)]
    if is_stored:
        paths.append(MediaStore(library.store).stored_path(media_id))
    there = [path for path in paths if path.is_file()]
    for path in paths:
        if path not in there:
            advice = (
                "Restore the media folder" if is_stored else f"Forget it with: studio library remove {media_id[:12]}"
            )
            yield Problem("missing", f"{path} is not there. {advice}.", media_id)
    for path in there if reads_bytes else ():
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != media_id:
                yield Problem("changed", f"{path} has changed. Look at it again with: studio library add", media_id)

"""Take files into the library: read ahead in limited processes, embedded here, each written down in one transaction."""

import json
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from studio.errors import StudioError
from studio.library.encoders import Embedder, embed_pieces, register
from studio.library.ingest_files import (
    Entry,
    NotMedia,
    Read,
    ReadMedia,
    Unfinished,
    Unreadable,
    hash_entry,
    read_entry,
    walk,
)
from studio.library.library import Library
from studio.library.vectors import EncoderRecord, Piece
from studio.store import Row, Transaction

if TYPE_CHECKING:
    from encoders.media import Media

NUM_READERS = 2
AHEAD = 4  # files read or being read before they are embedded: what bounds the memory
ADDED, KNOWN, REFUSED, IGNORED, LATER = "added", "known", "refused", "ignored", "later"
MAKE_UP_AT_ONCE = 100

Indexed: TypeAlias = Sequence[tuple[Embedder, EncoderRecord]]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """What became of a file, told once it is written down.

    "added", "known" (nothing new to write), "refused" (`reason` says why), "ignored" (no medium), "later" (it is still
    being written: it will be taken when it is looked at again).
    """

    path: Path
    state: str
    media: str | None = None
    reason: str | None = None


def ingest(
    library: Library,
    entries: Iterable[Entry],
    embedders: Sequence[Embedder],
    *,
    read: ReadMedia | None = None,
    num_readers: int = NUM_READERS,
) -> Iterator[Outcome]:
    """Yield an outcome for every file, in their order. What was yielded is kept, whatever happens next.

    `read` decodes a file, by default in the limited child process of `encoders.files`.
    """
    reader = _Reader(library, register(library.vectors, embedders), read or _read_media)
    waiting: deque[tuple[Entry, Future[Outcome | Read]]] = deque()
    with ThreadPoolExecutor(num_readers, thread_name_prefix="ingest") as pool:
        try:
            for entry in entries:
                waiting.append((entry, pool.submit(reader.look_at, entry)))
                if len(waiting) >= AHEAD:
                    yield reader.finish(*waiting.popleft())
            while waiting:
                yield reader.finish(*waiting.popleft())
        finally:
            for _, future in waiting:
                future.cancel()


def ingest_folder(
    library: Library, folder: Path, embedders: Sequence[Embedder], *, read: ReadMedia | None = None
) -> Iterator[Outcome]:
    """Take in the files below a folder, which need not be the first time; see `ingest`."""
    return ingest(library, walk(folder.resolve(), without=library.store.home), embedders, read=read)


def watch(
    library: Library,
    folders: Sequence[Path],
    embedders: Sequence[Embedder],
    *,
    wait: Callable[[], bool],
    read: ReadMedia | None = None,
) -> Iterator[Outcome]:
    """Take in folders, then what is new or changed, after each `wait`, until that returns False."""
    seen: dict[Path, Entry] = {}
    while True:
        found = {
            entry.path: entry for folder in folders for entry in walk(folder.resolve(), without=library.store.home)
        }
        changed = [entry for path, entry in found.items() if seen.get(path) != entry]
        seen = found
        for outcome in ingest(library, changed, embedders, read=read):
            if outcome.state == LATER:
                seen.pop(outcome.path, None)
            if outcome.state != KNOWN:
                yield outcome
        if changed:
            settle(library, embedders)
        if not wait():
            return


def make_up(library: Library, embedders: Sequence[Embedder], *, read: ReadMedia | None = None) -> Iterator[Outcome]:
    """Index media that lack a thumbnail or a vector: what the studio made, and all of them for a new encoder.

    An encoder that was being filled answers in the place of its predecessor afterwards.
    """
    indexed = register(library.vectors, embedders)
    reader = _Reader(library, indexed, read or _read_media)
    last = ""
    while rows := _incomplete(library, indexed, after=last):
        for row in rows:
            last = row["id"]
            yield reader.make_up(row)
    for _, record in indexed:
        if not record.is_ready:
            library.vectors.switch(record)
    settle(library, embedders)


def picture(library: Library, media: Iterable[str], *, read: ReadMedia | None = None) -> list[Outcome]:
    """Picture media that the library holds and that lack a thumbnail, at once and without any encoder."""
    reader = _Reader(library, (), read or _read_media)
    query = "SELECT * FROM media WHERE id = ? AND id NOT IN (SELECT media FROM thumbnails)"
    rows = [library.store.row(query, media_id) for media_id in dict.fromkeys(media)]
    return [reader.make_up(row) for row in rows if row is not None]


def settle(library: Library, embedders: Sequence[Embedder]) -> None:
    """Write the indexes, after much was added."""
    for _, record in register(library.vectors, embedders):
        library.vectors.settle(record)


class _Reader:
    """The steps of one file; `look_at` runs in the readers' threads, `finish` where the models are."""

    def __init__(self, library: Library, indexed: Indexed, read: ReadMedia) -> None:
        self.library = library
        self.indexed = indexed
        self.read = read

    def look_at(self, entry: Entry) -> Outcome | Read:
        try:
            str(entry.path).encode()
        except UnicodeEncodeError:
            return Outcome(entry.path, REFUSED, reason="The file's name is not valid text. Rename it.")
        known = self._known(entry)
        if known is not None:
            return known
        try:
            media_id = hash_entry(entry)
            if self._is_complete(media_id):
                self._record_file(entry, media_id)
                return Outcome(entry.path, KNOWN, media_id)
            return read_entry(entry, media_id, self.read)
        except NotMedia:
            return Outcome(entry.path, IGNORED)
        except Unfinished:
            return Outcome(entry.path, LATER, reason="The file is still being written.")
        except Unreadable as error:
            return self._refuse(entry, str(error))

    def finish(self, entry: Entry, future: "Future[Outcome | Read]") -> Outcome:
        found = future.result()
        if isinstance(found, Outcome):
            return found
        try:
            pieces = self._embed(found.media, self.indexed)
        except Exception as error:  # whatever an encoder makes of an odd file: it is named, and the others go on
            logger.exception("%s cannot be embedded", entry.path)
            reason = f"'{entry.path.name}' cannot be understood by an encoder ({type(error).__name__})."
            return self._refuse(entry, reason)
        with self.library.store.transaction() as database:
            _record_media(database, found, suffix=entry.path.suffix.lower(), num_bytes=entry.num_bytes)
            self._record_file(entry, found.media_id)
            self.library.texts.add(found.media_id, "name", entry.path.stem, source="file")
            for record, parts in pieces:
                self.library.vectors.put(found.media_id, record, parts)
        return Outcome(entry.path, ADDED, found.media_id)

    def make_up(self, row: Row) -> Outcome:
        """Complete a medium that is in the library already."""
        media_id = row["id"]
        path = Path(media_id + row["suffix"])
        try:
            path = self.library.path(media_id)
            status = path.stat()
            read = read_entry(Entry(path, status.st_size, status.st_mtime_ns), media_id, self.read)
            lacking = [
                (embedder, record)
                for embedder, record in self.indexed
                if self.library.vectors.of(media_id, record) is None
            ]
            pieces = self._embed(read.media, lacking)
        except (StudioError, Unreadable) as error:
            return Outcome(path, REFUSED, media_id, str(error))
        except Unfinished:
            return Outcome(path, LATER, media_id)
        except Exception as error:  # as in `finish`
            logger.exception("%s cannot be indexed", path)
            return Outcome(path, REFUSED, media_id, f"'{path.name}' cannot be indexed ({type(error).__name__}).")
        with self.library.store.transaction() as database:
            _record_media(database, read, suffix=row["suffix"], num_bytes=row["num_bytes"])
            prompt = _prompt(database, media_id)
            if prompt:
                self.library.texts.add(media_id, "prompt", prompt, source="recipe")
            for record, parts in pieces:
                self.library.vectors.put(media_id, record, parts)
        return Outcome(path, ADDED, media_id)

    def _embed(self, media: "Media", indexed: Indexed) -> list[tuple[EncoderRecord, Sequence[Piece]]]:
        return [
            (record, embed_pieces(embedder, media))
            for embedder, record in indexed
            if media.modality.value in embedder.modalities
        ]

    def _known(self, entry: Entry) -> Outcome | None:
        """Return what became of a file that has not changed since, if that was the end of it."""
        stamp = (str(entry.path), entry.num_bytes, entry.modified_ns)
        same = "path = ? AND num_bytes = ? AND modified_ns = ?"
        row = self.library.store.row(f"SELECT media FROM files WHERE {same}", *stamp)
        if row is not None:
            return Outcome(entry.path, KNOWN, row["media"]) if self._is_complete(row["media"]) else None
        row = self.library.store.row(f"SELECT reason FROM refused_files WHERE {same}", *stamp)
        return None if row is None else Outcome(entry.path, REFUSED, reason=row["reason"])

    def _is_complete(self, media_id: str) -> bool:
        query = "SELECT modality FROM media JOIN thumbnails ON thumbnails.media = media.id WHERE media.id = ?"
        row = self.library.store.row(query, media_id)
        return row is not None and all(
            self.library.vectors.of(media_id, record) is not None
            for embedder, record in self.indexed
            if row["modality"] in embedder.modalities
        )

    def _record_file(self, entry: Entry, media_id: str) -> None:
        """Note where a medium lies; what lay there before and lies nowhere else now is forgotten."""
        path = str(entry.path)
        with self.library.store.transaction() as database:
            before = database.execute("SELECT media FROM files WHERE path = ?", (path,)).fetchone()
            database.execute(
                "INSERT INTO files VALUES (?, ?, ?, ?, ?) ON CONFLICT (path) DO UPDATE SET media = excluded.media, "
                "num_bytes = excluded.num_bytes, modified_ns = excluded.modified_ns",
                (path, media_id, entry.num_bytes, entry.modified_ns, time.time()),
            )
            database.execute("DELETE FROM refused_files WHERE path = ?", (path,))
            if before is not None and before["media"] != media_id:
                database.execute(
                    "DELETE FROM media WHERE id = ? AND is_stored = ? "
                    "AND NOT EXISTS (SELECT 1 FROM files WHERE files.media = media.id)",
                    (before["media"], False),
                )

    def _refuse(self, entry: Entry, reason: str) -> Outcome:
        with self.library.store.transaction() as database:
            database.execute(
                "INSERT INTO refused_files VALUES (?, ?, ?, ?) ON CONFLICT (path) DO UPDATE SET "
                "num_bytes = excluded.num_bytes, modified_ns = excluded.modified_ns, reason = excluded.reason",
                (str(entry.path), entry.num_bytes, entry.modified_ns, reason),
            )
        return Outcome(entry.path, REFUSED, reason=reason)


def _record_media(database: Transaction, read: Read, *, suffix: str, num_bytes: int) -> None:
    from encoders.media import Audio, Image, Video

    media = read.media
    pixels = media.pixels if isinstance(media, Image) else media.frames if isinstance(media, Video) else None
    height, width = (None, None) if pixels is None else pixels.shape[-2:]
    seconds = media.seconds if isinstance(media, Audio | Video) else None
    database.execute(
        "INSERT INTO media (id, modality, content_hash, suffix, num_bytes, created, is_stored, width, height, seconds, "
        "look) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET width = excluded.width, "
        "height = excluded.height, seconds = excluded.seconds, look = excluded.look",
        (
            read.media_id, media.modality.value, media.content_hash, suffix, num_bytes, time.time(), False,
            width, height, seconds, read.look,
        ),
    )  # fmt: skip
    database.execute(
        "INSERT INTO thumbnails VALUES (?, ?) ON CONFLICT (media) DO UPDATE SET webp = excluded.webp",
        (read.media_id, read.webp),
    )


def _incomplete(library: Library, indexed: Indexed, *, after: str) -> Sequence[Row]:
    lacks = ["id NOT IN (SELECT media FROM thumbnails)"]
    values: list[object] = [after]
    for embedder, record in indexed:
        modalities = sorted(embedder.modalities)
        lacks.append(
            f"(modality IN ({', '.join('?' * len(modalities))}) "
            "AND NOT EXISTS (SELECT 1 FROM vectors WHERE vectors.media = media.id AND vectors.encoder = ?))"
        )
        values += [*modalities, record.id]
    query = f"SELECT * FROM media WHERE id > ? AND ({' OR '.join(lacks)}) ORDER BY id LIMIT ?"
    return library.store.rows(query, *values, MAKE_UP_AT_ONCE)


def _prompt(database: Transaction, media_id: str) -> str:
    """Return the words with which a person asked for a medium."""
    row = database.execute("SELECT recipe FROM recipes WHERE media = ?", (media_id,)).fetchone()
    if row is None:
        return ""
    messages = json.loads(row["recipe"]).get("messages") or [{"content": []}]
    return " ".join(part["text"] for part in messages[-1]["content"] if part["type"] == "text")


def _read_media(path: Path) -> "Media":
    from encoders.files import read_media

    return read_media(path)

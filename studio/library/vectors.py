"""The library's vectors: kept in the database, searched through an index that follows it at every question."""

import hashlib
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt
from sqlalchemy import Select, select

from studio.errors import StudioError
from studio.library.vector_index import EXACT_ROWS, ExactIndex, GraphIndex, Ids, VectorIndex
from studio.library.vector_index_file import read_header, read_index, remove_index, write_index
from studio.schema import vectors
from studio.store import Row, Store

if TYPE_CHECKING:
    Allowed: TypeAlias = Select[Any] | Iterable[str]

FOLDER = "index"
ROWS_AT_ONCE = 10_000
WRITE_AFTER_ROWS = 2_000  # an index is written again once so many rows came or went


@dataclass(frozen=True)
class EncoderRecord:
    """An encoder that media are indexed with; `source` is what loads it again (`studio.library.encoders.load_embedder`)."""

    id: int
    name: str
    fingerprint: str
    width: int
    modalities: tuple[str, ...]
    source: str
    is_ready: bool


@dataclass(frozen=True)
class Piece:
    """A vector of a medium, (width,), of unit norm: of the whole, or of a window from `start` to `stop` in seconds."""

    vector: npt.NDArray[np.float32]
    start: float | None = None
    stop: float | None = None


@dataclass(frozen=True)
class Hit:
    """A medium near a query: the cosine of its nearest piece, and which seconds that piece is, if not the whole."""

    media: str
    score: float
    start: float | None
    stop: float | None


class Vectors:
    """The vectors of one library, of any number of encoders side by side."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._lock = threading.RLock()
        self._indexes: dict[int, VectorIndex] = {}
        self._marks: dict[int, object] = {}

    def encoders(self) -> list[EncoderRecord]:
        """Return every encoder: for each name the one that answers first, then the one being filled."""
        rows = self.store.rows("SELECT * FROM encoders ORDER BY name, is_ready DESC, id DESC")
        return [_encoder(row) for row in rows]

    def encoder(self, name: str) -> EncoderRecord:
        """Return the encoder of that name that answers. Raises StudioError if there is none."""
        for record in self.encoders():
            if record.name == name and record.is_ready:
                return record
        known = ", ".join(sorted({record.name for record in self.encoders()})) or "none yet"
        raise StudioError(
            f"Nothing is indexed with the encoder {name!r}; there is: {known}. Index with: studio library add FOLDER."
        )

    def register(
        self, name: str, *, fingerprint: str, width: int, modalities: Iterable[str], source: str
    ) -> EncoderRecord:
        """Return the record of an encoder, new or known. The first of its name answers at once; a later one once `switch`."""
        with self.store.transaction() as database:
            is_first = database.execute("SELECT 1 FROM encoders WHERE name = ?", (name,)).fetchone() is None
            database.execute(
                "INSERT INTO encoders (name, fingerprint, width, modalities, source, is_ready) "
                "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (name, fingerprint) DO UPDATE SET source = excluded.source",
                (name, fingerprint, width, " ".join(sorted(modalities)), source, is_first),
            )
            query = "SELECT * FROM encoders WHERE name = ? AND fingerprint = ?"
            row = database.execute(query, (name, fingerprint)).fetchone()
        assert row is not None
        return _encoder(row)

    def switch(self, encoder: EncoderRecord) -> None:
        """Let an encoder answer from now on, and forget the others of its name with their vectors."""
        with self.store.transaction() as database:
            database.execute("UPDATE encoders SET is_ready = ? WHERE id = ?", (True, encoder.id))
            others = database.execute(
                "SELECT * FROM encoders WHERE name = ? AND id <> ?", (encoder.name, encoder.id)
            ).fetchall()
            database.execute("DELETE FROM encoders WHERE name = ? AND id <> ?", (encoder.name, encoder.id))
        with self._lock:
            for row in others:
                self._indexes.pop(row["id"], None)
                remove_index(self._path(_encoder(row)))

    def put(self, media: str, encoder: EncoderRecord, pieces: Sequence[Piece]) -> None:
        """Set the vectors of a medium; the first piece is the whole. Inside a transaction it becomes part of that."""
        rows = [
            {
                "encoder": encoder.id,
                "media": media,
                "piece": number,
                "start": piece.start,
                "stop": piece.stop,
                "vector": np.asarray(piece.vector).astype("<f2").tobytes(),
            }
            for number, piece in enumerate(pieces)
        ]
        assert all(piece.vector.shape == (encoder.width,) for piece in pieces)
        with self.store.transaction() as database:
            database.execute("DELETE FROM vectors WHERE media = ? AND encoder = ?", (media, encoder.id))
            database.execute(vectors.insert(), rows)

    def of(self, media: str, encoder: EncoderRecord) -> npt.NDArray[np.float32] | None:
        """Return the vector of a whole medium, (width,), or None."""
        row = self.store.row(
            "SELECT vector FROM vectors WHERE media = ? AND encoder = ? AND piece = 0", media, encoder.id
        )
        return None if row is None else np.frombuffer(row["vector"], "<f2").astype(np.float32)

    def count(self, encoder: EncoderRecord) -> int:
        row = self.store.row("SELECT COUNT(*) AS number FROM vectors WHERE encoder = ?", encoder.id)
        assert row is not None
        return int(row["number"])

    def nearest(
        self, vector: npt.NDArray[np.floating], encoder: EncoderRecord, k: int, allowed: "Allowed | None" = None
    ) -> list[Hit]:
        """Return the `k` media nearest to a unit vector (width,), best first, by their nearest piece.

        `allowed` are the ids of the media that may be found, or a `select` of one column of them.
        """
        index = self.index(encoder)
        ids = None if allowed is None else self._ids_of(allowed, encoder)
        total = len(index.ids if ids is None else ids)
        wanted = k
        while True:
            hits = self._hits(*index.nearest(vector, wanted, ids))
            if len(hits) >= k or wanted >= total:
                return hits[:k]
            wanted = min(total, 4 * wanted)  # several pieces of one medium, or rows just deleted, took the places

    def index(self, encoder: EncoderRecord) -> VectorIndex:
        """Return the index of an encoder as the database stands now."""
        with self._lock:
            mark = self.store.mark()
            index = self._indexes.get(encoder.id)
            if index is None:
                index = self._read(encoder) or ExactIndex(encoder.width)
            elif self._marks[encoder.id] == mark:
                return index
            self._indexes[encoder.id] = index = self._follow(index, encoder)
            self._marks[encoder.id] = mark
            return index

    def settle(self, encoder: EncoderRecord) -> None:
        """Bring the index and its file up to date, as a graph where there are many rows; for the end of long work."""
        with self._lock:
            index = self.index(encoder)
            if isinstance(index, ExactIndex) and len(index.ids) > EXACT_ROWS:
                graph = GraphIndex(encoder.width)
                for start in range(0, len(index.ids), ROWS_AT_ONCE):
                    part = slice(start, start + ROWS_AT_ONCE)
                    graph.add(index.ids[part], index.vectors[part])
                self._indexes[encoder.id] = index = graph
            self._write(index, encoder)

    def rebuild(self, encoder: EncoderRecord) -> None:
        """Make the index and its file anew from the database."""
        with self._lock:
            self._indexes.pop(encoder.id, None)
            remove_index(self._path(encoder))
            self.settle(encoder)

    def _follow(self, index: VectorIndex, encoder: EncoderRecord) -> VectorIndex:
        """Take in what the database gained and drop what it lost. Ids only grow, so their number and the largest tell."""
        before = len(index.ids)
        count, largest = self._extent(encoder)
        if (len(index.ids), _largest(index)) == (count, largest):
            return index
        added = self._add_new(index, encoder)
        if len(index.ids) != count:
            ids = self._all_ids(encoder)
            index.remove(np.setdiff1d(index.ids, ids, assume_unique=True))
            if len(np.setdiff1d(ids[ids <= _largest(index)], index.ids, assume_unique=True)):
                index = ExactIndex(encoder.width)
                added = self._add_new(index, encoder)
        if added + abs(before - len(index.ids)) >= WRITE_AFTER_ROWS:
            self._write(index, encoder)
        return index

    def _add_new(self, index: VectorIndex, encoder: EncoderRecord) -> int:
        query = "SELECT id, vector FROM vectors WHERE encoder = ? AND id > ? ORDER BY id LIMIT ?"
        before = len(index.ids)
        while rows := self.store.rows(query, encoder.id, _largest(index), ROWS_AT_ONCE):
            ids = np.array([row["id"] for row in rows], np.int64)
            values = np.frombuffer(b"".join(row["vector"] for row in rows), "<f2").astype(np.float16, copy=False)
            index.add(ids, values.reshape(len(rows), encoder.width))
        return len(index.ids) - before

    def _extent(self, encoder: EncoderRecord) -> tuple[int, int]:
        row = self.store.row("SELECT COUNT(*) AS number, MAX(id) AS largest FROM vectors WHERE encoder = ?", encoder.id)
        assert row is not None
        return int(row["number"]), int(row["largest"] or 0)

    def _all_ids(self, encoder: EncoderRecord) -> Ids:
        rows = self.store.rows("SELECT id FROM vectors WHERE encoder = ? ORDER BY id", encoder.id)
        return np.array([row["id"] for row in rows], np.int64)

    def _ids_of(self, allowed: "Allowed", encoder: EncoderRecord) -> Ids:
        query = select(vectors.c.id).where(vectors.c.encoder == encoder.id)
        if isinstance(allowed, Select):
            rows = list(self.store.rows(query.where(vectors.c.media.in_(allowed))))
        else:
            media = list(allowed)
            rows = []
            for start in range(0, len(media), ROWS_AT_ONCE):
                rows += self.store.rows(query.where(vectors.c.media.in_(media[start : start + ROWS_AT_ONCE])))
        return np.sort(np.array([row["id"] for row in rows], np.int64))

    def _hits(self, ids: Ids, scores: npt.NDArray[np.float32]) -> list[Hit]:
        """Name the media of pieces, best first, each once; a piece that was deleted meanwhile is left out."""
        rows: dict[int, Row] = {}
        for start in range(0, len(ids), ROWS_AT_ONCE):
            part = [int(number) for number in ids[start : start + ROWS_AT_ONCE]]
            query = select(vectors.c.id, vectors.c.media, vectors.c.start, vectors.c.stop)
            rows |= {row["id"]: row for row in self.store.rows(query.where(vectors.c.id.in_(part)))}
        hits: dict[str, Hit] = {}
        for number, score in zip(ids, scores, strict=True):
            row = rows.get(int(number))
            if row is not None and row["media"] not in hits:
                hits[row["media"]] = Hit(row["media"], float(score), row["start"], row["stop"])
        return list(hits.values())

    def _read(self, encoder: EncoderRecord) -> VectorIndex | None:
        """Return the index from its file, if that is whole and belongs to this database."""
        path = self._path(encoder)
        header = read_header(path)
        if header is None or header.width != encoder.width or header.anchor != self._anchor(encoder, header.largest):
            return None
        return read_index(path, header)

    def _write(self, index: VectorIndex, encoder: EncoderRecord) -> None:
        header = read_header(self._path(encoder))
        anchor = self._anchor(encoder, _largest(index))
        described = (type(index).__name__, len(index.ids), _largest(index), anchor)
        if header is None or (header.kind, header.count, header.largest, header.anchor) != described:
            write_index(self._path(encoder), index, anchor)

    def _anchor(self, encoder: EncoderRecord, number: int) -> str:
        """Return a hash of one vector as the database has it: an index of another database will not have the same."""
        row = self.store.row("SELECT media, vector FROM vectors WHERE id = ? AND encoder = ?", number, encoder.id)
        return "" if row is None else hashlib.sha256(row["media"].encode() + row["vector"]).hexdigest()

    def _path(self, encoder: EncoderRecord) -> Path:
        return self.store.home / FOLDER / f"{encoder.id}-{encoder.fingerprint[:16]}.usearch"


def _largest(index: VectorIndex) -> int:
    return int(index.ids[-1]) if len(index.ids) else 0


def _encoder(row: Row) -> EncoderRecord:
    return EncoderRecord(
        id=row["id"],
        name=row["name"],
        fingerprint=row["fingerprint"],
        width=row["width"],
        modalities=tuple(row["modalities"].split()),
        source=row["source"],
        is_ready=bool(row["is_ready"]),
    )

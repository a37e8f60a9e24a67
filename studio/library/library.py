"""The library: everything a person owns and everything the studio made, described, gathered, and searched by vectors."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from studio.errors import StudioError
from studio.library.texts import Texts
from studio.library.vectors import EncoderRecord, Hit, Vectors
from studio.media_store import MediaStore
from studio.store import Row, Store

if TYPE_CHECKING:
    from studio.library.vectors import Allowed

_ITEM = "SELECT media.*, stars.added AS starred FROM media LEFT JOIN stars ON stars.media = media.id"


@dataclass(frozen=True)
class Item:
    """A medium of the library. `is_stored`: the studio keeps its file; else it lies where the person has it.

    Sizes in pixels; `created` in seconds since 1970; what is not known yet is None.
    """

    id: str
    modality: str
    content_hash: str
    suffix: str
    num_bytes: int
    created: float
    is_stored: bool
    width: int | None
    height: int | None
    seconds: float | None
    is_starred: bool


@dataclass(frozen=True)
class Stats:
    """What a library holds. `vectors` by encoder name and state; `num_bytes` of all media by modality."""

    items: dict[str, int]
    num_bytes: dict[str, int]
    vectors: dict[str, int]
    num_refused: int


class Library:
    """One person's library. Reading and writing are safe from several threads and processes."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.media = MediaStore(store)
        self.texts = Texts(store)
        self.vectors = Vectors(store)

    def get(self, media_id: str) -> Item:
        """Return a medium by its id, or by the beginning of it, if no other begins so."""
        rows: Sequence[Row] = ()
        if media_id and set(media_id) <= set("0123456789abcdef"):
            rows = self.store.rows(f"{_ITEM} WHERE media.id >= ? AND media.id < ? LIMIT 2", media_id, media_id + "g")
        if len(rows) != 1:
            found = "several begin so: give more of the id" if rows else "see: studio library list"
            raise StudioError(f"There is no one medium {media_id!r} in the library; {found}.")
        return _item(rows[0])

    def items(
        self, *, modality: str | None = None, collection: str | None = None, starred: bool = False, limit: int = 50,
        offset: int = 0,
    ) -> list[Item]:  # fmt: skip
        """Return media, the newest first; `limit` and `offset` count them."""
        conditions, values = ["1 = 1"], []
        if modality is not None:
            conditions.append("media.modality = ?")
            values.append(modality)
        if collection is not None:
            conditions.append(
                "media.id IN (SELECT collected.media FROM collected JOIN collections "
                "ON collections.id = collected.collection WHERE collections.name = ?)"
            )
            values.append(collection)
        if starred:
            conditions.append("stars.media IS NOT NULL")
        query = f"{_ITEM} WHERE {' AND '.join(conditions)} ORDER BY media.created DESC, media.id LIMIT ? OFFSET ?"
        return [_item(row) for row in self.store.rows(query, *values, limit, offset)]

    def path(self, media_id: str) -> Path:
        """Return a file that holds a medium. Raises StudioError if there is none any more."""
        return self.media.path(media_id)

    def paths(self, media_id: str) -> list[str]:
        """Return where the person's own files with this content were found."""
        return [
            row["path"] for row in self.store.rows("SELECT path FROM files WHERE media = ? ORDER BY path", media_id)
        ]

    def thumbnail(self, media_id: str) -> bytes | None:
        """Return a small WebP: the picture, the waveform, a strip of the video; None if it is not made yet."""
        row = self.store.row("SELECT webp FROM thumbnails WHERE media = ?", media_id)
        return None if row is None else bytes(row["webp"])

    def star(self, media_id: str, *, is_starred: bool = True) -> None:
        with self.store.transaction() as database:
            if is_starred:
                query = "INSERT INTO stars VALUES (?, ?) ON CONFLICT (media) DO NOTHING"
                database.execute(query, (self.get(media_id).id, time.time()))
            else:
                database.execute("DELETE FROM stars WHERE media = ?", (media_id,))

    def collect(self, name: str, media: Iterable[str]) -> None:
        """Put media into a collection, which is made if there is none of that name."""
        name = name.strip()
        if not name:
            raise StudioError("A collection needs a name.")
        now = time.time()
        with self.store.transaction() as database:
            database.execute(
                "INSERT INTO collections (name, created) VALUES (?, ?) ON CONFLICT (name) DO NOTHING", (name, now)
            )
            for media_id in media:
                database.execute(
                    "INSERT INTO collected SELECT collections.id, ?, ? FROM collections WHERE name = ? "
                    "ON CONFLICT (collection, media) DO NOTHING",
                    (self.get(media_id).id, now, name),
                )

    def uncollect(self, name: str, media: Iterable[str]) -> None:
        """Take media out of a collection; they stay in the library."""
        with self.store.transaction() as database:
            for media_id in media:
                query = (
                    "DELETE FROM collected WHERE media = ? AND collection = (SELECT id FROM collections WHERE name = ?)"
                )
                database.execute(query, (media_id, name))

    def drop_collection(self, name: str) -> None:
        """Forget a collection; its media stay in the library."""
        with self.store.transaction() as database:
            if not database.execute("DELETE FROM collections WHERE name = ?", (name,)).rowcount:
                raise StudioError(
                    f"There is no collection {name!r}; there is: {', '.join(self.collections()) or 'none'}."
                )

    def collections(self) -> dict[str, int]:
        """Return the names of all collections, with how many media each has."""
        rows = self.store.rows(
            "SELECT name, COUNT(collected.media) AS number FROM collections "
            "LEFT JOIN collected ON collected.collection = collections.id GROUP BY name ORDER BY name"
        )
        return {row["name"]: row["number"] for row in rows}

    def remove(self, media_id: str) -> None:
        """Forget a medium with its words and vectors. A person's own files stay; one that the studio keeps is deleted.

        Raises StudioError if a conversation shows it.
        """
        item = self.get(media_id)
        stored = self.media.stored_path(item.id)
        with self.store.transaction() as database:
            if item.is_stored:
                shown = database.execute("SELECT 1 FROM messages WHERE content LIKE ? LIMIT 1", (f'%"{item.id}"%',))
                if shown.fetchone() is not None:
                    raise StudioError("A conversation shows this medium. Delete the conversation first.")
            database.execute("DELETE FROM media WHERE id = ?", (item.id,))
        stored.unlink(missing_ok=True)

    def stats(self) -> Stats:
        rows = self.store.rows(
            "SELECT modality, COUNT(*) AS number, SUM(num_bytes) AS total FROM media GROUP BY modality ORDER BY modality"
        )
        refused = self.store.row("SELECT COUNT(*) AS number FROM refused_files")
        assert refused is not None
        return Stats(
            items={row["modality"]: int(row["number"]) for row in rows},
            num_bytes={row["modality"]: int(row["total"]) for row in rows},
            vectors={
                record.name + ("" if record.is_ready else " (being filled)"): self.vectors.count(record)
                for record in self.vectors.encoders()
            },
            num_refused=int(refused["number"]),
        )

    def refused(self, *, limit: int = 1000) -> dict[str, str]:
        """Return the files that could not be read, with the reason."""
        rows = self.store.rows("SELECT path, reason FROM refused_files ORDER BY path LIMIT ?", limit)
        return {row["path"]: row["reason"] for row in rows}

    def encoder(self, name: str) -> EncoderRecord:
        """Return the encoder that answers for a name ("clip", "imagebind"...)."""
        return self.vectors.encoder(name)

    def nearest(
        self, vector: npt.NDArray[np.floating], encoder: EncoderRecord | str, k: int = 10,
        allowed: "Allowed | None" = None,
    ) -> list[Hit]:  # fmt: skip
        """Return the `k` media nearest to a unit vector of an encoder, best first.

        `allowed`: the ids that may be found, or a `select` of one column of them (see `studio.schema`).
        """
        record = self.encoder(encoder) if isinstance(encoder, str) else encoder
        return self.vectors.nearest(vector, record, k, allowed)


def _item(row: Row) -> Item:
    return Item(
        id=row["id"],
        modality=row["modality"],
        content_hash=row["content_hash"],
        suffix=row["suffix"],
        num_bytes=row["num_bytes"],
        created=row["created"],
        is_stored=bool(row["is_stored"]),
        width=row["width"],
        height=row["height"],
        seconds=row["seconds"],
        is_starred=row["starred"] is not None,
    )

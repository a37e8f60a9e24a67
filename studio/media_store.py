"""Media on disk: every file named by the hash of its bytes, written atomically, reached by id and never by name."""

import hashlib
import os
import re
import shutil
import tempfile
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from studio.errors import StudioError
from studio.faults import fault
from studio.store import Row, Store

if TYPE_CHECKING:
    from encoders.media import Media

SUFFIXES: Mapping[str, str] = {"image": ".png", "audio": ".wav", "video": ".mp4"}
MAX_UPLOAD_BYTES = 64 * 1024 * 1024
KEEP_UPLOADS_SECONDS = 7 * 24 * 3600.0
_MEDIA_ID = re.compile(r"[0-9a-f]{64}")
_UPLOAD_ID = re.compile(r"[0-9a-f]{32}")
_COPY_BYTES = 1 << 20


@dataclass(frozen=True)
class StoredMedia:
    """A file of the store: `id` is the SHA-256 of its bytes, `content_hash` that of what it decodes to."""

    id: str
    modality: str
    content_hash: str
    suffix: str
    num_bytes: int


class MediaStore:
    """The studio's media folder and its table."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._media = store.home / "media"
        self._incoming = store.home / "incoming"
        self._media.mkdir(exist_ok=True)
        self._incoming.mkdir(exist_ok=True)

    def get(self, media_id: str) -> StoredMedia:
        row = None
        if _MEDIA_ID.fullmatch(media_id):
            row = self.store.row("SELECT * FROM media WHERE id = ?", media_id)
        if row is None:
            raise StudioError("This file is not in the studio's store. It may have been deleted.")
        return _stored(row)

    def find(self, content_hash: str) -> StoredMedia | None:
        """Return a file that decodes to this content, if the store holds one."""
        row = self.store.row(
            "SELECT * FROM media WHERE content_hash = ? ORDER BY is_stored DESC, created LIMIT 1", content_hash
        )
        return None if row is None else _stored(row)

    def path(self, media_id: str) -> Path:
        """Return where the file of a known id lies."""
        stored = self.get(media_id)
        path = self._place(stored.id, stored.suffix)
        if not path.is_file():
            path = self._left_in_place(stored) or path
        if not path.is_file():
            raise fault("media-gone")
        return path

    def stored_path(self, media_id: str) -> Path:
        """Return where the studio's own file of a known id lies, or would."""
        stored = self.get(media_id)
        return self._place(stored.id, stored.suffix)

    def add(self, media: "Media", *, metadata: Mapping[str, str] | None = None) -> "tuple[StoredMedia, Media]":
        """Write media in the studio's own formats; return the record and the content as it reads back from the file.

        Sound and video lose a little when they are written, so what was read back is what counts: it is what a model
        should see and what `content_hash` names.
        """
        from encoders.files import read_media, write_media

        modality = str(media.modality)
        if modality not in SUFFIXES:
            raise ValueError(f"The media store keeps {', '.join(SUFFIXES)}, got {modality}.")
        with tempfile.TemporaryDirectory(dir=self._incoming) as folder:
            written = Path(folder) / f"media{SUFFIXES[modality]}"
            write_media(written, media, metadata)
            content = read_media(written)
            stored = StoredMedia(
                id=_hash_file(written),
                modality=modality,
                content_hash=content.content_hash,
                suffix=SUFFIXES[modality],
                num_bytes=written.stat().st_size,
            )
            self._move(written, self._place(stored.id, stored.suffix))
        with self.store.transaction() as database:
            database.execute(
                "INSERT INTO media (id, modality, content_hash, suffix, num_bytes, created) VALUES (?, ?, ?, ?, ?, ?) "
                "ON CONFLICT (id) DO UPDATE SET is_stored = ?, suffix = excluded.suffix",
                (stored.id, stored.modality, stored.content_hash, stored.suffix, stored.num_bytes, time.time(), True),
            )
        return stored, content

    def spool(self, source: BinaryIO, *, max_bytes: int = MAX_UPLOAD_BYTES) -> str:
        """Keep an upload as it came, unread, until the worker decodes it; return the upload's id."""
        upload_id = uuid.uuid4().hex
        target = self._incoming / upload_id
        num_bytes = 0
        try:
            with target.open("xb") as file:
                while chunk := source.read(_COPY_BYTES):
                    num_bytes += len(chunk)
                    if num_bytes > max_bytes:
                        raise fault("large-file", limit=max_bytes // 2**20)
                    file.write(chunk)
        except BaseException:
            target.unlink(missing_ok=True)
            raise
        return upload_id

    def upload_path(self, upload_id: str) -> Path:
        """Return where a spooled upload waits."""
        path = self._incoming / upload_id
        if not _UPLOAD_ID.fullmatch(upload_id) or not path.is_file():
            raise fault("upload-gone")
        return path

    def discard_upload(self, upload_id: str) -> None:
        if _UPLOAD_ID.fullmatch(upload_id):
            (self._incoming / upload_id).unlink(missing_ok=True)

    def forget_old_uploads(self) -> None:
        """Remove what was uploaded or half-written long ago and never became media."""
        for path in self._incoming.iterdir():
            if path.stat().st_mtime < time.time() - KEEP_UPLOADS_SECONDS:
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def _place(self, media_id: str, suffix: str) -> Path:
        return self._media / media_id[:2] / f"{media_id}{suffix}"

    def _left_in_place(self, stored: StoredMedia) -> Path | None:
        """Return a file of the person's own that holds this medium, as far as its size tells."""
        for row in self.store.rows("SELECT path FROM files WHERE media = ? ORDER BY path", stored.id):
            path = Path(row["path"])
            if path.is_file() and path.stat().st_size == stored.num_bytes:
                return path
        return None

    def _move(self, written: Path, target: Path) -> None:
        """Put a finished file in its place so that a reader sees all of it or nothing, even after a power cut."""
        target.parent.mkdir(exist_ok=True)
        with written.open("rb") as file:
            os.fsync(file.fileno())
        written.replace(target)


def _hash_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _stored(row: Row) -> StoredMedia:
    return StoredMedia(row["id"], row["modality"], row["content_hash"], row["suffix"], row["num_bytes"])

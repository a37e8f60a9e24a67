"""The files of a person's folder: walked in order, told whether they have changed, read outside of this process."""

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from encoders.limits import Refusal
from encoders.sniffing import HEAD_BYTES, sniff
from studio.library.ingest_pictures import encode_webp, look_of, picture_of

if TYPE_CHECKING:
    from encoders.media import Media

# A file that ends so and cannot be read is reported; any other that holds no medium is passed over.
MEDIA_SUFFIXES = frozenset(
    f".{name}"
    for names in (
        ("png", "jpg", "jpeg", "webp", "gif"),
        ("wav", "flac", "ogg", "oga", "opus", "mp3", "m4a", "aac"),
        ("mp4", "m4v", "mov", "webm", "mkv", "avi"),
    )
    for name in names
)

ReadMedia = Callable[[Path], "Media"]


@dataclass(frozen=True)
class Entry:
    """A file as the folder lists it."""

    path: Path
    num_bytes: int
    modified_ns: int


@dataclass(frozen=True)
class Read:
    """A file that was read: its id (SHA-256 of its bytes), what it holds, and how that looks."""

    media_id: str
    media: "Media"
    webp: bytes
    look: int | None


class NotMedia(Exception):
    """Raised for a file that neither is nor claims to be a medium."""


class Unreadable(Exception):
    """Raised for a file that cannot be read, with the reason for the person."""


class Unfinished(Exception):
    """Raised for a file that changed while it was read: it will be looked at again."""


def walk(folder: Path, *, without: Path | None = None) -> Iterator[Entry]:
    """Yield the regular files below a folder, or the one file that it is, in the order of their names.

    Hidden ones and links are passed over, so is the folder `without`, and what may not be listed.
    """
    if folder.is_file():
        status = folder.stat()
        yield Entry(folder, status.st_size, status.st_mtime_ns)
        return
    try:
        found = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in found:
        if entry.name.startswith(".") or entry.is_symlink():
            continue
        if entry.is_dir(follow_symlinks=False):
            if without is None or Path(entry.path) != without:
                yield from walk(Path(entry.path), without=without)
        elif entry.is_file(follow_symlinks=False):
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            yield Entry(Path(entry.path), status.st_size, status.st_mtime_ns)


def hash_entry(entry: Entry) -> str:
    """Return the SHA-256 of a file's bytes, as hex. Raises NotMedia or Unreadable by its first bytes already."""
    try:
        with entry.path.open("rb") as file:
            try:
                sniff(file.read(HEAD_BYTES))
            except Refusal as refusal:
                if entry.path.suffix.lower() in MEDIA_SUFFIXES:
                    raise Unreadable(f"'{entry.path.name}' {refusal}") from None
                raise NotMedia from None
            file.seek(0)
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise Unreadable(f"'{entry.path.name}' cannot be opened ({error.strerror}).") from None


def read_entry(entry: Entry, media_id: str, read: ReadMedia) -> Read:
    """Decode a file and picture it. Raises Unreadable, or Unfinished if it changed since it was listed."""
    from encoders.media import MediaError

    try:
        media = read(entry.path)
    except MediaError as error:
        _check_finished(entry)
        raise Unreadable(str(error)) from None
    _check_finished(entry)
    picture = picture_of(media)
    return Read(media_id, media, encode_webp(picture), look_of(media, picture))


def _check_finished(entry: Entry) -> None:
    try:
        status = entry.path.stat()
    except OSError:
        raise Unfinished from None
    if (status.st_size, status.st_mtime_ns) != (entry.num_bytes, entry.modified_ns):
        raise Unfinished

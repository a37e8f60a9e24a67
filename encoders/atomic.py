"""Put a file in its place in one step: a reader sees the old one or the new one whole, also after a kill or a power cut."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def write_text(path: Path, text: str) -> None:
    """Put a text, as UTF-8, in the place of a file's."""
    with atomic(path) as aside:
        aside.write_text(text, encoding="utf-8")


@contextmanager
def atomic(path: Path, *, mode: int | None = None) -> Iterator[Path]:
    """Give a new, empty file beside `path` to be written; move it there when all went well, remove it when not.

    `mode` is what the file has in its place; None: what the person's umask leaves of reading and writing.
    """
    temporary = path.with_name(f".{path.stem}-{secrets.token_hex(8)}{path.suffix}")
    created = 0o666 if mode is None else 0o600
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, created))
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        if mode is not None:
            temporary.chmod(mode)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)

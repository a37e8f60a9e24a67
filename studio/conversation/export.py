"""Copying what was made into a person's folder."""

import shutil
from pathlib import Path

from studio.conversation.history import Content
from studio.errors import StudioError
from studio.media_store import MediaStore


def copy_media(media: MediaStore, content: Content, folder: Path) -> list[Path]:
    """Copy the media of a reply into a folder as image-1.png, audio-1.wav...; no file is ever overwritten."""
    copies = []
    for part in content:
        if "media" not in part:
            continue
        source = media.path(part["media"])
        try:
            folder.mkdir(parents=True, exist_ok=True)
            copies.append(_copy_to_free_name(source, folder, part["type"]))
        except OSError as error:
            raise StudioError(f"Cannot write to {folder}: {(error.strerror or 'unknown reason').lower()}.") from error
    return copies


def _copy_to_free_name(source: Path, folder: Path, name: str) -> Path:
    number = 1
    while True:
        target = folder / f"{name}-{number}{source.suffix}"
        try:
            with target.open("xb") as copy, source.open("rb") as original:
                shutil.copyfileobj(original, copy)
            return target
        except FileExistsError:
            number += 1

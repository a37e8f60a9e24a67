"""Media on disk: content addresses, spooled uploads, and nothing reached by a name from outside."""

import io
import os
from pathlib import Path

import numpy as np
import pytest

from encoders.files import read_media, read_metadata
from encoders.media import Audio, Image, Video
from studio.errors import StudioError
from studio.media_store import MediaStore
from studio.store import Store


@pytest.fixture
def media(store: Store) -> MediaStore:
    return MediaStore(store)


def picture(shade: int = 200) -> Image:
    return Image.from_uint8(np.full((16, 16, 3), shade, dtype=np.uint8))


def sound() -> Audio:
    return Audio.from_numpy(np.sin(np.arange(1600) / 10).astype(np.float32) / 2, 16000)


def video() -> Video:
    return Video.from_uint8(np.full((8, 16, 16, 3), 90, dtype=np.uint8), 4.0, sound())


@pytest.mark.parametrize("content", [picture(), sound(), video()], ids=["image", "audio", "video"])
def test_what_is_added_is_found_by_its_content_and_reads_back_as_that(
    media: MediaStore, content: Image | Audio | Video
) -> None:
    stored, read_back = media.add(content, metadata={"studio-recipe": "made"})
    assert media.find(read_back.content_hash) == stored == media.get(stored.id)
    path = media.path(stored.id)
    assert path.name == f"{stored.id}{stored.suffix}"
    assert read_media(path).content_hash == stored.content_hash == read_back.content_hash
    assert read_metadata(path)["studio-recipe"] == "made"


def test_the_same_content_is_kept_once_and_another_recipe_makes_another_file(media: MediaStore) -> None:
    first, _ = media.add(picture(), metadata={"studio-recipe": "one"})
    again, _ = media.add(picture(), metadata={"studio-recipe": "one"})
    other, _ = media.add(picture(), metadata={"studio-recipe": "two"})
    assert first == again
    assert other.id != first.id
    assert other.content_hash == first.content_hash


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "a" * 64, "A" * 64, "0" * 63 + "/", "x.png"])
def test_a_name_from_outside_reaches_no_file(media: MediaStore, name: str) -> None:
    with pytest.raises(StudioError):
        media.path(name)


@pytest.mark.parametrize("name", ["../studio.db", "", "..", "f" * 32, "/etc/passwd"])
def test_a_name_from_outside_reaches_no_upload(media: MediaStore, name: str) -> None:
    with pytest.raises(StudioError, match="Attach it again"):
        media.upload_path(name)


def test_discarding_with_a_name_from_outside_removes_nothing(media: MediaStore, home: Path) -> None:
    media.discard_upload("../studio.db")
    assert (home / "studio.db").is_file()


def test_an_upload_is_kept_as_it_came_until_it_is_discarded(media: MediaStore) -> None:
    upload = media.spool(io.BytesIO(b"anything"))
    assert media.upload_path(upload).read_bytes() == b"anything"
    media.discard_upload(upload)
    with pytest.raises(StudioError):
        media.upload_path(upload)


def test_an_upload_beyond_the_limit_is_refused_and_leaves_nothing(media: MediaStore, home: Path) -> None:
    with pytest.raises(StudioError, match="larger than 1 MB"):
        media.spool(io.BytesIO(b"x" * (2**20 + 1)), max_bytes=2**20)
    assert list((home / "incoming").iterdir()) == []


def test_only_old_uploads_are_forgotten(media: MediaStore) -> None:
    old, new = (media.spool(io.BytesIO(b"x")) for _ in range(2))
    os.utime(media.upload_path(old), (0, 0))
    media.forget_old_uploads()
    assert media.upload_path(new)
    with pytest.raises(StudioError):
        media.upload_path(old)


def test_a_missing_file_is_named_as_such(media: MediaStore) -> None:
    stored, _ = media.add(picture())
    media.path(stored.id).unlink()
    with pytest.raises(StudioError, match="missing from the studio's media folder"):
        media.path(stored.id)

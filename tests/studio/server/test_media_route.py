"""Media over HTTP: ranges, names, caching, and nothing but what is in the store."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from starlette.applications import Starlette
from starlette.testclient import TestClient

from encoders.media import Audio, Image
from studio.media_store import MediaStore, StoredMedia
from studio.server.media_route import PREFIX, media_path, media_routes, safe_name
from studio.store import Store


@pytest.fixture
def media(store: Store) -> MediaStore:
    return MediaStore(store)


@pytest.fixture
def client(media: MediaStore) -> Iterator[TestClient]:
    with TestClient(Starlette(routes=media_routes(lambda request: media)), raise_server_exceptions=True) as client:
        yield client


@pytest.fixture
def sound(media: MediaStore) -> StoredMedia:
    return media.add(Audio(torch.linspace(0, 400, 8000).sin()[None], 8000))[0]


def content(media: MediaStore, stored: StoredMedia) -> bytes:
    return media.path(stored.id).read_bytes()


def test_a_whole_file_comes_with_its_type_its_hash_and_no_leave_to_guess(
    client: TestClient, media: MediaStore, sound: StoredMedia
) -> None:
    answer = client.get(media_path(sound.id))
    assert answer.status_code == 200
    assert hashlib.sha256(answer.content).hexdigest() == sound.id
    assert answer.headers["content-type"] == "audio/wav"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["etag"] == f'"{sound.id}"'
    assert answer.headers["accept-ranges"] == "bytes"
    assert "private" in answer.headers["cache-control"]
    assert "content-disposition" not in answer.headers


@pytest.mark.parametrize(
    ("wanted", "start", "stop"), [("bytes=0-9", 0, 10), ("bytes=100-", 100, None), ("bytes=-5", -5, None)]
)
def test_a_range_comes_as_asked(
    client: TestClient, media: MediaStore, sound: StoredMedia, wanted: str, start: int, stop: int | None
) -> None:
    whole = content(media, sound)
    answer = client.get(media_path(sound.id), headers={"Range": wanted})
    assert (answer.status_code, answer.content) == (206, whole[start:stop])
    first = start % len(whole)
    assert answer.headers["content-range"] == f"bytes {first}-{first + len(answer.content) - 1}/{len(whole)}"


def test_a_range_beyond_the_end_is_refused_with_the_size(client: TestClient, sound: StoredMedia) -> None:
    answer = client.get(media_path(sound.id), headers={"Range": f"bytes={sound.num_bytes}-"})
    assert (answer.status_code, answer.headers["content-range"]) == (416, f"bytes */{sound.num_bytes}")


def test_the_head_says_the_size_alone(client: TestClient, sound: StoredMedia) -> None:
    answer = client.head(media_path(sound.id))
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == str(sound.num_bytes)


def test_a_range_of_another_file_is_answered_with_the_whole(client: TestClient, sound: StoredMedia) -> None:
    asked = {"Range": "bytes=0-9"}
    same = client.get(media_path(sound.id), headers={**asked, "If-Range": f'"{sound.id}"'})
    other = client.get(media_path(sound.id), headers={**asked, "If-Range": '"0123"'})
    assert (same.status_code, other.status_code) == (206, 200)
    assert len(other.content) == sound.num_bytes


def test_what_the_browser_has_is_not_sent_again(client: TestClient, sound: StoredMedia) -> None:
    answer = client.get(media_path(sound.id), headers={"If-None-Match": f'"abc", W/"{sound.id}"'})
    assert (answer.status_code, answer.content) == (304, b"")


@pytest.mark.parametrize(
    "path", ["/..", "/%2e%2e%2fstudio.db", "/../studio.db", "/" + "0" * 64, "/" + "0" * 63 + "G", "/studio.db", "/%00"]
)
def test_what_is_not_an_id_of_the_store_is_not_found(client: TestClient, media: MediaStore, path: str) -> None:
    assert client.get(PREFIX + path).status_code == 404


def test_only_reading_is_possible(client: TestClient, sound: StoredMedia) -> None:
    for method in ("POST", "PUT", "DELETE"):
        assert client.request(method, media_path(sound.id)).status_code == 405


def test_a_file_is_kept_by_a_name_that_is_only_a_name(client: TestClient, sound: StoredMedia) -> None:
    asked = client.get(media_path(sound.id), params={"name": '../../etc/"pass\r\nwd'})
    assert asked.headers["content-disposition"] == 'attachment; filename="etc_pass_wd.wav"'
    chinese = client.get(media_path(sound.id), params={"name": "红色的铃.wav"})
    assert chinese.headers["content-disposition"].endswith(".wav")
    assert "utf-8''" in chinese.headers["content-disposition"]


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("", "file.png"),
        ("...", "file.png"),
        ("bell.png", "bell.png"),
        ("bell.exe", "bell.exe.png"),
        (".bashrc", "bashrc.png"),
        ("a\u202egnp.exe", "a_gnp.exe.png"),
        ("C:\\x\\y", "C_x_y.png"),
    ],
)
def test_a_name_ends_as_its_content_does(name: str, kept: str) -> None:
    assert safe_name(name, suffix=".png") == kept


def test_a_file_of_the_persons_own_whose_type_is_unknown_is_only_ever_downloaded(
    client: TestClient, media: MediaStore, store: Store, tmp_path: Path
) -> None:
    """A file in the library may be named anything; a browser is never told that it is a page."""
    stored = media.add(Image(torch.zeros(3, 8, 8)))[0]
    own = tmp_path / "picture.html"
    own.write_bytes(content(media, stored))
    media.path(stored.id).unlink()
    with store.transaction() as database:
        database.execute("INSERT INTO files VALUES (?, ?, ?, ?, ?)", (str(own), stored.id, stored.num_bytes, 0, 0.0))
    answer = client.get(media_path(stored.id))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment")

"""The library: media with their words, stars and collections; vectors whose index always follows the database."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from sqlalchemy import select

from studio import schema
from studio.errors import StudioError
from studio.library import vector_index
from studio.library import vectors as library_vectors
from studio.library.library import Library
from studio.library.vector_index import GraphIndex
from studio.library.vectors import EncoderRecord, Piece
from studio.store import Store

WIDTH = 8


@pytest.fixture
def library(store: Store) -> Library:
    return Library(store)


def media_id(number: int) -> str:
    return f"{number:064x}"


def add_media(library: Library, *numbers: int, modality: str = "image") -> None:
    with library.store.transaction() as database:
        for number in numbers:
            database.execute(
                "INSERT INTO media (id, modality, content_hash, suffix, num_bytes, created, is_stored) "
                "VALUES (?, ?, ?, '.png', 10, ?, ?)",
                (media_id(number), modality, f"h{number}", float(number), False),
            )


def register(library: Library, name: str = "clip", fingerprint: str = "f" * 64) -> EncoderRecord:
    return library.vectors.register(
        name, fingerprint=fingerprint, width=WIDTH, modalities=("text", "image"), source="somewhere"
    )


def direction(number: int) -> npt.NDArray[np.float32]:
    vector = np.random.default_rng(number).normal(size=WIDTH)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def fill(library: Library, encoder: EncoderRecord, *numbers: int) -> None:
    for number in numbers:
        library.vectors.put(media_id(number), encoder, [Piece(direction(number))])


def found(library: Library, number: int, k: int = 1, **options: object) -> list[str]:
    return [hit.media for hit in library.nearest(direction(number), "clip", k, **options)]  # type: ignore[arg-type]


def test_media_are_listed_newest_first_and_by_kind_star_and_collection(library: Library) -> None:
    add_media(library, 1, 2)
    add_media(library, 3, modality="audio")
    assert [item.id for item in library.items()] == [media_id(3), media_id(2), media_id(1)]
    assert [item.id for item in library.items(modality="image", limit=1, offset=1)] == [media_id(1)]
    library.star(media_id(1))
    library.star(media_id(1))
    library.collect("Best", [media_id(1), media_id(3), media_id(3)])
    assert [item.id for item in library.items(starred=True)] == [media_id(1)]
    assert library.get(media_id(1)).is_starred
    assert library.collections() == {"Best": 2}
    assert {item.id for item in library.items(collection="Best")} == {media_id(1), media_id(3)}
    library.uncollect("Best", [media_id(1)])
    library.star(media_id(1), is_starred=False)
    assert library.collections() == {"Best": 1} and library.items(starred=True) == []
    library.drop_collection("Best")
    assert library.collections() == {} and len(library.items()) == 3


def test_a_medium_is_named_by_the_beginning_of_its_id_if_no_other_begins_so(library: Library) -> None:
    add_media(library, 0xA0 << 248, 0xA1 << 248, 0xFF << 248)
    assert library.get("f").id.startswith("ff")
    for wrong in ("a", "b", "", "%", "../x"):
        with pytest.raises(StudioError):
            library.get(wrong)


def test_words_in_any_script_find_media_the_better_first(library: Library) -> None:
    add_media(library, 1, 2, 3)
    library.texts.add(media_id(1), "caption", "A red bell above a blue boat", source="person")
    library.texts.add(media_id(2), "tag", "Bells!", source="person")
    library.texts.add(media_id(3), "caption", "画一个红色的铃铛", source="person")
    assert [media for media, _ in library.texts.matching("bell", limit=5)] == [media_id(1)]
    assert [media for media, _ in library.texts.matching("铃铛", limit=5)] == [media_id(3)]
    assert [media for media, _ in library.texts.matching("铛铃", limit=5)] == []
    both = library.texts.matching("blue bells boat", limit=5)
    assert [media for media, _ in both] == [media_id(1), media_id(2)]
    assert both[0][1] > both[1][1]
    assert library.texts.matching("blue bells", limit=5, every=True) == []
    assert library.texts.tags() == {"Bells!": 1}


@pytest.mark.parametrize("query", ['"', "NEAR(a", "a AND", "*", "words:a", "a -b", "'; DROP TABLE texts"])
def test_no_query_is_taken_for_an_operator(library: Library, query: str) -> None:
    assert library.texts.matching(query, limit=5) == []


def test_words_are_gone_with_what_they_were_about(library: Library) -> None:
    add_media(library, 1)
    library.texts.add(media_id(1), "caption", "a bell", source="person")
    library.texts.add(media_id(1), "tag", "a boat", source="person")
    assert library.texts.remove(media_id(1), "tag", "a boat")
    assert library.texts.matching("boat", limit=5) == []
    library.remove(media_id(1))
    assert library.texts.matching("bell", limit=5) == []
    library.store.rows("INSERT INTO texts_found (texts_found) VALUES ('integrity-check') RETURNING 1")


def test_deletes_and_updates_take_effect_at_once_in_every_process(library: Library) -> None:
    add_media(library, *range(1, 30))
    encoder = register(library)
    fill(library, encoder, *range(1, 30))
    other = Library(Store(library.store.home))
    assert found(library, 7) == found(other, 7) == [media_id(7)]
    other.remove(media_id(7))
    assert found(library, 7) != [media_id(7)]
    add_media(library, 7)
    other.vectors.put(media_id(7), encoder, [Piece(direction(99))])
    assert found(library, 99) == found(other, 99) == [media_id(7)]
    library.vectors.put(media_id(7), encoder, [Piece(direction(100))])
    assert found(other, 100) == [media_id(7)]
    assert len(found(other, 1, k=100)) == 29


def test_a_filter_may_be_ids_or_a_selection(library: Library) -> None:
    add_media(library, 1, 2, 3)
    add_media(library, 4, modality="audio")
    fill(library, register(library), 1, 2, 3, 4)
    sounds = select(schema.media.c.id).where(schema.media.c.modality == "audio")
    assert found(library, 1, k=9, allowed=sounds) == [media_id(4)]
    assert set(found(library, 1, k=9, allowed=[media_id(2), media_id(4), media_id(77)])) == {media_id(2), media_id(4)}
    assert found(library, 1, k=9, allowed=[]) == []


def test_a_medium_of_many_pieces_is_found_once_by_its_nearest(library: Library) -> None:
    add_media(library, 1, 2, modality="audio")
    encoder = register(library)
    pieces = [Piece(direction(10 + n), float(n), n + 2.0) for n in range(40)]
    library.vectors.put(media_id(1), encoder, [Piece(direction(1)), *pieces])
    fill(library, encoder, 2)
    hits = library.nearest(direction(13), "clip", 2)
    assert [hit.media for hit in hits] == [media_id(1), media_id(2)]
    assert (hits[0].start, hits[0].stop) == (3.0, 5.0)
    assert hits[0].score == pytest.approx(1, abs=2e-3)


@pytest.mark.parametrize("damage", ["none", "flipped", "missing", "of another database"])
def test_an_index_is_rebuilt_whenever_its_file_is_not_right(
    library: Library, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_media(library, *range(1, 30))
    encoder = register(library)
    fill(library, encoder, *range(1, 30))
    library.vectors.settle(encoder)
    (path,) = (library.store.home / "index").glob("*.usearch")
    match damage:
        case "flipped":
            data = bytearray(path.read_bytes())
            data[-1] ^= 1
            path.write_bytes(data)
        case "missing":
            path.unlink()
        case "of another database":
            with library.store.transaction() as database:
                database.execute("UPDATE vectors SET vector = zeroblob(16)")
    asked: list[str] = []
    again = Library(library.store)
    rows = library.store.rows
    monkeypatch.setattr(library.store, "rows", lambda query, *values: asked.append(str(query)) or rows(query, *values))
    assert len(found(again, 5, k=50)) == 29
    assert any("vector FROM" in query for query in asked) == (damage != "none")
    if damage != "of another database":
        assert found(again, 5) == [media_id(5)]


def test_many_rows_become_a_graph_that_follows_too(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library_vectors, "EXACT_ROWS", 20)
    monkeypatch.setattr(vector_index, "EXACT_ROWS", 20)
    add_media(library, *range(1, 40))
    encoder = register(library)
    fill(library, encoder, *range(1, 30))
    assert found(library, 5) == [media_id(5)]
    library.vectors.settle(encoder)
    again = Library(Store(library.store.home))
    assert isinstance(again.vectors.index(encoder), GraphIndex)
    fill(library, encoder, *range(30, 40))
    library.remove(media_id(5))
    for one in (library, again):
        assert isinstance(one.vectors.index(encoder), GraphIndex)
        assert found(one, 35) == [media_id(35)]
        assert found(one, 5) != [media_id(5)]


def test_the_old_encoder_answers_until_the_new_one_is_filled(library: Library) -> None:
    add_media(library, 1, 2)
    old = register(library)
    fill(library, old, 1, 2)
    library.vectors.settle(old)
    new = register(library, fingerprint="0" * 64)
    assert (old.is_ready, new.is_ready) == (True, False)
    fill(library, new, 1)
    assert library.encoder("clip") == old and len(found(library, 1, k=9)) == 2
    library.vectors.switch(new)
    assert library.encoder("clip").id == new.id and found(library, 1, k=9) == [media_id(1)]
    assert library.vectors.count(old) == 0
    assert [path.name for path in (library.store.home / "index").glob(f"{old.id}-*")] == []


def test_encoders_of_several_names_stand_side_by_side(library: Library) -> None:
    add_media(library, 1, 2)
    fill(library, register(library), 1)
    fill(library, register(library, "imagebind"), 2)
    assert found(library, 1, k=9) == [media_id(1)]
    assert [hit.media for hit in library.nearest(direction(1), "imagebind", 9)] == [media_id(2)]
    with pytest.raises(StudioError, match="there is: clip, imagebind"):
        library.encoder("siglip")


def test_removing_keeps_the_persons_file_and_deletes_the_studios_own(library: Library, tmp_path: Path) -> None:
    from encoders.media import Image

    own = tmp_path / "own.png"
    own.write_bytes(b"0123456789")
    add_media(library, 1)
    with library.store.transaction() as database:
        database.execute("INSERT INTO files VALUES (?, ?, 10, 0, 0)", (str(own), media_id(1)))
    assert library.path(media_id(1)) == own and library.paths(media_id(1)) == [str(own)]
    library.remove(media_id(1))
    assert own.exists() and library.items() == []
    stored, _ = library.media.add(Image.from_uint8(np.zeros((4, 4, 3), np.uint8)))
    path = library.path(stored.id)
    with library.store.transaction() as database:
        database.execute("INSERT INTO conversations VALUES ('c', '', 'tiny', 0, 0)")
        content = f'[{{"type": "image", "media": "{stored.id}"}}]'
        database.execute("INSERT INTO messages VALUES (1, 'c', 'assistant', ?, 'j', 0)", (content,))
    with pytest.raises(StudioError, match="conversation"):
        library.remove(stored.id)
    with library.store.transaction() as database:
        database.execute("DELETE FROM conversations")
    library.remove(stored.id)
    assert not path.exists()

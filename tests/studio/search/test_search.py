"""Searching: the nearest first, negatives push away, filters filter, and what does not stand out is not shown."""

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage
from shelf import WIDTH, Directions, Shelf, axis, media_id, noise, unit

from encoders.media import Audio
from studio.errors import StudioError
from studio.library.library import Library
from studio.library.vectors import Piece
from studio.search.result import Found
from studio.search.search import Search, SearchOptions
from studio.store import Store


@pytest.fixture
def shelf(store: Store) -> Shelf:
    library = Library(store)
    record = library.vectors.register(
        "imagebind", fingerprint="f", width=WIDTH, modalities=Directions().modalities, source="imagebind:nowhere"
    )
    return Shelf(library, record)


@pytest.fixture
def search(shelf: Shelf) -> Callable[..., Found]:
    engine = Search(shelf.library, embedders=[Directions()])
    return lambda query, **options: engine(query, SearchOptions(**options))


def ids(found: Found) -> list[str]:
    return [match.item.id for match in found.matches]


def test_what_stands_out_is_found_and_nothing_else(shelf: Shelf, search: Callable[..., Found]) -> None:
    shelf.put_bulk()
    best = shelf.put(1, Piece(unit(axis(0) + 0.3 * noise(1))))
    good = shelf.put(2, Piece(unit(axis(0) + 0.8 * noise(2))))
    found = search("boat")
    assert ids(found) == [best, good]
    assert found.notices == ()
    first = found.matches[0]
    assert first.score is not None and first.score > 5 and first.chance is not None and first.chance < 0.01
    assert first.cosine == pytest.approx(float(axis(0) @ unit(axis(0) + 0.3 * noise(1))), abs=2e-3)
    assert ids(search("something else")) == []
    assert len(search("something else", max_chance=None, limit=7).matches) == 7


def test_many_matches_do_not_hide_each_other(shelf: Shelf, search: Callable[..., Found]) -> None:
    shelf.put_bulk()
    boats = {shelf.put(number, Piece(unit(axis(0) + 0.8 * noise(number)))) for number in range(1, 41)}
    assert set(ids(search("boat", limit=40))) == boats


def test_a_small_library_gives_the_nearest_and_says_that_it_cannot_tell(
    shelf: Shelf, search: Callable[..., Found]
) -> None:
    boat = shelf.put(1, Piece(axis(0)))
    shelf.put(2)
    found = search("boat")
    assert ids(found)[0] == boat and len(ids(found)) == 2
    assert found.matches[0].score is None and "too few" in found.notices[0]


def test_what_stands_out_comes_before_kinds_too_few_to_tell(shelf: Shelf, search: Callable[..., Found]) -> None:
    shelf.put_bulk()
    boats = [shelf.put(number, Piece(unit(axis(0) + number * 0.2 * noise(number)))) for number in (1, 2, 3)]
    sounds = [shelf.put(number, kind="audio") for number in (11, 12)]
    videos = [shelf.put(number, kind="video") for number in (21, 22)]
    found = ids(search("boat"))
    assert found[:3] == boats
    assert sorted(found[3:]) == sorted(sounds + videos)
    assert {found[3] in sounds, found[4] in sounds} == {True, False}
    everything = ids(search("boat", max_chance=None))
    assert everything[:3] == boats and set(everything[3:6]) & set(sounds) and set(everything[3:6]) & set(videos)


def test_weights_and_negatives_move_the_query(shelf: Shelf, search: Callable[..., Found]) -> None:
    shelf.put_bulk()
    boat = shelf.put(1, Piece(unit(axis(0) + 0.2 * axis(5))))
    night = shelf.put(2, Piece(unit(axis(1) + 0.2 * axis(5))))
    both = shelf.put(3, Piece(unit(axis(0) + axis(1))))
    assert ids(search("boat + night", limit=1)) == [both]
    assert ids(search("4: boat + 0.1: night", limit=1)) == [boat]
    assert ids(search("boat - night", limit=1)) == [boat]
    away = search("- night", max_chance=None, limit=200)
    assert ids(away)[-2:] in ([both, night], [night, both])
    with pytest.raises(StudioError, match="take each other away"):
        search("boat - boat")


def test_a_weight_means_the_same_for_a_picture_as_for_words(
    shelf: Shelf, search: Callable[..., Found], tmp_path: Path
) -> None:
    """The pictures' first axis is ten times as wide as the others: unweighted, it alone would decide."""
    for number in range(1000, 1100):
        wide = np.random.default_rng(number).normal()
        shelf.put(number, Piece(unit(noise(number) + 3 * wide * axis(0))))
    shelf.put(1, Piece(unit(5 * axis(0) + noise(1))))
    both = shelf.put(2, Piece(unit(3 * axis(0) + 2 * axis(1) + 0.5 * noise(2))))
    assert ids(search("boat + night", limit=1)) == [both]


def test_a_file_and_its_parts_are_searched_with(shelf: Shelf, search: Callable[..., Found], tmp_path: Path) -> None:
    shelf.put_bulk()
    red, green = shelf.put(1, Piece(axis(0))), shelf.put(2, Piece(axis(1)))
    pixels = np.zeros((10, 20, 3), np.uint8)
    pixels[:, :15, 0] = 255
    pixels[:, 15:, 1] = 255
    PillowImage.fromarray(pixels).save(tmp_path / "two colours.png")
    file = f"{tmp_path}/two colours.png"
    assert ids(search(file, limit=1)) == [red]
    assert ids(search(f"{file}[75%,0%,100%,100%]", limit=1)) == [green]
    assert ids(search(f"{file}[15,0,20,10]", limit=1)) == [green]
    with pytest.raises(StudioError, match="20 x 10 pixels"):
        search(f"{file}[0,0,21,10]")
    with pytest.raises(StudioError, match="This is image"):
        search(f"{file}[1-2]")
    with pytest.raises(StudioError, match="There is no file"):
        search("./nowhere.png")


def test_more_like_this_finds_others(shelf: Shelf, search: Callable[..., Found]) -> None:
    shelf.put_bulk()
    one = shelf.put(0xA << 252, Piece(axis(0)))
    near = shelf.put(2, Piece(unit(axis(0) + 0.2 * axis(7))))
    shelf.library.texts.add(one, "caption", "boat", source="person")
    assert ids(search("like:a")) == [near]
    assert ids(search("like:a + boat")) == [near]
    with pytest.raises(StudioError, match="no one medium"):
        search("like:bbb")


def test_words_and_meaning_agree_by_reciprocal_rank(shelf: Shelf, search: Callable[..., Found]) -> None:
    shelf.put_bulk()
    seen = shelf.put(1, Piece(unit(axis(0) + 0.2 * noise(1))))
    told = shelf.put(2)
    both = shelf.put(3, Piece(unit(axis(0) + 0.3 * noise(3))))
    shelf.library.texts.add(told, "caption", "a boat at sea", source="person")
    shelf.library.texts.add(both, "tag", "boat", source="person")
    found = search("boat")
    assert ids(found)[0] == both and set(ids(found)) == {seen, told, both}
    assert {match.item.id for match in found.matches if match.has_words} == {told, both}
    assert ids(search("boat", by="meaning")) == [seen, both]
    assert set(ids(search("boat", by="words"))) == {told, both}
    assert search("boat", by="words").matches[0].cosine is None
    with pytest.raises(StudioError, match="write some"):
        search("like:1", by="words")
    with pytest.raises(StudioError, match="both, meaning, words"):
        search("boat", by="magic")


def test_part_of_the_words_moves_a_match_up_but_is_none(shelf: Shelf, search: Callable[..., Found]) -> None:
    shelf.put_bulk()
    told = shelf.put(2)
    shelf.library.texts.add(told, "caption", "a house", source="person")
    assert ids(search("a tree")) == []
    assert ids(search("a tree", max_chance=None))[0] == told


def test_every_kind_is_measured_by_its_own_background(shelf: Shelf, search: Callable[..., Found]) -> None:
    """Every sound is nearer to any words than every picture is, as it may be between the senses."""
    shelf.put_bulk()
    for number in range(3000, 3100):
        shelf.put(number, Piece(unit(noise(number) + axis(0))), kind="audio")
    picture = shelf.put(1, Piece(unit(0.8 * axis(0) + noise(1))))
    assert ids(search("boat")) == [picture]
    found = search("boat kind:audio")
    assert ids(found) == [] and found.aims["audio"].num_searched == 100


def test_a_kind_that_cannot_be_compared_is_named(store: Store) -> None:
    library = Library(store)
    record = library.vectors.register(
        "clip", fingerprint="f", width=WIDTH, modalities=("text", "image"), source="clip:x"
    )
    shelf = Shelf(library, record)
    shelf.put(1, Piece(axis(0)))
    with store.transaction() as database:
        database.execute(
            "INSERT INTO media (id, modality, content_hash, suffix, num_bytes, created) VALUES (?, 'audio', 'x', '', 1, 1)",
            (media_id(2),),
        )
    embedder = Directions(name="clip", modalities=frozenset({"text", "image"}))
    search = Search(library, embedders=[embedder])
    found = search("boat")
    assert ids(found) == [media_id(1)] and "compares text with audio" in found.notices[-1]
    with pytest.raises(StudioError, match="compares text with audio"):
        search("boat kind:audio")


def test_an_encoder_whose_weights_have_changed_is_not_asked(shelf: Shelf) -> None:
    shelf.put(1)
    search = Search(shelf.library, load=lambda name, source: Directions(fingerprint="other"))
    with pytest.raises(StudioError, match="studio library reindex"):
        search("boat")
    shelf.put(2)
    assert ids(search("like:" + media_id(1))) == [media_id(2)]


def test_the_moments_of_a_long_sound_are_told(shelf: Shelf, search: Callable[..., Found]) -> None:
    windows = [Piece(noise(number), 5.0 * number, 5.0 * number + 5) for number in range(8)]
    windows[3] = Piece(axis(2), 15, 20)
    sound = shelf.put(1, Piece(noise(50)), *windows, kind="audio", seconds=40.0)
    found = search("bell")
    (match,) = found.matches
    assert match.item.id == sound
    assert (match.moments[0].start, match.moments[0].stop) == (15, 20) and len(match.moments) == 3
    assert match.moments[0].cosine == pytest.approx(match.cosine)


RECIPE = {"options": {"seed": 42}, "preset": "tiny"}


@pytest.mark.parametrize(
    ("filters", "kept"),
    [
        ("kind:image", {1, 2}), ("kind:audio,video", {3}), ("-kind:image", {3}),
        ("date:2024", {1}), ("date:2024-05", {1}), ("date:2024-05-06", {1}), ("date:2024-06", set()),
        ("date:>2024", {2, 3}), ("date:<=2024", {1}), ("date:2023..2024-05", {1}), ("-date:2024", {2, 3}),
        ("added:today", set()), ("added:1970", {1, 2, 3}),
        ("size:>1kb", {2}), ("size:<=2kb", {1, 2, 3}), ("size:10,20", {1, 3}), ("size:<1kib", {1, 3}),
        ("width:>=640", {2}), ("-width:>=640", {1, 3}), ("height:100..480", {2}), ("seconds:>3.5", {3}),
        ("star:yes", {1}), ("star:no", {2, 3}), ("collection:\"Best, of\"", {2}), ("-collection:\"Best, of\"", {1, 3}),
        ("tag:boat,xyz", {1}), ("preset:tiny", {2}), ("preset:other", set()),
        ("seed:42", {2}), ("seed:<42", set()), ("prompt:\"RED bell\"", {2}), ("prompt:%", set()),
        ("kind:image -star:yes", {2}),
    ],
)  # fmt: skip
def test_filters_filter(shelf: Shelf, search: Callable[..., Found], filters: str, kept: set[int], store: Store) -> None:
    shelf.put(1, num_bytes=20)
    shelf.put(2, num_bytes=2000, width=640, height=480)
    shelf.put(3, kind="audio", seconds=4.0)
    library = shelf.library
    library.star(media_id(1))
    library.collect("Best, of", [media_id(2)])
    library.texts.add(media_id(1), "tag", "Boat", source="person")
    library.texts.add(media_id(2), "prompt", "draw a red bell", source="recipe")
    changed = {1: datetime(2024, 5, 6, 12).timestamp(), 2: datetime(2025, 1, 1).timestamp()}
    with store.transaction() as database:
        database.execute("INSERT INTO recipes VALUES (?, ?, 0)", (media_id(2), json.dumps(RECIPE)))
        for number, moment in {**changed, 3: datetime(2026, 1, 1).timestamp()}.items():
            values = (f"/f{number}", media_id(number), int(moment * 1e9))
            database.execute("INSERT INTO files VALUES (?, ?, 1, ?, 0)", values)
    found = search(filters)
    assert ids(found) == [media_id(number) for number in sorted(kept, reverse=True)]
    assert set(ids(search(f"boat {filters}", max_chance=None))) == {media_id(number) for number in kept}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("kind:smell", "kind: wants one or more of image, audio, video"),
        ("date:yesteryear", "date: wants a date, as 2025"),
        ("date:2025-13", "wants a date"),
        ("date:2026..2025", "the smaller first"),
        ("size:big", "wants a size, as 500kb"),
        ("size:5parsecs", "wants a size"),
        ("width:nan", "wants a number"),
        ("seed:1.5", "wants a number"),
        ("star:maybe", "yes or no"),
        ("collection:x", "There is no collection 'x'; there is: none yet"),
        ("tag:,", "wants a value"),
        ('tag:"",', "wants a value"),
    ],
)
def test_a_filter_that_is_not_understood_says_what_it_wants(search: Callable[..., Found], text: str, says: str) -> None:
    with pytest.raises(StudioError, match=says):
        search(text)


def test_matches_become_attachments(shelf: Shelf, search: Callable[..., Found], tmp_path: Path) -> None:
    file = tmp_path / "own.png"
    file.write_bytes(b"0123456789")
    one = shelf.put(1, Piece(axis(0)))
    with shelf.library.store.transaction() as database:
        database.execute("INSERT INTO files VALUES (?, ?, 10, 0, 0)", (str(file), one))
    found = search("boat")
    assert found.attachments() == {"image": [file]}
    told = found.to_dict()
    assert told["matches"][0]["path"] == str(file) and json.loads(json.dumps(told)) == told
    file.unlink()
    assert found.path(found.matches[0]) is None
    with pytest.raises(StudioError, match="missing"):
        found.attachments()


def test_a_part_of_a_sound_is_a_part(tmp_path: Path) -> None:
    from studio.search.parts import cut
    from studio.search.query import Span

    sound = Audio.from_numpy(np.arange(800, dtype=np.float32) / 1000, 100)
    part = cut(sound, Span(2, 3))
    assert isinstance(part, Audio)
    np.testing.assert_array_equal(part.waveform.numpy()[0], np.arange(200, 300, dtype=np.float32) / 1000)
    assert cut(sound, Span(7.999, 100)).content_hash == Audio(sound.waveform[:, -1:], 100).content_hash
    with pytest.raises(StudioError, match=r"ends at 8\.0 s"):
        cut(sound, Span(8, 9))


def test_each_kind_is_asked_in_the_space_that_reads_all_terms(store: Store, tmp_path: Path) -> None:
    """CLIP where it reads everything, ImageBind for the rest: a sum with a sound in it leaves CLIP."""
    library = Library(store)
    both = Directions()
    clip = Directions(name="clip", source="clip:x", modalities=frozenset({"text", "image"}), words={"boat": 4})
    records = {
        one.name: library.vectors.register(
            one.name, fingerprint="f", width=WIDTH, modalities=one.modalities, source=one.source
        )
        for one in (both, clip)
    }
    shelf = Shelf(library, records["imagebind"])
    shelf.put_bulk(60)
    shelf.put_bulk(60, start=5000, kind="audio")
    for number in range(1000, 1060):
        library.vectors.put(media_id(number), records["clip"], [Piece(noise(number))])
    by_clip, by_imagebind = shelf.put(1, Piece(noise(1))), shelf.put(2, Piece(axis(0)))
    library.vectors.put(by_clip, records["clip"], [Piece(axis(4))])
    library.vectors.put(by_imagebind, records["clip"], [Piece(noise(2))])
    sound = shelf.put(3, Piece(unit(axis(0) + 0.1 * axis(5))), kind="audio")
    search = Search(library, embedders=[both, clip])
    found = search("boat")
    assert {kind: aim.encoder.name for kind, aim in found.aims.items()} == {"image": "clip", "audio": "imagebind"}
    assert set(ids(found)) >= {by_clip, sound} and by_imagebind not in ids(found)
    found = search("boat", SearchOptions(encoder="imagebind"))
    assert {aim.encoder.name for aim in found.aims.values()} == {"imagebind"} and by_imagebind in ids(found)
    found = search("boat kind:image,audio", SearchOptions(encoder="clip"))
    assert set(found.aims) == {"image"} and any("text with audio" in notice for notice in found.notices)
    found = search(f"boat + like:{sound}")
    assert {aim.encoder.name for aim in found.aims.values()} == {"imagebind"} and ids(found)[0] == by_imagebind

"""What the studio made is compared once with what was there before, and a near-copy is written down and told."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from encoders.files import write_media
from encoders.media import Audio, Image, Media
from studio.library.artefacts import NEAR_COPY, Artefact, compare_at_once, take_in_artefacts
from studio.library.ingest import ingest_folder
from studio.library.library import Library
from studio.library.near_copies import await_comparison, near_copy_sentences, originals_of
from studio.store import Store


@pytest.fixture
def library(store: Store) -> Library:
    return Library(store)


def noise(seed: int, *, side: int = 64) -> Image:
    colours = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
    return Image.from_uint8(np.array(PillowImage.fromarray(colours).resize((side, side))))


def made(library: Library, media: Media) -> str:
    stored, _ = library.media.add(media)
    with library.store.transaction() as database:
        database.execute("INSERT INTO recipes VALUES (?, '{}', 0)", (stored.id,))
    return stored.id


def tags(library: Library, media: str) -> list[str]:
    return [text.text for text in library.texts.of(media) if text.kind == "tag"]


def test_an_artefact_is_compared_once_with_what_was_there_before(library: Library) -> None:
    one = made(library, noise(0))
    assert compare_at_once(library, [one]) == [Artefact(one, ())]
    two, three = made(library, noise(0, side=60)), made(library, noise(1))
    assert list(take_in_artefacts(library)) == [Artefact(two, (one,)), Artefact(three, ())]
    assert tags(library, two) == [NEAR_COPY] and tags(library, one) == tags(library, three) == []
    assert (originals_of(library.store, two), originals_of(library.store, three)) == ([one], [])
    assert compare_at_once(library, [one, two, three]) == list(take_in_artefacts(library)) == []


def test_of_two_made_at_once_the_later_is_the_copy(library: Library) -> None:
    one, two = made(library, noise(0)), made(library, noise(0, side=60))
    assert compare_at_once(library, [two, one]) == [Artefact(two, (one,)), Artefact(one, ())]


def test_what_a_person_showed_is_an_original_and_never_a_copy(library: Library, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    write_media(folder / "sunset.png", noise(0))
    (added,) = [outcome.media for outcome in ingest_folder(library, folder, [])]
    assert added is not None
    shown, _ = library.media.add(noise(0, side=62))
    copy = made(library, noise(0, side=60))
    (artefact,) = compare_at_once(library, [shown.id, copy])
    assert artefact == Artefact(copy, (added, shown.id)) and tags(library, shown.id) == []
    (said,) = near_copy_sentences(library.store, [shown.id, copy])
    assert said == f"The picture {copy[:12]} is nearly the same as {added[:12]} (sunset.png) and 1 more in the library."


def test_the_same_sound_is_told_as_the_same_and_forgotten_with_its_original(library: Library) -> None:
    waveform = np.sin(np.arange(8000) / 9).astype(np.float32)
    stored, content = library.media.add(Audio.from_numpy(waveform, 8000))
    assert isinstance(content, Audio)
    again, _ = library.media.add(content, metadata={"studio": "made"})
    with library.store.transaction() as database:
        database.execute("INSERT INTO recipes VALUES (?, '{}', 0)", (again.id,))
    assert again.id != stored.id and again.content_hash == stored.content_hash
    assert compare_at_once(library, [again.id]) == [Artefact(again.id, (stored.id,))]
    (said,) = near_copy_sentences(library.store, [again.id])
    assert said == f"The sound {again.id[:12]} is the same as {stored.id[:12]} in the library."
    library.remove(stored.id)
    assert near_copy_sentences(library.store, [again.id]) == []


def test_what_is_missing_is_compared_too_so_that_nobody_waits_for_it(library: Library) -> None:
    one = made(library, noise(0))
    library.path(one).unlink()
    await_comparison(library.store, [one], seconds=0)
    assert compare_at_once(library, [one]) == [Artefact(one, ())]
    await_comparison(library.store, [one, "f" * 64], seconds=600)

"""The map of the library: what lies near what, which media it takes, and the page on which it is wandered in."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest
from streamlit.testing.v1 import AppTest
from studio_pages import html_of, open_page

from encoders.media import Image
from studio.library.gallery import BIN, View, throw_away
from studio.library.library import Library
from studio.library.map import flatten, landmarks, map_of
from studio.library.vectors import Piece
from studio.store import Store

pytestmark = pytest.mark.usefixtures("started_workers")

WIDTH = 8


@pytest.fixture
def library(store: Store) -> Library:
    return Library(store)


def fill(library: Library, vectors: npt.NDArray[np.float32], *, name: str = "imagebind") -> list[str]:
    """Put pictures with these vectors into the library; return their ids."""
    encoder = library.vectors.register(name, fingerprint=name, width=WIDTH, modalities=["image"], source="none")
    ids = []
    for number, vector in enumerate(vectors):
        stored, _ = library.media.add(Image.from_uint8(np.full((8, 8, 3), number * 3, np.uint8)))
        library.texts.add(stored.id, "name", f"thing {number}", source="file")
        library.vectors.put(stored.id, encoder, [Piece(vector)])
        ids.append(stored.id)
    return ids


def around(centres: Sequence[int], count: int) -> npt.NDArray[np.float32]:
    """Return unit vectors, `count` near each of some axes."""
    drawn = np.random.default_rng(0).normal(scale=0.05, size=(len(centres) * count, WIDTH))
    for number, centre in enumerate(np.repeat(centres, count)):
        drawn[number, centre] += 1
    return (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)


def test_what_means_nearly_the_same_lies_near(library: Library) -> None:
    ids = fill(library, around([0, 3, 5], 4))
    drawn = map_of(library)
    assert (drawn.total, drawn.encoder) == (12, "imagebind")
    at = {place.media: np.array([place.x, place.y]) for place in drawn.places}
    groups = [np.stack([at[one] for one in ids[start : start + 4]]) for start in (0, 4, 8)]
    within = max(np.linalg.norm(group - group.mean(0), axis=1).max() for group in groups)
    between = min(
        np.linalg.norm(a.mean(0) - b.mean(0)) for n, a in enumerate(groups) for b in groups[:n]
    )  # fmt: skip
    assert between > 3 * within
    assert {place.name for place in drawn.places} == {f"thing {number}" for number in range(12)}
    assert max(abs(place.x) for place in drawn.places) == pytest.approx(1)


def test_the_two_directions_are_those_of_a_singular_value_decomposition() -> None:
    values = np.random.default_rng(1).normal(size=(40, WIDTH)).astype(np.float32)
    flat = flatten(values, ["image"] * 40)
    left, sizes, _ = np.linalg.svd(values - values.mean(0), full_matrices=False)
    wanted = left[:, :2] * sizes[:2]
    for column in range(2):
        one = wanted[:, column] / np.abs(wanted[:, column]).max()
        sign = np.sign(one @ flat[:, column])
        np.testing.assert_allclose(flat[:, column], sign * one, atol=1e-5)


def test_a_sound_lies_with_the_pictures_of_what_sounds_whatever_keeps_the_kinds_apart() -> None:
    pictures = around([0, 3], 4)
    sounds = pictures + 5 * np.eye(WIDTH, dtype=np.float32)[7]
    flat = flatten(np.concatenate([pictures, sounds]), ["image"] * 8 + ["audio"] * 8)
    np.testing.assert_allclose(flat[:8], flat[8:], atol=1e-5)


def test_one_medium_and_equal_media_lie_in_the_middle(library: Library) -> None:
    assert map_of(library).places == ()
    fill(library, np.tile(around([0], 1), (3, 1)))
    assert [(place.x, place.y) for place in map_of(library).places] == [(0.0, 0.0)] * 3


def test_a_view_and_the_bin_narrow_the_map_and_the_fullest_encoder_draws_it(library: Library) -> None:
    ids = fill(library, around([0, 3], 4))
    fill(library, around([0], 2), name="clip")
    assert map_of(library).encoder == "imagebind"
    throw_away(library, ids[:2])
    assert map_of(library).total == 6
    assert map_of(library, View(collection=BIN)).total == 2
    library.star(ids[5])
    assert [place.media for place in map_of(library, View(starred=True)).places] == [ids[5]]


def test_of_a_large_library_a_part_is_taken_evenly_and_the_whole_is_told(library: Library) -> None:
    ids = fill(library, around([0, 3], 10))
    drawn = map_of(library, limit=5)
    assert (len(drawn.places), drawn.total) == (5, 20)
    order = [ids.index(place.media) for place in drawn.places]
    assert max(order) - min(order) >= 12


def test_landmarks_stand_for_their_parts_of_the_map(library: Library) -> None:
    fill(library, around([0, 3, 5], 4))
    places = map_of(library).places
    few = landmarks(places, across=2, down=2)
    assert 2 <= len(few) <= 4
    assert set(few) <= set(landmarks(places, across=200, down=200))


def open_map() -> AppTest:
    page = open_page("library").run()
    return page.button_group(key="layout").set_value("map").run()


def test_a_map_of_nothing_says_how_it_fills(store: Store) -> None:
    page = open_map()
    assert not page.exception
    assert "No map yet" in html_of(page)


def test_the_page_shows_the_map_with_what_its_colours_mean(library: Library) -> None:
    fill(library, around([0, 3, 5], 4))
    page = open_map()
    assert not page.exception
    (drawn,) = page.get("bidi_component")
    assert drawn.proto.component_name == "studio_map"
    assert "thing 11" in drawn.proto.json
    assert "Pictures" in html_of(page)
    assert "Sounds" not in html_of(page)

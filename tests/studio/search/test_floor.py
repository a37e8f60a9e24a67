"""Words that fit nothing in a library of clumps find nothing, though they are nearer to one clump than to the others."""

import zlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest
from shelf import KINDS, WIDTH, Shelf, axis, unit

from encoders.media import Media, Text
from studio.library.labels import tag_by_labels
from studio.library.library import Library
from studio.library.vectors import Piece
from studio.search.search import Search, SearchOptions
from studio.store import Store

NUM_CLUMPS, ITEMS = 12, 10
LEAN = 0.35


@dataclass(frozen=True)
class Clumped:
    """Stands in for an encoder: "thing N" points into clump N, all other words somewhere, leaning to one of the clumps."""

    name: str = "imagebind"
    fingerprint: str = "f"
    width: int = WIDTH
    modalities: frozenset[str] = frozenset({"text", *KINDS})
    source: str = "imagebind:nowhere"

    def embed(self, media: Media) -> npt.NDArray[np.float32]:
        assert isinstance(media, Text)
        generator = np.random.default_rng(zlib.crc32(media.text.encode()))
        if media.text.startswith("thing "):
            return near(int(media.text.removeprefix("thing ")), generator, 0.5)
        elsewhere = unit(np.concatenate([np.zeros(NUM_CLUMPS), generator.normal(size=WIDTH - NUM_CLUMPS)]))
        return unit(LEAN * axis(int(generator.integers(NUM_CLUMPS))) + elsewhere)


def near(clump: int, generator: np.random.Generator, spread: float) -> npt.NDArray[np.float32]:
    return unit(axis(clump) + spread * unit(generator.normal(size=WIDTH)))


@pytest.fixture
def search(store: Store) -> Search:
    """Sounds of twelve things, ten of each."""
    embedder = Clumped()
    library = Library(store)
    record = library.vectors.register(
        embedder.name, fingerprint="f", width=WIDTH, modalities=embedder.modalities, source=embedder.source
    )
    shelf, generator = Shelf(library, record), np.random.default_rng(0)
    for number in range(NUM_CLUMPS * ITEMS):
        shelf.put(number, Piece(near(number % NUM_CLUMPS, generator, 0.1)), kind="audio")
    return Search(library, embedders=[embedder])


ABSENT = ("a purple submarine", "an invoice", "a newspaper", "the taste of salt", "zebra", "sushi on a plate")


def test_words_that_fit_nothing_find_next_to_nothing(search: Search, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [len(search(words).matches) for words in ABSENT]
    assert found.count(0) >= len(ABSENT) - 1 and sum(found) <= 2
    assert all(search(words, SearchOptions(max_chance=None)).matches for words in ABSENT)  # asked for all the same
    monkeypatch.setattr("studio.search.floor.REACH", -np.inf)
    clumps = [len(search(words).matches) for words in ABSENT]
    assert clumps.count(0) <= 1 and sum(clumps) >= len(ABSENT) * ITEMS // 2  # without the floor, clumps stand out


def test_words_that_fit_find_all_of_their_clump(search: Search) -> None:
    for clump in range(NUM_CLUMPS):
        found = {int(match.item.id, 16) % NUM_CLUMPS for match in search(f"thing {clump}").matches}
        assert found == {clump} and len(search(f"thing {clump}").matches) == ITEMS


def test_a_label_that_fits_nothing_is_put_on_next_to_nothing(search: Search) -> None:
    counts = tag_by_labels(search, ["thing 3", *ABSENT]).counts
    assert counts.pop("thing 3") == ITEMS and sum(counts.values()) <= 2

"""What the studio made since the last look: taken into the library, and compared with all of it for near-copies."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from studio.errors import StudioError
from studio.ingest import ADDED, make_up
from studio.library import Library
from studio.library_duplicates import near_copies_of
from studio.library_encoders import Embedder
from studio.search_spaces import Spaces

NEAR_COPY = "near-copy"  # the tag of an artefact that is like what was there: found by tag:near-copy


@dataclass(frozen=True)
class Artefact:
    """Something that is new in the library, and what it is the same as or nearly so, the oldest first."""

    media: str
    near_copies: tuple[str, ...]


def take_in_artefacts(library: Library, embedders: Sequence[Embedder] = ()) -> Iterator[Artefact]:
    """Index what is not indexed yet, and yield what the studio made of it; near-copies are tagged NEAR_COPY.

    Without encoders this only reads, pictures and compares, which is quick; whoever searches next indexes the rest.
    """
    fresh = {row["id"] for row in library.store.rows(_FRESH, True)}
    for outcome in make_up(library, embedders):
        if outcome.state == ADDED and outcome.media is not None and outcome.media in fresh:
            copies = tuple(near_copies_of(library, outcome.media))
            if copies:
                library.texts.add(outcome.media, "tag", NEAR_COPY, source="studio")
            yield Artefact(outcome.media, copies)


def catch_up(library: Library, spaces: Spaces) -> list[Artefact]:
    """Take in what was made since, with the encoders that answer; an encoder that is not what it was is left out."""
    ready = [record for record in library.vectors.encoders() if record.is_ready]
    lacking = [record for record in ready if library.store.row(_UNINDEXED, True, record.id) is not None]
    if not lacking and library.store.row(_FRESH, True) is None:
        return []
    embedders = []
    for record in lacking:
        try:
            embedders.append(spaces.embedder(record))
        except (StudioError, ValueError):
            continue  # a search that needs it will say what is wrong with it
    return list(take_in_artefacts(library, embedders))


_FRESH = "SELECT id FROM media WHERE is_stored = ? AND id NOT IN (SELECT media FROM thumbnails)"
_UNINDEXED = (
    "SELECT 1 FROM media WHERE is_stored = ? AND NOT EXISTS (SELECT 1 FROM vectors WHERE vectors.media = media.id "
    "AND vectors.encoder = ?) LIMIT 1"
)

"""What the studio made: taken into the library, and compared once with all that was there before it for near-copies."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from studio.errors import StudioError
from studio.library.duplicates import near_copies_of
from studio.library.encoders import Embedder
from studio.library.ingest import make_up, picture
from studio.library.library import Library
from studio.library.near_copies import record_comparison
from studio.search.spaces import Spaces

NEAR_COPY = "near-copy"  # the tag of an artefact that is like what was there: found by tag:near-copy


@dataclass(frozen=True)
class Artefact:
    """Something that the studio made, and what it is the same as or nearly so, the oldest first."""

    media: str
    near_copies: tuple[str, ...]


def take_in_artefacts(library: Library, embedders: Sequence[Embedder] = ()) -> Iterator[Artefact]:
    """Index what is not indexed yet; then compare and yield what the studio made since the last time."""
    for _ in make_up(library, embedders):
        pass
    yield from _compare(library, [row["id"] for row in library.store.rows(_NEW)])


def compare_at_once(library: Library, media: Sequence[str]) -> list[Artefact]:
    """Compare what the studio made among these media, which takes no encoder: whoever searches next indexes them.

    Those among them that it did not make, as what a person showed, are pictured first, and so compared with too.
    """
    picture(library, media)
    new = {row["id"] for row in library.store.rows(_NEW)}
    return list(_compare(library, [one for one in media if one in new]))


def catch_up(library: Library, spaces: Spaces) -> list[Artefact]:
    """Take in what was made since, with the encoders that answer; an encoder that is not what it was is left out."""
    ready = [record for record in library.vectors.encoders() if record.is_ready]
    lacking = [record for record in ready if library.store.row(_UNINDEXED, True, record.id) is not None]
    if not lacking and all(library.store.row(query) is None for query in (_UNPICTURED, _NEW)):
        return []
    embedders = []
    for record in lacking:
        try:
            embedders.append(spaces.embedder(record))
        except (StudioError, ValueError):
            continue  # a search that needs it will say what is wrong with it
    return list(take_in_artefacts(library, embedders))


def _compare(library: Library, media: Sequence[str]) -> Iterator[Artefact]:
    """Compare, flag and yield artefacts, each with what came before it."""
    for media_id in media:
        item = library.get(media_id)
        others = [library.get(other) for other in near_copies_of(library, media_id)]
        copies = tuple(other.id for other in others if (other.created, other.id) < (item.created, item.id))
        with library.store.transaction() as database:
            record_comparison(database, media_id, copies)
            if copies:
                library.texts.add(media_id, "tag", NEAR_COPY, source="studio")
        yield Artefact(media_id, copies)


_NEW = (
    "SELECT media.id AS id FROM media JOIN recipes ON recipes.media = media.id WHERE compared IS NULL "
    "ORDER BY media.created, media.id"
)
_UNPICTURED = "SELECT 1 FROM media WHERE is_stored AND id NOT IN (SELECT media FROM thumbnails) LIMIT 1"
_UNINDEXED = (
    "SELECT 1 FROM media WHERE is_stored = ? AND NOT EXISTS (SELECT 1 FROM vectors WHERE vectors.media = media.id "
    "AND vectors.encoder = ?) LIMIT 1"
)

"""The same content twice, and near-copies of it: resized, compressed again, slightly changed."""

import io
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage

from studio.library.library import Library

MAX_BITS = 8  # of 64 in which the looks of near-copies differ
MAX_DIFFERENCE = 10.0  # of 255: the mean of what their small pictures differ in
# Of 255: the most that they differ in at any place. Compressed or resized, small pictures of the world differ in up to 24;
# another thing on the same ground makes 57 or more.
MAX_LOCAL_DIFFERENCE = 40.0
SIDE = 16
ROWS, COLUMNS = 1024, 8192  # of a tile of the table of all pairs; at least as many columns as rows


@dataclass(frozen=True)
class Group:
    """Media that are the same (`is_exact`: bytes or content) or nearly so; ids, and the person's files that hold them."""

    is_exact: bool
    media: tuple[str, ...]
    paths: tuple[str, ...]


def find_duplicates(library: Library) -> list[Group]:
    """Return groups of files with the same bytes or the same content."""
    groups: dict[str, list[str]] = defaultdict(list)
    for row in library.store.rows(
        "SELECT id, content_hash FROM media WHERE content_hash IN (SELECT content_hash FROM media GROUP BY content_hash "
        "HAVING COUNT(*) > 1) OR id IN (SELECT media FROM files GROUP BY media HAVING COUNT(*) > 1) ORDER BY created, id"
    ):
        groups[row["content_hash"]].append(row["id"])
    return [_group(library, media, is_exact=True) for media in groups.values()]


def find_near_copies(library: Library) -> list[Group]:
    """Return groups of media of one kind that look or sound nearly the same and are not duplicates."""
    groups = []
    for modality in ("image", "audio", "video"):
        rows = library.store.rows(
            "SELECT MIN(id) AS id, look FROM media WHERE modality = ? AND look IS NOT NULL "
            "GROUP BY content_hash, look ORDER BY MIN(created), MIN(id)",
            modality,
        )
        ids = [row["id"] for row in rows]
        looks = np.array([row["look"] for row in rows], np.int64).view(np.uint64)
        leaders = list(range(len(ids)))
        for one, other in _pairs(looks):
            if leaders[other] == other and _alike(library, ids[one], ids[other]):
                leaders[other] = leaders[one]
        members: dict[int, list[str]] = defaultdict(list)
        for at, leader in enumerate(leaders):
            members[leader].append(ids[at])
        groups += [_group(library, media, is_exact=False) for media in members.values() if len(media) > 1]
    return groups


def near_copies_of(library: Library, media_id: str) -> list[str]:
    """Return the media that are the same as this one or nearly so, the oldest first."""
    row = library.store.row("SELECT * FROM media WHERE id = ?", media_id)
    if row is None:
        return []
    others = library.store.rows(
        "SELECT id, content_hash, look FROM media WHERE modality = ? AND id <> ? ORDER BY created, id",
        row["modality"],
        media_id,
    )
    same = [other["id"] for other in others if other["content_hash"] == row["content_hash"]]
    if row["look"] is None:
        return same
    looking = [other for other in others if other["look"] is not None and other["id"] not in same]
    looks = np.array([other["look"] for other in looking], np.int64).view(np.uint64)
    bits = np.bitwise_count(looks ^ np.array([row["look"]], np.int64).view(np.uint64))
    near = [looking[at]["id"] for at in np.flatnonzero(bits <= MAX_BITS)]
    return same + [other for other in near if _alike(library, media_id, other)]


def _pairs(looks: npt.NDArray[np.uint64]) -> Iterator[tuple[int, int]]:
    """Yield the pairs (earlier, later) whose looks differ in few bits; no pair of a medium comes before those that it ends."""
    for top in range(0, len(looks), ROWS):
        for left in range(top, len(looks), COLUMNS):
            bits = np.bitwise_count(looks[top : top + ROWS, None] ^ looks[None, left : left + COLUMNS])
            ones, others = np.nonzero(bits <= MAX_BITS)
            ones, others = ones + top, others + left
            later = others > ones
            yield from zip(ones[later].tolist(), others[later].tolist(), strict=True)


def _alike(library: Library, one: str, other: str) -> bool:
    """Compare two thumbnails in colour, of which a look knows nothing."""
    first, second = _small(library, one), _small(library, other)
    if first is None or second is None:
        return False
    difference = np.abs(first - second).mean(axis=2)
    return bool(difference.mean() <= MAX_DIFFERENCE and difference.max() <= MAX_LOCAL_DIFFERENCE)


def _small(library: Library, media_id: str) -> npt.NDArray[np.float32] | None:
    webp = library.thumbnail(media_id)
    if webp is None:
        return None
    with PillowImage.open(io.BytesIO(webp), formats=["WEBP"]) as picture:
        small = picture.convert("RGB").resize((SIDE, SIDE), PillowImage.Resampling.BOX)
    return np.asarray(small, dtype=np.float32)


def _group(library: Library, media: list[str], *, is_exact: bool) -> Group:
    return Group(is_exact, tuple(media), tuple(path for media_id in media for path in library.paths(media_id)))

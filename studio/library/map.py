"""The library as a map: media that mean nearly the same lie near each other, whatever kind they are."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sqlalchemy import Select, func, select

from studio.library.gallery import View, kept_in, names_of
from studio.library.library import Library
from studio.library.vectors import EncoderRecord
from studio.schema import media, vectors

MAX_PLACES = 4000  # of a larger library, as many are taken evenly: a screen shows no more of them apart
NAMES_AT_ONCE = 500


@dataclass(frozen=True)
class Place:
    """A medium on the map; `x` and `y` from -1 to 1."""

    media: str
    modality: str
    x: float
    y: float
    name: str


@dataclass(frozen=True)
class LibraryMap:
    """Places of media, how many a full map would have, and by whose vectors it was drawn; "" where nothing has any."""

    places: tuple[Place, ...]
    total: int
    encoder: str


def map_of(library: Library, view: View | None = None, *, limit: int = MAX_PLACES) -> LibraryMap:
    """Lay out the media of a view by the two directions in which their vectors differ most (PCA).

    The encoder is the one that has seen most of them.
    """
    kept = kept_in(library, view or View())
    best: tuple[int, EncoderRecord] | None = None
    for record in library.vectors.encoders():
        if record.is_ready:
            whole = _of(record).where(vectors.c.media.in_(kept)).order_by(None).subquery()
            row = library.store.row(select(func.count().label("number")).select_from(whole))
            if row is not None and row["number"] and (best is None or row["number"] > best[0]):
                best = int(row["number"]), record
    if best is None:
        return LibraryMap((), 0, "")
    total, record = best
    rows = [dict(row) for row in library.store.rows(_of(record).where(vectors.c.media.in_(kept)))]
    rows = [rows[place * len(rows) // limit] for place in range(limit)] if len(rows) > limit else rows
    values = np.frombuffer(b"".join(row["vector"] for row in rows), "<f2").astype(np.float32)
    kinds = [row["modality"] for row in rows]
    flat = flatten(values.reshape(len(rows), record.width), kinds)
    names = _names(library, [row["media"] for row in rows])
    places = tuple(
        Place(row["media"], row["modality"], float(x), float(y), names.get(row["media"], ""))
        for row, (x, y) in zip(rows, flat, strict=True)
    )
    return LibraryMap(places, total, record.name)


def flatten(values: npt.NDArray[np.float32], kinds: list[str]) -> npt.NDArray[np.float64]:
    """Return where vectors (N, width) lie in the plane of their two main directions, (N, 2), from -1 to 1.

    The middle of each kind is taken away first: encoders keep pictures, sounds and videos apart ("modality gap"; Liang
    et al. 2022), and the map is to show what they mean instead. The sign of a direction, which PCA leaves open, is such
    that the largest part of it is positive, so a map stays as it was when it is drawn again.
    """
    centred = values.astype(np.float64)
    for kind in set(kinds):
        chosen = np.array([one == kind for one in kinds])
        centred[chosen] -= centred[chosen].mean(0)
    _, directions = np.linalg.eigh(centred.T @ centred)
    main = directions[:, ::-1][:, :2]
    main = main * np.sign(main[np.abs(main).argmax(0), [0, 1]])
    flat = centred @ main
    reach = np.abs(flat).max(0)
    return np.asarray(flat / np.where(reach > 0, reach, 1))


def landmarks(places: tuple[Place, ...], *, across: int = 12, down: int = 9) -> list[int]:
    """Return the numbers of places that stand for their part of the map, one for each of its fields."""
    taken: dict[tuple[int, int], int] = {}
    for number, place in enumerate(places):
        field = min(int((place.x + 1) / 2 * across), across - 1), min(int((place.y + 1) / 2 * down), down - 1)
        taken.setdefault(field, number)
    return sorted(taken.values())


def _of(record: EncoderRecord) -> Select[tuple[str, str, bytes]]:
    """Return the vectors of whole media, each with its kind, in an order that stays."""
    joined = select(vectors.c.media, media.c.modality, vectors.c.vector).join(media, media.c.id == vectors.c.media)
    return joined.where(vectors.c.encoder == record.id, vectors.c.piece == 0).order_by(media.c.created, media.c.id)


def _names(library: Library, ids: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for start in range(0, len(ids), NAMES_AT_ONCE):
        found |= names_of(library, ids[start : start + NAMES_AT_ONCE])
    return found

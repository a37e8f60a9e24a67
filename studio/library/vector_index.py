"""Search among unit vectors by cosine: every row up to some 200,000, a graph (HNSW) beyond; both of usearch."""

from typing import Protocol, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
from usearch.index import Index, search

EXACT_ROWS = 200_000
METRIC = "ip"  # of unit vectors, the cosine; usearch returns 1 - it
# A graph finds the tenth nearest of a million almost always with these; see `studio library bench`.
CONNECTIVITY = 16
EXPANSION_ADD = 128
EXPANSION_SEARCH = 192
OVERSAMPLE = 2.0

Ids: TypeAlias = npt.NDArray[np.int64]
Vectors: TypeAlias = npt.NDArray[np.float16]
Query: TypeAlias = npt.NDArray[np.floating]
Number = TypeVar("Number", bound=np.generic)
Found: TypeAlias = tuple[Ids, npt.NDArray[np.float32]]


class VectorIndex(Protocol):
    """Vectors by id. Ids come in growing order and are never used twice."""

    @property
    def ids(self) -> Ids:
        """Return the ids, (N,), growing."""
        ...

    @property
    def width(self) -> int: ...

    def add(self, ids: Ids, vectors: Vectors) -> None:
        """Add (N,) ids, all larger than those before, with (N, width) unit vectors."""
        ...

    def remove(self, ids: Ids) -> None:
        """Take (N,) ids out; those that are not there do not matter."""
        ...

    def nearest(self, query: Query, k: int, allowed: Ids | None = None) -> Found:
        """Return the ids and cosines of the k nearest to (width,), best first, of (M,) growing `allowed` ids alone."""
        ...


class ExactIndex:
    """All vectors in one array, all of them compared."""

    def __init__(self, width: int) -> None:
        self.width = width
        self._count = 0
        self._ids: Ids = np.zeros(0, np.int64)
        self._vectors: Vectors = np.zeros((0, width), np.float16)

    @property
    def ids(self) -> Ids:
        return self._ids[: self._count]

    @property
    def vectors(self) -> Vectors:
        """Return the vectors in the order of their ids, (N, width)."""
        return self._vectors[: self._count]

    def add(self, ids: Ids, vectors: Vectors) -> None:
        _check_growing(self.ids, ids, vectors, self.width)
        end = self._count + len(ids)
        if end > len(self._ids):
            capacity = max(end, min(2 * len(self._ids), len(self._ids) + EXACT_ROWS), 1024)
            self._ids = _grown(self._ids, self._count, capacity)
            self._vectors = _grown(self._vectors, self._count, capacity)
        self._ids[self._count : end] = ids
        self._vectors[self._count : end] = vectors
        self._count = end

    def remove(self, ids: Ids) -> None:
        keep = ~np.isin(self.ids, ids)
        self._ids, self._vectors = self.ids[keep], self.vectors[keep]
        self._count = len(self._ids)

    def nearest(self, query: Query, k: int, allowed: Ids | None = None) -> Found:
        ids, vectors = self.ids, self.vectors
        if allowed is not None:
            rows = _rows_of(ids, allowed)
            ids, vectors = ids[rows], vectors[rows]
        return _exactly(ids, vectors, _checked(query, self.width), k)


class GraphIndex:
    """A graph of near neighbours (Malkov and Yashunin, arXiv 1603.09320), searched in a fraction of the time."""

    def __init__(self, width: int, *, index: Index | None = None) -> None:
        self.width = width
        self.index = index or Index(
            ndim=width,
            metric=METRIC,
            dtype="f16",
            connectivity=CONNECTIVITY,
            expansion_add=EXPANSION_ADD,
            expansion_search=EXPANSION_SEARCH,
        )
        self._ids: Ids = (
            np.sort(np.array(self.index.keys, dtype=np.int64)) if len(self.index) else np.zeros(0, np.int64)
        )

    @property
    def ids(self) -> Ids:
        return self._ids

    def add(self, ids: Ids, vectors: Vectors) -> None:
        _check_growing(self.ids, ids, vectors, self.width)
        self.index.add(ids.astype(np.uint64), vectors)
        self._ids = np.concatenate([self._ids, ids])

    def remove(self, ids: Ids) -> None:
        there = self._ids[_rows_of(self._ids, np.unique(ids))]
        if len(there):
            self.index.remove(there.astype(np.uint64))
            self._ids = np.setdiff1d(self._ids, there, assume_unique=True)

    def nearest(self, query: Query, k: int, allowed: Ids | None = None) -> Found:
        query = _checked(query, self.width)
        if allowed is not None:
            allowed = self._ids[_rows_of(self._ids, allowed)]
            if len(allowed) <= EXACT_ROWS:
                return self._among(allowed, query, k)
        if not len(self._ids):
            return _nothing()
        share = 1.0 if allowed is None else len(allowed) / len(self._ids)
        wanted = min(len(self._ids), k if allowed is None else int(OVERSAMPLE * k / share))
        found: Ids = np.asarray(self.index.search(query.astype(np.float16), wanted).keys).astype(np.int64)
        if allowed is not None:
            found = found[np.isin(found, allowed)]
            if len(found) < k:
                return self._among(allowed, query, k)
        return self._among(np.sort(found), query, k)

    def _among(self, ids: Ids, query: npt.NDArray[np.float32], k: int) -> Found:
        """Compare the query with the vectors of some ids, all of which are there."""
        best = _nothing()
        for start in range(0, len(ids), EXACT_ROWS):
            part = ids[start : start + EXACT_ROWS]
            vectors = np.asarray(self.index.get(part.astype(np.uint64)), dtype=np.float16).reshape(len(part), -1)
            best = _merged(best, _exactly(part, vectors, query, k), k)
        return best


def _exactly(ids: Ids, vectors: Vectors, query: npt.NDArray[np.float32], k: int) -> Found:
    """Compare the query with every row; the cosines of the best are computed in float32."""
    k = min(k, len(ids))
    if k <= 0:
        return _nothing()
    found = search(vectors, query.astype(np.float16), k, METRIC, exact=True)
    rows = np.asarray(found.keys).reshape(-1)[:k].astype(np.int64)
    scores = vectors[rows].astype(np.float32) @ query
    order = np.argsort(-scores, kind="stable")
    return ids[rows][order], scores[order]


def _merged(one: Found, other: Found, k: int) -> Found:
    ids, scores = np.concatenate([one[0], other[0]]), np.concatenate([one[1], other[1]])
    order = np.argsort(-scores, kind="stable")[:k]
    return ids[order], scores[order]


def _nothing() -> Found:
    return np.zeros(0, np.int64), np.zeros(0, np.float32)


def _rows_of(ids: Ids, wanted: Ids) -> npt.NDArray[np.intp]:
    """Return where in the growing `ids` the growing `wanted` are, leaving out those that are not there."""
    if not len(ids):
        return np.zeros(0, np.intp)
    places: npt.NDArray[np.intp] = np.minimum(np.searchsorted(ids, wanted), len(ids) - 1)
    found: npt.NDArray[np.intp] = places[ids[places] == wanted]
    return found


def _grown(array: npt.NDArray[Number], count: int, capacity: int) -> npt.NDArray[Number]:
    grown: npt.NDArray[Number] = np.empty((capacity, *array.shape[1:]), array.dtype)
    grown[:count] = array[:count]
    return grown


def _checked(query: Query, width: int) -> npt.NDArray[np.float32]:
    query = np.asarray(query, dtype=np.float32)
    if query.shape != (width,):
        raise ValueError(f"A query of this index is a vector of {width} values; got the shape {query.shape}.")
    return query


def _check_growing(before: Ids, ids: Ids, vectors: Vectors, width: int) -> None:
    assert vectors.shape == (len(ids), width), f"{len(ids)} ids of width {width} with vectors {vectors.shape}"
    together = np.concatenate([before[-1:], ids])
    assert bool(np.all(np.diff(together) > 0)), "ids must grow and must not come twice"

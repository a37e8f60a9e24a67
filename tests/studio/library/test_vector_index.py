"""The vector index: the same answers as plain numpy, with and without a filter, and only whole files believed."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from studio.library import vector_index
from studio.library.vector_index import ExactIndex, GraphIndex, VectorIndex
from studio.library.vector_index_file import read_header, read_index, write_index

WIDTH = 32
INDEXES = pytest.mark.parametrize("kind", [ExactIndex, GraphIndex])


def unit(count: int, seed: int = 0) -> npt.NDArray[np.float16]:
    vectors = np.random.default_rng(seed).normal(size=(count, WIDTH))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)


def filled(kind: type[ExactIndex] | type[GraphIndex], count: int = 500) -> tuple[VectorIndex, npt.NDArray[np.float16]]:
    """An index with the ids 10, 12, 14..."""
    vectors = unit(count)
    index = kind(WIDTH)
    half = count // 2
    ids = 10 + 2 * np.arange(count)
    index.add(ids[:half], vectors[:half])
    index.add(ids[half:], vectors[half:])
    return index, vectors


def by_numpy(
    ids: npt.NDArray[np.int64], vectors: npt.NDArray[np.float16], query: npt.NDArray[np.float32], k: int
) -> list[int]:
    return list(ids[np.argsort(-(vectors.astype(np.float32) @ query), kind="stable")[:k]])


@INDEXES
def test_the_nearest_and_their_cosines_are_those_that_numpy_finds(kind: type[ExactIndex] | type[GraphIndex]) -> None:
    index, vectors = filled(kind)
    for query in unit(20, seed=1).astype(np.float32):
        ids, scores = index.nearest(query, 10)
        assert len(set(ids) & set(by_numpy(index.ids, vectors, query, 10))) >= (10 if kind is ExactIndex else 9)
        np.testing.assert_allclose(scores, vectors[(ids - 10) // 2].astype(np.float32) @ query, rtol=1e-6, atol=1e-6)
        assert list(scores) == sorted(scores, reverse=True)


@INDEXES
def test_a_filter_keeps_only_what_is_allowed_and_loses_nothing(kind: type[ExactIndex] | type[GraphIndex]) -> None:
    index, vectors = filled(kind)
    allowed = np.array([9, 10, 11, 40, 42, 900, 1008, 5000])
    there = np.array([10, 40, 42, 900, 1008])
    query = unit(1, seed=2)[0].astype(np.float32)
    ids, _ = index.nearest(query, 3, allowed)
    assert list(ids) == by_numpy(there, vectors[(there - 10) // 2], query, 3)
    assert set(index.nearest(query, 10, allowed)[0]) == set(there)
    assert len(index.nearest(query, 10, np.zeros(0, np.int64))[0]) == 0


def test_a_wide_filter_of_a_graph_is_exact_when_the_graph_finds_too_few(monkeypatch: pytest.MonkeyPatch) -> None:
    index, vectors = filled(GraphIndex)
    monkeypatch.setattr(vector_index, "EXACT_ROWS", 50)
    query = vectors[0].astype(np.float32)
    order = np.array(by_numpy(index.ids, vectors, query, 500))
    far = np.sort(order[-200:])  # what an unfiltered search would find last
    ids, _ = index.nearest(query, 5, far)
    assert list(ids) == by_numpy(far, vectors[(far - 10) // 2], query, 5)


@INDEXES
def test_what_is_removed_is_found_no_more_and_what_is_added_later_is(
    kind: type[ExactIndex] | type[GraphIndex],
) -> None:
    index, vectors = filled(kind)
    query = vectors[7].astype(np.float32)
    assert index.nearest(query, 1)[0][0] == 24
    index.remove(np.array([24, 24, 25]))
    assert 24 not in index.nearest(query, 20)[0]
    assert 24 not in index.ids and len(index.ids) == 499
    index.add(np.array([5000]), vectors[7:8])
    assert index.nearest(query, 1)[0][0] == 5000


@INDEXES
def test_an_empty_index_finds_nothing_and_more_than_there_is_gives_all(
    kind: type[ExactIndex] | type[GraphIndex],
) -> None:
    query = unit(1)[0].astype(np.float32)
    assert len(kind(WIDTH).nearest(query, 5)[0]) == 0
    index, _ = filled(kind, 6)
    assert set(index.nearest(query, 50)[0]) == set(index.ids)


def test_a_query_of_another_width_is_refused() -> None:
    with pytest.raises(ValueError, match=r"32 values; got the shape \(16,\)"):
        ExactIndex(WIDTH).nearest(np.zeros(16, np.float32), 1)


@INDEXES
def test_a_written_index_answers_as_before(kind: type[ExactIndex] | type[GraphIndex], tmp_path: Path) -> None:
    index, _ = filled(kind)
    index.remove(np.array([10, 1008]))
    write_index(tmp_path / "a.index", index, "anchor")
    header = read_header(tmp_path / "a.index")
    assert header is not None
    assert (header.anchor, header.count, header.largest) == ("anchor", 498, 1006)
    again = read_index(tmp_path / "a.index", header)
    assert type(again) is kind
    assert list(again.ids) == list(index.ids)
    query = unit(1, seed=3)[0].astype(np.float32)
    assert list(again.nearest(query, 10)[0]) == list(index.nearest(query, 10)[0])
    assert sorted(path.name for path in tmp_path.glob("*.*")) == ["a.index", "a.json"]


@INDEXES
@pytest.mark.parametrize("damage", ["flipped", "short", "missing", "another format", "no header"])
def test_a_damaged_file_is_not_believed(kind: type[ExactIndex] | type[GraphIndex], damage: str, tmp_path: Path) -> None:
    index, _ = filled(kind, 50)
    path = tmp_path / "a.index"
    write_index(path, index, "anchor")
    data = bytearray(path.read_bytes())
    match damage:
        case "flipped":
            data[len(data) // 2] ^= 1
            path.write_bytes(data)
        case "short":
            path.write_bytes(data[:-1])
        case "missing":
            path.unlink()
        case "another format":
            path.with_suffix(".json").write_text(path.with_suffix(".json").read_text().replace('mat": 1', 'mat": 0'))
        case "no header":
            path.with_suffix(".json").write_text("{}")
    header = read_header(path)
    assert header is None or read_index(path, header) is None

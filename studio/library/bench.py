"""`studio library bench`: search against the libraries it could have used, side by side in one run."""

import importlib.util
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import numpy.typing as npt
from usearch.index import search

from studio.library.vector_index import METRIC, ExactIndex, GraphIndex

WIDTH = 512
K = 10
NUM_QUERIES = 20
NUM_GRAPH_QUERIES = 200  # of which each adds at most 1 / 2,000 to the recall of ten
ROWS_TO_A_CLUSTER = 200
SPREAD = 0.8  # of a cluster's members around its centre, which has length 1
ROWS_AT_ONCE = 50_000
TOLD_EVERY = 100_000  # rows of the graph, whose building takes minutes
KEPT_SHARE = 0.01

Matrix = npt.NDArray[np.float16]
Search = Callable[[npt.NDArray[np.float32]], object]


@dataclass(frozen=True)
class BenchOptions:
    """How much to measure; 0 leaves a part out, and so does no manifest of items whose `meaning` is known.

    `standing` are items that the library holds while it is killed.
    """

    rows: int
    graph_rows: int
    files: int
    kills: int
    damaged: int
    preset: str
    meaning: Path | None = None
    standing: int = 0


def run_bench(options: BenchOptions) -> Iterator[str]:
    """Yield the lines of the report as they are measured."""
    yield from exact_bench(options.rows)
    if options.graph_rows:
        yield from graph_bench(options.graph_rows)
    from studio.library import bench_ingest as ingest

    if options.files:
        yield from ingest.ingest_bench(options.files, preset=options.preset)
    if options.kills:
        yield from ingest.kill_bench(options.kills, standing=options.standing, preset=options.preset)
    if options.damaged:
        yield from ingest.damage_bench(options.damaged, preset=options.preset)
    if options.meaning is not None:
        from studio.library.bench_meaning import meaning_bench

        yield from meaning_bench(options.meaning, preset=options.preset)


def exact_bench(rows: int) -> Iterator[str]:
    """Compare the exact index with plain numpy, faiss (if it is installed) and usearch."""
    vectors = clustered(rows, seed=0, of_rows=rows)
    queries = clustered(NUM_QUERIES, seed=1, of_rows=rows).astype(np.float32)
    index = ExactIndex(WIDTH)
    index.add(np.arange(1, rows + 1), vectors)
    floats = vectors.astype(np.float32)
    ways: dict[str, Search] = {
        "this library": lambda query: index.nearest(query, K),
        "numpy float32": lambda query: np.argpartition(-(floats @ query), K)[:K],
        "usearch exact": lambda query: search(vectors, query.astype(np.float16), K, METRIC, exact=True),
    }
    if importlib.util.find_spec("faiss") is not None:
        faiss = importlib.import_module("faiss")
        flat = faiss.IndexFlatIP(WIDTH)
        flat.add(floats)
        ways["faiss flat"] = lambda query: flat.search(query[None], K)
    seconds = measure(list(ways.values()), queries)
    best = min(seconds[1:])
    yield f"Exact search, {rows:,} x {WIDTH}, {K} nearest, median of {NUM_QUERIES} queries in turn:"
    for name, taken in zip(ways, seconds, strict=True):
        yield f"  {name:14} {1000 * taken:8.2f} ms   {taken / best:5.2f} of the best of the others"
    if "faiss flat" not in ways:
        yield "  faiss flat     not installed"


def graph_bench(rows: int) -> Iterator[str]:
    """Compare the graph with exact search: recall, rate, and recall under a filter."""
    exact, graph = ExactIndex(WIDTH), GraphIndex(WIDTH)
    started = time.perf_counter()
    for start in range(0, rows, ROWS_AT_ONCE):
        part = clustered(min(ROWS_AT_ONCE, rows - start), seed=2 + start, of_rows=rows)
        ids = np.arange(start + 1, start + 1 + len(part))
        exact.add(ids, part)
        graph.add(ids, part)
        if start // TOLD_EVERY < (done := start + len(part)) // TOLD_EVERY and done < rows:
            yield f"  building the graph: {done:,} of {rows:,} rows after {time.perf_counter() - started:,.0f} s"
    built = time.perf_counter() - started
    queries = clustered(NUM_GRAPH_QUERIES, seed=1, of_rows=rows).astype(np.float32)
    generator = np.random.default_rng(3)
    allowed = np.sort(generator.choice(exact.ids, max(K, int(KEPT_SHARE * rows)), replace=False))
    timed = queries[:NUM_QUERIES]
    by_exact, by_graph = measure([lambda q: exact.nearest(q, K), lambda q: graph.nearest(q, K)], timed)
    (seconds,) = measure([lambda q: graph.nearest(q, K, allowed)], timed)
    recall = np.mean([overlap(exact.nearest(q, K)[0], graph.nearest(q, K)[0]) for q in queries])
    filtered = np.mean([overlap(exact.nearest(q, K, allowed)[0], graph.nearest(q, K, allowed)[0]) for q in queries])
    yield f"Graph, {rows:,} x {WIDTH} clustered vectors, built in {built:,.0f} s; recall over {NUM_GRAPH_QUERIES} queries:"
    yield (
        f"  recall@{K} {recall:.3f}, {1000 * by_graph:.2f} ms; exact {1000 * by_exact:.2f} ms: "
        f"{by_exact / by_graph:.1f} times the rate"
    )
    yield f"  with a filter that keeps {KEPT_SHARE:.0%}: recall@{K} {filtered:.3f}, {1000 * seconds:.2f} ms"


def clustered(rows: int, *, seed: int, of_rows: int) -> Matrix:
    """Return unit vectors (rows, WIDTH) around the centres of a set of `of_rows`, which are the same for every seed."""
    num_clusters = max(1, of_rows // ROWS_TO_A_CLUSTER)
    generator = np.random.default_rng(seed)
    which = generator.integers(0, num_clusters, rows)
    clusters, of_row = np.unique(which, return_inverse=True)
    centres = np.stack([np.random.default_rng(10_000 + int(cluster)).normal(size=WIDTH) for cluster in clusters])
    vectors = (centres / np.linalg.norm(centres, axis=1, keepdims=True)).astype(np.float32)[of_row]
    vectors += generator.normal(size=vectors.shape).astype(np.float32) * (SPREAD / WIDTH**0.5)
    unit: Matrix = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)
    return unit


def measure(ways: Sequence[Search], queries: npt.NDArray[np.float32]) -> list[float]:
    """Return the median seconds of each way to answer, all ways in turn for each query, after one round to warm up.

    The order is drawn anew for each query: the threads and the cache that one way leaves behind slow whichever follows.
    """
    seconds: list[list[float]] = [[] for _ in ways]
    generator = np.random.default_rng(4)
    for number, query in enumerate([queries[0], *queries]):
        for which in generator.permutation(len(ways)).tolist():
            started = time.perf_counter()
            ways[which](query)
            if number:
                seconds[which].append(time.perf_counter() - started)
    return [median(taken) for taken in seconds]


def overlap(wanted: npt.NDArray[np.int64], found: npt.NDArray[np.int64]) -> float:
    """Return the share of the wanted that were found."""
    return len(set(wanted.tolist()) & set(found.tolist())) / max(1, len(wanted))

"""Several rankings made one, by rank alone: what two ways of searching agree on comes first."""

from collections.abc import Hashable, Sequence
from typing import TypeVar

# The constant of Cormack, Clarke and Büttcher (2009), "Reciprocal rank fusion outperforms Condorcet and individual rank
# learning methods", SIGIR: it keeps one ranking's first from outweighing what several place high.
K = 60

Ranked = TypeVar("Ranked", bound=Hashable)


def fuse(rankings: Sequence[Sequence[Ranked]]) -> list[Ranked]:
    """Return everything that some ranking holds, by the sum of 1 / (K + rank), the best first; ranks count from 1.

    Equal sums stay in the order of the first ranking that holds them.
    """
    sums: dict[Ranked, float] = {}
    for ranking in rankings:
        for rank, one in enumerate(ranking, start=1):
            sums[one] = sums.get(one, 0.0) + 1 / (K + rank)
    return sorted(sums, key=lambda one: -sums[one])

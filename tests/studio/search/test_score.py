"""The background of a search: found beneath many matches, and honest about chance when nothing matches."""

import numpy as np
import pytest

from studio.search.fusion import fuse
from studio.search.score import MAX_CHANCE, MIN_ROWS, MIN_SPREAD, background_of, chances

CENTRE, SPREAD = 0.2, 0.03


@pytest.mark.parametrize("share", [0.0, 0.1, 0.3, 0.45])
def test_matches_above_the_bulk_move_its_background_little(share: float) -> None:
    values = np.random.default_rng(0).normal(CENTRE, SPREAD, 2000)
    values[: int(share * 2000)] += 6 * SPREAD
    background = background_of(values)
    assert background is not None
    assert background.centre == pytest.approx(CENTRE, abs=SPREAD / 4)
    assert background.spread == pytest.approx(SPREAD, rel=0.2)


@pytest.mark.parametrize("rows", [MIN_ROWS, 100, 1000])
def test_where_nothing_matches_chance_seldom_passes_for_a_match(rows: int) -> None:
    """Under the null the share of searches that show anything is what was asked for (Benjamini and Hochberg 1995)."""
    generator = np.random.default_rng(1)
    shown = 0
    for _ in range(300):
        values = np.sort(generator.normal(CENTRE, SPREAD, rows))[::-1]
        background = background_of(values)
        assert background is not None
        shown += bool(np.any(chances(background.scores(values[:50]), background, num_searched=rows) <= MAX_CHANCE))
    assert shown / 300 <= 2 * MAX_CHANCE


def test_chances_follow_the_definition() -> None:
    """As scipy's own adjustment has it, given every p-value."""
    from scipy.stats import false_discovery_control, t

    background = background_of(np.random.default_rng(2).normal(0, 0.1, 400))
    assert background is not None
    scores = np.sort(background.scores(np.random.default_rng(3).normal(0.05, 0.1, 400)))[::-1]
    wanted = false_discovery_control(t.sf(scores, 40))
    np.testing.assert_allclose(chances(scores, background, num_searched=400), wanted, rtol=1e-9)


def test_the_same_again_stands_out_however_wide_the_background_is() -> None:
    """In a space of few directions cosines reach far: at three deviations they end, and would be no news."""
    directions = np.random.default_rng(4).normal(size=(MIN_ROWS, 10))
    cosines = directions[:, 0] / np.linalg.norm(directions, axis=1)
    cosines[0] = 1
    background = background_of(cosines)
    assert background is not None and 0.2 < background.spread < 0.5
    scores = background.scores(np.array([1.0, 0.5]))
    first, second = chances(scores, background, num_searched=MIN_ROWS)
    assert first < 0.05 and second > 0.5


def test_a_background_needs_rows_and_has_some_spread() -> None:
    assert background_of(np.zeros(MIN_ROWS - 1)) is None
    background = background_of(np.zeros(MIN_ROWS))
    assert background is not None and background.spread == MIN_SPREAD


def test_ranks_are_fused_as_published() -> None:
    """Sums of 1 / (60 + rank): b has 1/62 + 1/61, a 1/61 + 1/63, c 1/63, d 1/62."""
    assert fuse(["abc", "bda"]) == ["b", "a", "d", "c"]
    assert fuse([["x", "y"], []]) == ["x", "y"]
    assert fuse([]) == []

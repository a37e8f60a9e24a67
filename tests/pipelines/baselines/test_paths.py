"""Ways between latents: ends, middles, lengths, and what is the same on a line and a sphere."""

import pytest
import torch

from pipelines.baselines.paths import between, walk


def test_both_ways_begin_and_end_where_they_should() -> None:
    first, second = torch.randn(2, 3, 8, generator=torch.Generator().manual_seed(0))
    for way in ("linear", "spherical"):
        torch.testing.assert_close(between(first, second, 0.0, way), first)
        torch.testing.assert_close(between(first, second, 1.0, way), second)


def test_a_spherical_way_keeps_lengths_and_goes_evenly_round() -> None:
    first, second = torch.tensor([3.0, 0.0]), torch.tensor([0.0, 3.0])
    third = between(first, second, 1 / 3, "spherical")
    torch.testing.assert_close(third, 3 * torch.tensor([3**0.5 / 2, 0.5]))
    longer = between(first, 2 * second, 0.5, "spherical")
    assert float(longer.norm()) == pytest.approx(4.5)
    torch.testing.assert_close(between(first, 2 * first, 0.5, "spherical"), 1.5 * first)
    opposite = between(first, -first, 0.25, "spherical")  # no arc is shorter than another: the chord
    torch.testing.assert_close(opposite, 0.5 * first)


def test_a_walk_goes_through_its_points_and_a_closed_one_comes_back() -> None:
    points = [torch.tensor([float(n)]) for n in (0, 2, 6)]
    assert [float(p) for p in walk(points, 2)] == [0, 1, 2, 4, 6]
    assert [float(p) for p in walk(points, 2, closed=True)] == [0, 1, 2, 4, 6, 3]
    with pytest.raises(ValueError, match="two points or more"):
        walk(points[:1], 2)
    with pytest.raises(ValueError, match="linear or spherical, not 'round'"):
        walk(points, 2, "round")  # type: ignore[arg-type]

"""Every recorded tensor of every fixture, computed by us."""

from pathlib import Path

from parity import differences, fixtures, wanted_tensors


def test_a_recorded_tensor_is_what_ours_computes(golden: Path, fixture: str, tensor: str) -> None:
    family = fixtures(golden)[fixture]
    assert family is not None
    computed = differences(golden / fixture, family)
    assert tensor in computed, f"{fixture}: {tensor} was recorded, but no comparison of it is made"
    assert computed[tensor].is_within, f"{fixture}: {computed[tensor]}"


def test_whatever_else_is_compared_is_the_same(golden: Path, fixture: str) -> None:
    family = fixtures(golden)[fixture]
    assert family is not None, f"no family of tests/golden reads {fixture}: the beginning of its name is unknown"
    recorded = wanted_tensors(golden / fixture, family)
    others = {name: row for name, row in differences(golden / fixture, family).items() if name not in recorded}
    assert not [str(row) for row in others.values() if not row.is_within]

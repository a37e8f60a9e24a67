"""The comparison itself: it finds the fixture's family, and lets nothing pass that differs."""

import json
import math
from pathlib import Path

import parity
import pytest
import torch
from parity import Absolute, Compared, Family, differences, fixtures, wanted_tensors
from safetensors.torch import load_file, save_file
from torch import Tensor

MOST_BYTES = 30_000_000


def family_of(*rows: Compared) -> Family:
    return Family(("some",), lambda folder: iter(rows), {})


@pytest.mark.parametrize(
    ("ours", "recorded", "relative"),
    [
        (torch.tensor([2.0, -4.0]), torch.tensor([2.0, -4.0]), 0.0),
        (torch.tensor([2.0, -4.0]), torch.tensor([2.0, -4.1]), pytest.approx(0.1 / 4.1, rel=1e-5)),
        (torch.tensor([1e-9]), torch.tensor([0.0]), math.inf),
        (torch.tensor([0.0]), torch.tensor([0.0]), 0.0),
        (torch.tensor([math.nan]), torch.tensor([1.0]), math.inf),
        (torch.tensor([math.inf]), torch.tensor([math.inf]), math.inf),
        (torch.zeros(2, 1), torch.zeros(1, 2), math.inf),
        (torch.tensor([2**40 + 1]), torch.tensor([2**40]), pytest.approx(2.0**-40)),
    ],
)
def test_an_error_is_relative_to_the_largest_magnitude(ours: Tensor, recorded: Tensor, relative: float) -> None:
    made = differences(Path(), family_of(("out.x", ours, recorded)))["out.x"]
    assert made.relative == relative
    assert made.is_within == (made.relative <= 1e-5)


def test_a_tensor_may_have_its_own_tolerance() -> None:
    far, recorded = torch.tensor([1.001]), torch.tensor([1.0])
    rows = differences(
        Path(), family_of(("a", far, recorded), ("b", far, recorded, 1e-2), ("c", far, recorded, Absolute(1e-4)))
    )
    assert {name: row.is_within for name, row in rows.items()} == {"a": False, "b": True, "c": False}
    assert "wanted 1e-04 absolute" in str(rows["c"])


def test_a_fixture_belongs_to_the_longest_prefix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    short, long = family_of(), Family(("some_long",), lambda folder: iter(()), {})
    monkeypatch.setattr(parity, "families", lambda: (long, short))
    for name in ("some_2", "some_longer", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}")
    (tmp_path / "__pycache__").mkdir()
    assert fixtures(tmp_path) == {"other": None, "some_2": short, "some_longer": long}


def test_a_fixture_of_another_name_is_known_by_its_inputs(tmp_path: Path) -> None:
    ours = fixtures(parity.GOLDEN)
    for number, name in enumerate(ours):
        (tmp_path / f"case_{number:02}").symlink_to(parity.GOLDEN / name)
    assert list(fixtures(tmp_path).values()) == list(ours.values())
    (tmp_path / "strange").mkdir()
    (tmp_path / "strange" / "config.json").write_text("{}")
    save_file({"in.nothing_like_it": torch.zeros(1)}, tmp_path / "strange" / "io.safetensors")
    assert fixtures(tmp_path)["strange"] is None


def test_what_was_recorded_is_wanted_unless_a_reason_is_given(tmp_path: Path) -> None:
    values = {name: torch.zeros(1) for name in ("in.z", "mid.a", "mid.b0", "mid.b1", "out.y")}
    save_file(values, tmp_path / "io.safetensors")
    family = Family(("some",), lambda folder: iter(()), {"mid.b*": "a cut of mid.a"})
    assert wanted_tensors(tmp_path, family) == ["mid.a", "out.y"]


def test_what_was_not_recorded_is_passed_over() -> None:
    assert list(differences(Path(), family_of(("a", torch.ones(1), None), ("b", torch.ones(1), torch.ones(1))))) == [
        "b"
    ]


@pytest.mark.parametrize("name", fixtures(parity.GOLDEN))
def test_a_fixture_that_recorded_less_is_compared_in_what_it_recorded(name: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    folder.mkdir()
    for path in (parity.GOLDEN / name).iterdir():
        (folder / path.name).symlink_to(path)
    recorded = load_file(folder / parity.IO)
    made = sorted(tensor for tensor in recorded if tensor.startswith(("mid.", "out.")))
    (folder / parity.IO).unlink()
    save_file({tensor: value for tensor, value in recorded.items() if tensor not in made[::2]}, folder / parity.IO)
    family = fixtures(tmp_path)[name]
    assert family is not None
    compared = differences(folder, family)
    assert set(wanted_tensors(folder, family)) <= set(compared)
    assert all(row.is_within for row in compared.values())


def test_the_families_load_and_every_fixture_of_ours_is_well_formed() -> None:
    assert parity.families()
    for name in fixtures(parity.GOLDEN):
        json.loads((parity.GOLDEN / name / "config.json").read_text())
        assert (parity.GOLDEN / name / "io.safetensors").is_file()


def test_the_fixtures_that_come_with_the_source_are_small() -> None:
    size = sum(path.stat().st_size for path in parity.GOLDEN.rglob("*") if path.is_file())
    assert size <= MOST_BYTES

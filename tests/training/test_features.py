"""The cache of frozen features: computed once, found by content, whole or absent."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from training.features import FeatureCache, spread


class Counting:
    """A frozen part that counts the items it is asked for."""

    def __init__(self, values: Tensor) -> None:
        self.values, self.asked = values, 0

    def __call__(self, rows: Sequence[int]) -> dict[str, Tensor]:
        self.asked += len(rows)
        return {"tokens": self.values[list(rows)]}


KEYS = [f"key {number}" for number in range(10)]
VALUES = torch.randn(10, 3, 4, generator=torch.Generator().manual_seed(0)).half().float()


def fill(folder: Path, part: Counting, keys: Sequence[str] = KEYS) -> Tensor:
    table = FeatureCache(folder, "features", "f" * 64).complete(keys, part, what="x", batch_size=3, shard_size=4)
    return table[range(len(keys))]["tokens"]


def test_what_is_cached_is_what_was_computed(tmp_path: Path) -> None:
    torch.testing.assert_close(fill(tmp_path, Counting(VALUES)), VALUES, rtol=0, atol=0)


def test_items_are_computed_once(tmp_path: Path) -> None:
    part = Counting(VALUES)
    fill(tmp_path, part)
    torch.testing.assert_close(fill(tmp_path, part), VALUES, rtol=0, atol=0)
    assert part.asked == len(KEYS)


def test_equal_keys_are_computed_once(tmp_path: Path) -> None:
    part = Counting(VALUES)
    found = fill(tmp_path, part, ["a", "b", "a", "a"])
    assert part.asked == 2
    torch.testing.assert_close(found[[0, 2, 3]], VALUES[[0, 0, 0]])


def test_only_missing_items_are_computed(tmp_path: Path) -> None:
    part = Counting(VALUES)
    fill(tmp_path, part, KEYS[:6])
    fill(tmp_path, part)
    assert part.asked == len(KEYS)


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "foreign"])
def test_a_damaged_shard_is_computed_again(tmp_path: Path, damage: str) -> None:
    part = Counting(VALUES)
    fill(tmp_path, part)
    shard = sorted(tmp_path.rglob("*.safetensors"))[0]
    content = bytearray(shard.read_bytes())
    if damage == "flipped":
        content[-1] ^= 1
    shard.write_bytes(
        {"cut": bytes(content[:-7]), "flipped": bytes(content), "empty": b"", "foreign": b"not a shard"}[damage]
    )
    torch.testing.assert_close(fill(tmp_path, part), VALUES, rtol=0, atol=0)
    assert len(KEYS) < part.asked <= len(KEYS) + 4


def test_another_fingerprint_shares_nothing(tmp_path: Path) -> None:
    fill(tmp_path, Counting(VALUES))
    assert len(FeatureCache(tmp_path, "features", "e" * 64)) == 0


def test_an_interrupted_computation_keeps_its_whole_shards(tmp_path: Path) -> None:
    part = Counting(VALUES)

    def stop_late(rows: Sequence[int]) -> dict[str, Tensor]:
        if 9 in rows:
            raise KeyboardInterrupt
        return part(rows)

    with pytest.raises(KeyboardInterrupt):
        FeatureCache(tmp_path, "features", "f" * 64).complete(KEYS, stop_late, what="x", batch_size=2, shard_size=4)
    assert len(FeatureCache(tmp_path, "features", "f" * 64)) == 8


def test_progress_reaches_the_total(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    cache = FeatureCache(tmp_path, "features", "f" * 64)
    cache.complete(KEYS, Counting(VALUES), what="encode", batch_size=3, progress=lambda *at: told.append(at))
    assert told[0] == ("encode", 0, 10)
    assert told[-1] == ("encode", 10, 10)
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)


def test_values_beyond_half_precision_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="half precision"):
        FeatureCache(tmp_path, "features", "f" * 64).add(["a"], {"tokens": torch.tensor([[1e6]])})


def test_the_spread_is_the_mean_distance_of_the_rows_from_their_mean(tmp_path: Path) -> None:
    table = FeatureCache(tmp_path, "features", "f" * 64).complete(KEYS, Counting(VALUES), what="x")
    wanted = (VALUES - VALUES.mean(dim=0)).square().sum(dim=-1).sqrt().mean()
    assert spread(table)["tokens"] == pytest.approx(float(wanted), rel=1e-5)


def test_vectors_that_are_all_the_same_have_a_tenth_of_their_length_as_spread(tmp_path: Path) -> None:
    same = Counting(torch.full((10, 3, 4), 0.5))
    table = FeatureCache(tmp_path, "features", "f" * 64).complete(KEYS, same, what="x")
    assert spread(table)["tokens"] == pytest.approx(0.1, rel=1e-5)

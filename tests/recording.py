"""Write fixtures of the same form as those in `tests/golden`, and compare them as those are."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from parity import differences, fixtures, wanted_tensors
from safetensors.torch import save_file
from torch import Tensor

Recorded = dict[str, Tensor]


def write(folder: Path, config: Mapping[str, Any], weights: Mapping[str, Tensor] | None, recorded: Recorded) -> None:
    """Write a fixture: what it is made of, its weights unless they are in a pipeline's folder, inputs and outputs."""
    (folder / "config.json").write_text(json.dumps(config))
    save_file({name: value.clone().contiguous() for name, value in recorded.items()}, folder / "io.safetensors")
    if weights is not None:
        state = {name: value.clone().contiguous() for name, value in weights.items()}
        save_file(state, folder / "weights.safetensors")


@torch.no_grad()
def assert_compared_whole(make: Callable[[Path], None], root: Path) -> None:
    """Record a fixture, under a name that tells nothing, and compare every tensor of it."""
    torch.manual_seed(5)
    folder = root / "case_1"
    folder.mkdir()
    make(folder)
    family = fixtures(root)["case_1"]
    assert family is not None
    compared = differences(folder, family)
    left_out = set(wanted_tensors(folder, family)) - set(compared)
    assert not left_out, f"no comparison is made of {sorted(left_out)}"
    apart = [str(row) for row in compared.values() if not row.is_within]
    assert not apart, "\n".join(apart)

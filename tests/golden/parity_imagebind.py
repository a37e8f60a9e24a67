"""ImageBind: every tower stage by stage, loaded from the released layout by its public door."""

import json
from collections.abc import Iterator
from pathlib import Path

import torch
from parity import GOLDEN, Compared
from safetensors.torch import load_file
from torch import Tensor

from encoders.imagebind import TOWERS, ImageBindConfig, ImageBindEncoder
from encoders.imagebind_config import CLIP_MEAN, CLIP_STD
from encoders.modality import Modality

PREFIX = "imagebind"


@torch.no_grad()
def compare(folder: Path) -> Iterator[Compared]:
    """Run each modality that has an input; `unit.*` is the recorded output as search wants it, of unit norm."""
    recorded = load_file(folder / "io.safetensors")
    facts = json.loads((folder / "config.json").read_text())
    arguments = json.loads((GOLDEN / "imagebind" / "config.json").read_text())
    # What else a fixture notes of itself, its seed perhaps, is no argument of the constructor.
    config = ImageBindConfig.from_released({name: facts[name] for name in arguments if name in facts})
    encoder = ImageBindEncoder.from_checkpoint(folder / "weights.safetensors", config)
    for modality, tower in TOWERS.items():
        given = [name for name in recorded if name.removesuffix("_u8") == f"in.{modality}"]
        if not given:
            continue
        inputs = model_inputs(given[0], recorded[given[0]])
        merged = inputs.flatten(0, 1) if inputs.ndim >= 5 else inputs
        tokens = encoder.model.modality_preprocessors[tower](merged)
        states = encoder.model.modality_trunks[tower](tokens)
        end = merged.argmax(-1) if tower == "text" else None
        stages = {
            **summary("tokens", tokens),
            **summary("trunk", states),
            "head": encoder.model.modality_heads[tower](states, end)[1],
        }
        for stage, value in stages.items():
            yield f"mid.{modality}.{stage}", value, recorded.get(f"mid.{modality}.{stage}")
        if f"out.{modality}" not in recorded:
            continue
        expected = recorded[f"out.{modality}"]
        yield f"out.{modality}", encoder.model({tower: inputs})[tower], expected
        yield (
            f"unit.{modality}",
            encoder.features(modality, inputs).pooled,
            expected / expected.norm(dim=-1, keepdim=True),
        )


def model_inputs(name: str, given: Tensor) -> Tensor:
    """What the tower reads: pixels are recorded as bytes, and those of stills and videos are normalised."""
    if not name.endswith("_u8"):
        return given
    values = given / 255
    num_after_channels = {f"in.{Modality.IMAGE}_u8": 2, f"in.{Modality.VIDEO}_u8": 3}.get(name)
    if num_after_channels is None:
        return values
    shape = (3, *[1] * num_after_channels)
    return (values - torch.tensor(CLIP_MEAN).view(shape)) / torch.tensor(CLIP_STD).view(shape)


def summary(stage: str, states: Tensor) -> dict[str, Tensor]:
    """What was recorded of a sequence: its positions 0, 1 and -1, and its mean."""
    return {f"{stage}_first2_last": states[:, [0, 1, -1]], f"{stage}_mean": states.mean(dim=1)}

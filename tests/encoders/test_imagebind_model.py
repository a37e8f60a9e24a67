"""Our ImageBind computes what the released code computes, from the same files."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from encoders.imagebind_config import CLIP_MEAN, CLIP_STD, ImageBindConfig
from encoders.imagebind_model import ImageBind

TOLERANCE = 1e-5  # of the largest magnitude; the fixture's README says that correct code agrees to about 1e-6
TOWERS = {
    "image": "vision", "video": "vision", "text": "text", "audio": "audio", "depth": "depth", "thermal": "thermal",
    "imu": "imu",
}  # fmt: skip


@pytest.fixture(scope="module")
def recorded(golden: Path) -> dict[str, Tensor]:
    return load_file(golden / "imagebind" / "io.safetensors")


@pytest.fixture(scope="module")
def model(golden: Path) -> ImageBind:
    """The released architecture at the fixture's sizes, with the fixture's weights."""
    sizes: dict[str, Any] = json.loads((golden / "imagebind" / "config.json").read_text())
    huge = ImageBindConfig.huge()
    towers: dict[str, Any] = {
        name: replace(
            getattr(huge, name),
            width=sizes[f"{name}_embed_dim"],
            num_blocks=sizes[f"{name}_num_blocks"],
            num_heads=sizes[f"{name}_num_heads"],
        )
        for name in set(TOWERS.values())
    }
    model = ImageBind(replace(huge, out_width=sizes["out_embed_dim"], **towers))
    model.load_state_dict(load_file(golden / "imagebind" / "weights.safetensors"), strict=True)
    return model.eval()


def model_input(recorded: dict[str, Tensor], name: str) -> Tensor:
    if f"in.{name}_u8" not in recorded:
        return recorded[f"in.{name}"]
    pixels = recorded[f"in.{name}_u8"] / 255
    if TOWERS[name] != "vision":
        return pixels
    shape = (3,) + (1,) * (pixels.ndim - (3 if name == "video" else 2))
    return (pixels - torch.tensor(CLIP_MEAN).view(shape)) / torch.tensor(CLIP_STD).view(shape)


def assert_same(actual: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(actual, expected, rtol=0, atol=TOLERANCE * float(expected.abs().max()))


@pytest.mark.parametrize("name", TOWERS)
@torch.no_grad()
def test_each_tower_agrees_with_the_released_code(model: ImageBind, recorded: dict[str, Tensor], name: str) -> None:
    tower, inputs = TOWERS[name], model_input(recorded, name)
    assert_same(model({tower: inputs})[tower], recorded[f"out.{name}"])


@pytest.mark.parametrize("name", TOWERS)
@torch.no_grad()
def test_each_stage_of_a_tower_agrees_with_the_released_code(
    model: ImageBind, recorded: dict[str, Tensor], name: str
) -> None:
    tower, inputs = TOWERS[name], model_input(recorded, name)
    merged = inputs.flatten(0, 1) if inputs.ndim >= 5 else inputs
    tokens = model.modality_preprocessors[tower](merged)
    states = model.modality_trunks[tower](tokens)
    _, embedding = model.modality_heads[tower](states, merged.argmax(-1) if tower == "text" else None)
    for stage, found in (("tokens", tokens), ("trunk", states)):
        assert_same(found[:, [0, 1, -1]], recorded[f"mid.{name}.{stage}_first2_last"])
        assert_same(found.mean(dim=1), recorded[f"mid.{name}.{stage}_mean"])
    assert_same(embedding, recorded[f"mid.{name}.head"])


def test_the_full_size_has_the_released_keys_and_parameters() -> None:
    with torch.device("meta"):
        model = ImageBind(ImageBindConfig.huge())
    assert len(model.state_dict()) == 1311
    assert sum(parameter.numel() for parameter in model.parameters()) == 1_200_781_057


def test_a_missing_and_an_extra_key_are_both_named(model: ImageBind) -> None:
    state = dict(model.state_dict())
    state["surprise"] = state.pop("modality_heads.imu.3.weight")
    with pytest.raises(RuntimeError, match=r'(?s)Missing key.*"modality_heads.imu.3.weight".*Unexpected.*"surprise"'):
        ImageBind(model.config).load_state_dict(state, strict=True)


def test_a_tower_that_is_absent_is_named(small_model: ImageBind) -> None:
    with pytest.raises(ValueError, match="no tower 'depth'; it has: vision, text, audio"):
        small_model({"depth": torch.zeros(1, 1, 224, 224)})


def test_every_parameter_learns_in_float32_and_under_bfloat16_autocast(small_model: ImageBind) -> None:
    inputs = {
        "vision": torch.rand(2, 4, 3, 2, 64, 64),
        "text": torch.tensor([[298, 5, 6, 299] + [0] * 20]),
        "audio": torch.rand(2, 1, 64, 204),
    }
    for autocast in (False, True):
        small_model.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            outputs = small_model(inputs)
            loss = torch.stack([output.float().sum() for output in outputs.values()]).sum()
        torch.autograd.backward(loss)
        unlearned = [name for name, value in small_model.named_parameters() if value.grad is None]
        assert unlearned == []


def test_one_pass_gives_tokens_of_each_clip_and_one_pooled_vector(small_model: ImageBind) -> None:
    output = small_model.run("vision", torch.rand(2, 4, 3, 2, 64, 64))
    assert output.tokens.shape == (2, 4, 1 + 64, 48)
    assert output.pooled.shape == (2, 32)


def test_an_image_is_a_clip_whose_frames_are_equal(small_model: ImageBind) -> None:
    image = torch.rand(2, 3, 64, 64)
    clip = image[:, None, :, None].expand(-1, 1, -1, 2, -1, -1)
    torch.testing.assert_close(small_model({"vision": image}), small_model({"vision": clip}))


def test_drop_path_acts_only_while_training(small_config: ImageBindConfig) -> None:
    assert small_config.audio
    config = replace(small_config, audio=replace(small_config.audio, drop_path=0.9))
    torch.manual_seed(0)
    model, sound = ImageBind(config), torch.rand(4, 1, 64, 204)
    assert not torch.equal(model({"audio": sound})["audio"], model({"audio": sound})["audio"])
    model.eval()
    torch.testing.assert_close(model({"audio": sound}), model({"audio": sound}), rtol=0, atol=0)

"""ImageBind networks are read from our folders and from files with the released layout, strictly."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from encoders.imagebind import ImageBindEncoder, save_imagebind
from encoders.imagebind_config import ImageBindConfig
from encoders.imagebind_model import ImageBind
from encoders.media import Depth
from encoders.registry import load_encoder

DEPTH = [Depth(torch.rand(1, 64, 64, generator=torch.Generator().manual_seed(0)))]


@pytest.fixture
def model(six_towers: ImageBindConfig) -> ImageBind:
    assert six_towers.text
    torch.manual_seed(0)
    # CLIP's text, as in the released one, so that no tokenizer.json is needed.
    return ImageBind(replace(six_towers, text=replace(six_towers.text, tokenizer="clip")))


@pytest.mark.parametrize("name", ["imagebind_huge.pth", "weights.safetensors"])
def test_a_file_of_the_released_layout_gives_the_same_encoder(model: ImageBind, tmp_path: Path, name: str) -> None:
    state = model.state_dict()
    torch.save(state, tmp_path / name) if name.endswith(".pth") else save_file(state, tmp_path / name)
    loaded = ImageBindEncoder.from_checkpoint(tmp_path / name, model.config)
    assert torch.equal(loaded.encode(DEPTH).tokens, ImageBindEncoder(model, None).encode(DEPTH).tokens)


def test_a_released_file_becomes_one_of_our_folders(model: ImageBind, tmp_path: Path) -> None:
    torch.save(model.state_dict(), tmp_path / "imagebind_huge.pth")
    loaded = ImageBindEncoder.from_checkpoint(tmp_path / "imagebind_huge.pth", model.config)
    folder = save_imagebind(loaded.model, tmp_path / "ours", dtype=torch.float32)
    again = load_encoder("imagebind", folder)
    assert torch.equal(again.encode(DEPTH).pooled, loaded.encode(DEPTH).pooled)  # type: ignore[arg-type]


def test_a_folder_with_the_released_file_is_a_folder_of_an_encoder(
    model: ImageBind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save(model.state_dict(), tmp_path / "imagebind_huge.pth")
    monkeypatch.setattr(ImageBindConfig, "huge", lambda: model.config)  # the real one would take 5 GB
    assert load_encoder("imagebind", tmp_path).num_tokens.keys() == ImageBindEncoder(model, None).num_tokens.keys()


def test_the_released_constructors_arguments_may_lie_beside_the_released_file(model: ImageBind, tmp_path: Path) -> None:
    torch.save(model.state_dict(), tmp_path / "imagebind_huge.pth")
    (tmp_path / "config.json").write_text(json.dumps({"out_embed_dim": 32, "width": 3}))
    with pytest.raises(ValueError, match="not the arguments of the released ImageBindModel; unknown: width"):
        load_encoder("imagebind", tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(model.config.to_dict()))
    assert load_encoder("imagebind", tmp_path).width == 48


def test_a_file_without_a_config_is_taken_for_the_released_size(model: ImageBind, tmp_path: Path) -> None:
    save_file(model.state_dict(), tmp_path / "small.safetensors")
    with pytest.raises(ValueError, match=r"small\.safetensors does not fit") as refused:
        ImageBindEncoder.from_checkpoint(tmp_path / "small.safetensors")
    report = str(refused.value)
    assert "missing: modality_trunks.audio.blocks.10.attn.bias_k" in report
    assert "modality_preprocessors.vision.cls_token (1, 1, 48) instead of (1, 1, 1280)" in report


def test_missing_extra_and_wrong_shaped_tensors_are_named(model: ImageBind, tmp_path: Path) -> None:
    state = dict(model.state_dict())
    state["surprise"] = state.pop("modality_heads.imu.3.weight")
    state["modality_heads.text.proj.1.weight"] = torch.zeros(2, 3)
    save_file(state, tmp_path / "x.safetensors")
    with pytest.raises(ValueError, match="does not fit") as refused:
        ImageBindEncoder.from_checkpoint(tmp_path / "x.safetensors", model.config)
    assert str(refused.value).endswith(
        "1 missing: modality_heads.imu.3.weight; 1 extra: surprise; "
        "1 wrong shape: modality_heads.text.proj.1.weight (2, 3) instead of (32, 48)."
    )


def test_what_is_not_an_imagebind_is_said_to_be_none(tmp_path: Path) -> None:
    torch.save({"weight": torch.ones(1), "bias": torch.ones(1)}, tmp_path / "x.pth")
    with pytest.raises(ValueError, match=r"is not an ImageBind: none of its 2 tensors is called modality_trunks\.\*"):
        ImageBindEncoder.from_checkpoint(tmp_path / "x.pth")


def test_a_malicious_released_file_is_refused_unopened(tmp_path: Path) -> None:
    class Malicious:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "trace"),)

    torch.save({"modality_trunks.vision": Malicious()}, tmp_path / "imagebind_huge.pth")
    with pytest.raises(ValueError, match=r"refused\. Ask its publisher for safetensors"):
        load_encoder("imagebind", tmp_path)
    assert not (tmp_path / "trace").exists()


def test_an_empty_folder_says_what_is_missing_and_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"No weights .* imagebind_huge\.pth\. The released file is https.*this folder"
    ):
        load_encoder("imagebind", tmp_path)
    save_file({"x": torch.ones(1)}, tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match=r"No config\.json in the ImageBind folder"):
        load_encoder("imagebind", tmp_path)

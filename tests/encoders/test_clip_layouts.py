"""The layouts of published CLIPs compute in open_clip's classes what they compute in their own."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from encoders.clip import CLIPEncoder, create_clip
from encoders.clip_layouts import huggingface_config, huggingface_state, openai_arguments, openai_config

TOLERANCE = 1e-5  # of the largest magnitude
START, END = 98, 99


def text_ids() -> Tensor:
    """Rows whose end comes early, with other words or more ends after it."""
    ids = torch.randint(0, START, (3, 12), generator=torch.Generator().manual_seed(1))
    ids[:, 0], ids[0, 5:], ids[1, 11], ids[2, 3], ids[2, 7] = START, END, END, END, END
    return ids


def assert_same(actual: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(actual, expected, rtol=0, atol=TOLERANCE * float(expected.abs().max()))


@pytest.mark.parametrize(
    "changed", [{}, {"act": "gelu"}, {"eos": 2}, {"eos": 50}, {"eps": 1e-3}], ids=lambda changed: str(changed)
)
@torch.no_grad()
def test_hugging_faces_layout_computes_what_transformers_computes(
    tmp_path: Path, save_huggingface: Callable[..., Any], changed: dict[str, Any]
) -> None:
    theirs = save_huggingface(tmp_path, **changed)
    ours = CLIPEncoder.from_folder(tmp_path, token_kind="pooled").model
    pixels, ids = torch.randn(2, 3, 32, 32), text_ids()
    if "eos" in changed:
        ids[:, 4] = changed["eos"]
    output = theirs(input_ids=ids, pixel_values=pixels)
    assert_same(ours.encode_image(pixels, normalize=True), output.image_embeds)
    assert_same(ours.encode_text(ids, normalize=True), output.text_embeds)
    assert_same(ours.get_logits(pixels, ids)[0], output.logits_per_image)
    last = theirs.vision_model.post_layernorm(theirs.vision_model(pixel_values=pixels).last_hidden_state)
    made = ours.visual.forward_intermediates(pixels, indices=1, normalize_intermediates=True, output_extra_tokens=True)
    assert_same(made["image_intermediates"][-1].flatten(2).mT, last[:, 1:])
    assert_same(made["image_intermediates_prefix"][-1], last[:, :1])


def test_older_files_hold_rows_of_numbers_that_are_passed_over(
    tmp_path: Path, save_huggingface: Callable[..., Any]
) -> None:
    save_huggingface(tmp_path)
    state = load_file(tmp_path / "model.safetensors")
    state["text_model.embeddings.position_ids"] = torch.arange(12)[None]
    save_file(state, tmp_path / "model.safetensors")
    assert CLIPEncoder.from_folder(tmp_path).pooled_width == 24


def test_names_that_no_rule_knows_are_reported(tmp_path: Path, save_huggingface: Callable[..., Any]) -> None:
    save_huggingface(tmp_path)
    state = load_file(tmp_path / "model.safetensors")
    state["surprise"] = state.pop("text_model.encoder.layers.1.self_attn.k_proj.weight")
    save_file(state, tmp_path / "model.safetensors")
    with pytest.raises(
        ValueError, match=r"1 missing: transformer\.resblocks\.1\.attn\.in_proj_weight; 3 extra: surprise"
    ):
        CLIPEncoder.from_folder(tmp_path)


def test_two_names_that_become_one_are_refused() -> None:
    state = {"logit_scale": torch.ones(()), "text_model.logit_scale": torch.ones(())}
    with pytest.raises(
        ValueError, match=r"Two tensors of this CLIP are logit_scale; .* called text_model\.logit_scale"
    ):
        huggingface_state(state)


def test_an_activation_that_open_clip_lacks_is_refused(tmp_path: Path, save_huggingface: Callable[..., Any]) -> None:
    save_huggingface(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["vision_config"]["hidden_act"] = "relu"
    with pytest.raises(ValueError, match="activations relu and quick_gelu; wanted one of quick_gelu, gelu in both"):
        huggingface_config(config)


RESNET = {"image_resolution": 96, "vision_layers": [2, 1, 1, 3], "vision_width": 8, "vision_patch_size": None}
VIT = {"image_resolution": 48, "vision_layers": 3, "vision_width": 128, "vision_patch_size": 16}


@pytest.mark.parametrize("vision", [RESNET, VIT], ids=["ResNet", "ViT"])
def test_every_size_of_openais_is_found_from_the_shapes(vision: dict[str, Any]) -> None:
    text = {"context_length": 20, "vocab_size": 90, "transformer_width": 128, "transformer_heads": 2}
    arguments = {"embed_dim": 24, **vision, **text, "transformer_layers": 2}
    model = create_clip(openai_config(arguments))
    assert openai_arguments(model.state_dict()) == arguments


def test_what_is_no_clip_is_said_to_be_none(tmp_path: Path) -> None:
    save_file({"weight": torch.ones(1)}, tmp_path / "x.safetensors")
    with pytest.raises(ValueError, match=r"x\.safetensors: This is no CLIP in OpenAI's layout: .* 'ln_final\.weight'"):
        CLIPEncoder.from_checkpoint(tmp_path / "x.safetensors")

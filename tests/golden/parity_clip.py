"""CLIP in OpenAI's and open_clip's layouts: every block of both towers, the features and the logits."""

import json
from collections.abc import Iterator
from pathlib import Path

import torch
from einops import rearrange
from parity import Compared
from safetensors.torch import load_file
from torch import Tensor

from encoders.clip import CLIPEncoder

PREFIX = "clip_"


@torch.no_grad()
def compare(folder: Path) -> Iterator[Compared]:
    """Load the folder by its public door; `inferred.*` is the same file read without its config, where shapes tell all."""
    recorded = load_file(folder / "io.safetensors")
    encoder = CLIPEncoder.from_folder(folder, token_kind="pooled")
    image, text = recorded["in.image"], recorded["in.text"]
    output = encoder.model.forward_intermediates(image, text, normalize=False, image_output_extra_tokens=True)
    for name, value in image_stages(output).items():
        yield name, value, recorded.get(name)
    for number, value in enumerate(output["text_intermediates"]):
        name = f"mid.text_block{number}"
        if name in recorded:  # a text's first positions
            yield name, value[:, : recorded[name].shape[1]], recorded[name]
    logits, of_texts = encoder.model.get_logits(image, text)
    made = {
        "out.image_features": encoder.model.encode_image(image),
        "out.text_features": encoder.model.encode_text(text),
        "out.logits_per_image": logits,
        "out.logits_per_text": of_texts,
    }
    yield from ((name, value, recorded.get(name)) for name, value in made.items())
    if has_openai_heads(folder):
        inferred = CLIPEncoder.from_checkpoint(folder / "weights.safetensors", token_kind="pooled").model
        yield "inferred.image_features", inferred.encode_image(image), recorded.get("out.image_features")
        yield "inferred.text_features", inferred.encode_text(text), recorded.get("out.text_features")


def image_stages(output: dict[str, list[Tensor]]) -> dict[str, Tensor]:
    """What each block of the image tower, or each stage of its ResNet, puts out."""
    if "image_intermediates_prefix" not in output:
        _stem, *stages = output["image_intermediates"]
        return {f"mid.visual_layer{i}": stage for i, stage in enumerate(stages, start=1)}
    pairs = zip(output["image_intermediates_prefix"], output["image_intermediates"], strict=True)
    return {
        f"mid.visual_block{i}": torch.cat([first, rearrange(grid, "b d h w -> b (h w) d")], dim=1)
        for i, (first, grid) in enumerate(pairs)
    }


def has_openai_heads(folder: Path) -> bool:
    """Tell whether it is a CLIP of OpenAI's whose heads are as wide as in all the released ones."""
    facts = json.loads((folder / "config.json").read_text())
    return "transformer_heads" in facts and facts["transformer_width"] == 64 * facts["transformer_heads"]

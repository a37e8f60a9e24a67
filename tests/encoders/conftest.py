"""Fixtures for the encoders: an ImageBind and a CLIP small enough to run in milliseconds."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from encoders.imagebind_config import ImageBindConfig, IMUConfig, PlaneConfig
from encoders.imagebind_model import ImageBind

os.environ["HF_HUB_OFFLINE"] = "1"

VOCAB_SIZE = 300


@pytest.fixture(scope="session")
def small_config() -> ImageBindConfig:
    """The tiny preset's config with fewer and thinner blocks."""
    config = ImageBindConfig.tiny(VOCAB_SIZE)
    assert config.vision
    assert config.text
    assert config.audio
    return replace(
        config,
        out_width=32,
        vision=replace(config.vision, width=48, num_blocks=2, num_heads=3),
        text=replace(config.text, width=48, num_blocks=2, num_heads=3),
        audio=replace(config.audio, width=48, num_blocks=2, num_heads=3),
    )


@pytest.fixture(scope="session")
def six_towers(small_config: ImageBindConfig) -> ImageBindConfig:
    """`small_config` with towers for depth, heat and motion."""
    return replace(
        small_config,
        depth=PlaneConfig(width=48, num_blocks=2, num_heads=3, image_size=64, kernel=8),
        thermal=PlaneConfig(width=48, num_blocks=2, num_heads=3, image_size=64, kernel=8),
        imu=IMUConfig(width=48, num_blocks=2, num_heads=3, length=200),
    )


@pytest.fixture
def small_model(small_config: ImageBindConfig) -> ImageBind:
    """An untrained ImageBind of `small_config`, the same for each test."""
    torch.manual_seed(0)
    return ImageBind(small_config).eval()


@pytest.fixture
def save_huggingface() -> Callable[..., Any]:
    """Save a random CLIPModel of odd sizes to a folder, and return it: ids 98 and 99 start and end a text of 12."""
    from transformers import CLIPConfig, CLIPModel

    def save(folder: Path, *, act: str = "quick_gelu", eos: int = 99, eps: float = 1e-5) -> Any:
        shared = {"hidden_act": act, "layer_norm_eps": eps, "num_hidden_layers": 2}
        text = {
            "hidden_size": 48, "intermediate_size": 100, "num_attention_heads": 3, "vocab_size": 100,
            "max_position_embeddings": 12, "bos_token_id": 98, "eos_token_id": eos,
        }  # fmt: skip
        vision = {
            "hidden_size": 64, "intermediate_size": 250, "num_attention_heads": 4, "image_size": 32, "patch_size": 8,
        }  # fmt: skip
        torch.manual_seed(0)
        model: Any = CLIPModel(CLIPConfig(text_config=text | shared, vision_config=vision | shared, projection_dim=24))
        for parameter in model.parameters():  # away from zeros and ones, which hide a lost bias
            parameter.data += torch.randn_like(parameter) * 0.1
        model.save_pretrained(folder)
        return model.eval()

    return save

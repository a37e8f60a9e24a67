"""Fixtures for the encoders: an ImageBind small enough to run in milliseconds."""

import os
from dataclasses import replace

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

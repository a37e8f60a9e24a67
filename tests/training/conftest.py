"""A whole model of tiny random parts for the stages' tests, and a feature cache of their own."""

import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import parts
import pytest
import torch

from encoders.clip import clip_tokenizer, create_clip, save_clip
from encoders.modality import Modality
from pipelines.checkpoint import EncoderEntry, Reference, write_config
from pipelines.projections import InputProjectionConfig

CLIP_WIDTH = 24


@pytest.fixture(autouse=True)
def feature_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep cached features out of the person's home; the tests share them, as the stages do."""
    folder = tmp_path_factory.getbasetemp() / "cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder


@pytest.fixture(autouse=True)
def hears_ctrl_c() -> Iterator[None]:
    """Let SIGINT be heard, here and in the processes that a test starts, also where a shell runs the tests behind it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def untrained_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder with frozen parts (two encoders of images) and a config, and nothing trained yet."""
    folder = parts.save_parts(tmp_path_factory.mktemp("untrained"))
    config = parts.pipeline_config()
    _save_clip(folder)
    projections = {Modality.IMAGE: InputProjectionConfig(CLIP_WIDTH, 48)}
    clip = EncoderEntry("clip", Reference(path="clip"), projections)
    write_config(folder, replace(config, encoders={**config.encoders, "clip": clip}))
    return folder


def _save_clip(folder: Path) -> None:
    tokenizer = clip_tokenizer(folder / "imagebind" / "tokenizer.json")
    config = {
        "embed_dim": 12,
        "vision_cfg": {"image_size": 16, "patch_size": 4, "width": CLIP_WIDTH, "layers": 1, "head_width": 12},
        "text_cfg": {
            "context_length": 12, "vocab_size": len(tokenizer), "width": 24, "heads": 2, "layers": 1,
            "hf_tokenizer_name": "tokenizer.json", "tokenizer_kwargs": {"split_special_tokens": True},
        },
    }  # fmt: skip
    torch.manual_seed(0)
    save_clip(create_clip(config), config, tokenizer, folder / "clip")

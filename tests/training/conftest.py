"""A whole model of tiny random parts for the stages' tests, and a cache of their own."""

from pathlib import Path

import parts
import pytest
import torch

from encoders.imagebind import ImageBind, save_imagebind
from encoders.imagebind_config import AudioConfig, ImageBindConfig, TextConfig, VisionConfig
from encoders.modality import Modality
from encoders.text_tokens import train_tokenizer
from pipelines.checkpoint import DecoderEntry, EncoderEntry, PipelineConfig, Reference, write_config
from pipelines.decoders.base import DecoderConfig
from pipelines.projections import InputProjectionConfig, OutputProjectionConfig

SEEN = (Modality.IMAGE, Modality.AUDIO, Modality.VIDEO)


@pytest.fixture(autouse=True)
def feature_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep cached features out of the person's home; shared by the tests, as it is by the stages."""
    folder = tmp_path_factory.getbasetemp() / "cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder


@pytest.fixture(scope="session")
def untrained_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder with frozen parts and a config, and nothing trained yet."""
    folder = tmp_path_factory.mktemp("untrained")
    tokenizer = parts.core_tokenizer()
    parts.core_model(len(tokenizer)).save_pretrained(folder / "core")
    tokenizer.save_pretrained(folder / "core")
    _save_imagebind(folder / "imagebind")
    for name in ("image", "audio", "video"):
        getattr(parts, f"{name}_pipeline")().save_pretrained(folder / name)
    write_config(folder, _config(parts.CONDITION_LENGTH))
    return folder


def _config(length: int) -> PipelineConfig:
    def entry(kind: str, name: str, queries: int, width: int, num_signals: int) -> DecoderEntry:
        projection = OutputProjectionConfig(core_width=48, out_width=width, num_queries=queries, hidden=16, layers=1)
        config = DecoderConfig(2, 2.0, condition_length=length if name == "video" else None)
        return DecoderEntry(kind, Reference(path=name), config, num_signals, {"prompt_embeds": projection})

    inputs = {modality: InputProjectionConfig(in_width=24, core_width=48) for modality in SEEN}
    return PipelineConfig(
        core=Reference(path="core"),
        encoders={"imagebind": EncoderEntry("imagebind", Reference(path="imagebind"), inputs)},
        decoders={
            Modality.IMAGE: entry("prompt_embeds", "image", length, 16, 4),
            Modality.AUDIO: entry("class_labels", "audio", 1, 8, 3),
            Modality.VIDEO: entry("prompt_embeds", "video", length, 16, 5),
        },
    )


def _save_imagebind(folder: Path) -> None:
    vocabulary = train_tokenizer(["a small red bell in a meadow"], 260, folder / "tokenizer.json")
    sizes = {"width": 24, "num_blocks": 1, "num_heads": 2}
    config = ImageBindConfig(
        out_width=12,
        vision=VisionConfig(**sizes, image_size=16, kernel=(2, 8, 8), num_clips=2),  # type: ignore[arg-type]
        text=TextConfig(**sizes, vocab_size=vocabulary, context_length=12),  # type: ignore[arg-type]
        audio=AudioConfig(**sizes, kernel=16, stride=16, num_mel_bins=32, target_length=64, num_clips=1),  # type: ignore[arg-type]
        token_kind="patches",
        image_grid=1,
        video_grid=1,
    )
    torch.manual_seed(0)
    save_imagebind(ImageBind(config), folder)

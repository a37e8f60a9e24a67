"""What the library is indexed with: encoders told apart by their weights, chosen by what they read."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from parts import imagebind_folder
from safetensors.torch import save_file

from encoders.clip import create_clip
from encoders.clip_layouts import openai_config
from encoders.media import Audio, Image, Video
from studio.errors import StudioError
from studio.library.encoders import choose_encoder, load_embedder, load_embedders, preset_sources, register, windows
from studio.library.library import Library
from studio.store import Store

CLIP = openai_config(
    {
        "embed_dim": 24, "image_resolution": 32, "vision_layers": 1, "vision_width": 64, "vision_patch_size": 8,
        "context_length": 77, "vocab_size": 49408, "transformer_width": 64, "transformer_heads": 1,
        "transformer_layers": 1,
    }
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("imagebind")
    return imagebind_folder(path)


def test_an_encoder_is_told_by_its_weights_and_not_by_its_folder(folder: Path, tmp_path: Path) -> None:
    one, again = (load_embedder("imagebind", f"imagebind:{folder}") for _ in range(2))
    (tmp_path / "other").mkdir()
    other = load_embedder("imagebind", f"imagebind:{imagebind_folder(tmp_path / 'other', seed=5)}")
    (tmp_path / "same").mkdir()
    same = load_embedder("imagebind", f"imagebind:{imagebind_folder(tmp_path / 'same')}")
    assert one.fingerprint == again.fingerprint == same.fingerprint != other.fingerprint
    assert one.source == f"imagebind:{folder}"
    vector = one.embed(Image.from_uint8(np.zeros((20, 20, 3), np.uint8)))
    assert vector.shape == (one.width,) == (16,) and np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)


def test_the_tiny_preset_names_encoders_that_are_there(folder: Path) -> None:
    sources = preset_sources("tiny")
    assert sources["imagebind"].startswith("imagebind:") and Path(sources["imagebind"].partition(":")[2]).is_dir()
    embedders, notices = load_embedders("tiny", dict.fromkeys(sources, f"imagebind:{folder}"))
    assert [embedder.name for embedder in embedders] == list(sources)
    assert "brings no CLIP" in notices[0]


def test_a_clip_is_loaded_by_what_it_is_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    for name in ("small", "other"):
        root = tmp_path / f"models--owner--{name}"
        folder = root / "snapshots" / ("0" * 40)
        folder.mkdir(parents=True)
        (root / "refs").mkdir()
        (root / "refs" / "main").write_text("0" * 40)
        torch.manual_seed(0)
        save_file(create_clip(CLIP).state_dict(), folder / "open_clip_model.safetensors")
        (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": CLIP, "preprocess_cfg": {}}))
    one, again = (load_embedder("clip", "clip:owner/small") for _ in range(2))
    assert one.source == "clip:owner/small" and one.modalities == {"text", "image"} and one.width == 24
    assert one.fingerprint == again.fingerprint != load_embedder("clip", "clip:owner/other").fingerprint
    with pytest.raises(ValueError, match="no model called 'ViT-B-33'; close to it: ViT-B-32"):
        load_embedder("clip", "clip:ViT-B-33@openai")
    with pytest.raises(ValueError, match=r"'timm/vit_base_patch32_clip_224\.openai' is neither on this machine"):
        load_embedder("clip", "clip:ViT-B-32@openai")


@pytest.mark.parametrize(
    "source", ["imagebind", "siglip:/", "imagebind:/nowhere/at/all", "", "clip:", "clip:./nowhere"]
)
def test_an_encoder_that_is_not_there_is_refused_with_advice(source: str) -> None:
    with pytest.raises(StudioError, match="KIND:FOLDER"):
        load_embedder("x", source)


def test_a_clip_compares_what_it_reads_and_imagebind_the_rest(store: Store) -> None:
    vectors = Library(store).vectors
    options = {"fingerprint": "f", "width": 8}
    vectors.register("an imagebind", modalities=("text", "image", "audio", "video"), source="imagebind:x", **options)  # type: ignore[arg-type]
    assert choose_encoder(vectors, "text", "image").name == "an imagebind"
    vectors.register("clip", modalities=("text", "image"), source="clip:x", **options)  # type: ignore[arg-type]
    assert choose_encoder(vectors, "text", "image").name == "clip"
    assert choose_encoder(vectors, "image", "image").name == "clip"
    assert choose_encoder(vectors, "audio", "image").name == "an imagebind"
    assert choose_encoder(vectors, "text", "image", name="an imagebind").name == "an imagebind"
    for query, name, says in (
        ("depth", None, "compares depth with image"), ("audio", "clip", "audio with image; there is: clip"),
        ("text", "siglip", "the encoder 'siglip'; there is: an imagebind, clip"),
    ):  # fmt: skip
        with pytest.raises(StudioError, match=says):
            choose_encoder(vectors, query, "image", name=name)


def test_registering_again_gives_the_same_record(store: Store, folder: Path) -> None:
    vectors = Library(store).vectors
    embedder = load_embedder("imagebind", f"imagebind:{folder}")
    ((_, first),) = register(vectors, [embedder])
    ((_, second),) = register(vectors, [embedder])
    assert first == second and first.is_ready and first.modalities == ("audio", "image", "text", "video")


def test_windows_cover_a_long_medium_and_a_short_one_has_none() -> None:
    waveform = np.arange(8000 * 23, dtype=np.float32) / 1e6
    found = list(windows(Audio.from_numpy(waveform, 8000)))
    assert [(start, stop) for start, stop, _ in found] == [(0, 5), (5, 10), (10, 15), (15, 20), (20, 23)]
    joined = np.concatenate([part.waveform.numpy()[0] for _, _, part in found if isinstance(part, Audio)])
    np.testing.assert_array_equal(joined, waveform)
    frames = np.zeros((24, 4, 4, 3), np.uint8)
    assert [part.seconds for _, _, part in windows(Video.from_uint8(frames, 2.0))] == [5.0, 5.0]
    assert list(windows(Video.from_uint8(frames, 4.0))) == []

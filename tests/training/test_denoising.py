"""The denoising loss goes through the decoders' own frozen parts, and its gradient reaches the conditions alone."""

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderTiny

from encoders.media import Image, Video
from encoders.modality import Modality
from training.align_outputs import AlignOutputsOptions, run
from training.config import StageOptions
from training.denoising import denoiser_of, encode_latents
from training.parts import Parts, load_parts


@pytest.fixture(scope="module")
def parts(untrained_folder: Path) -> Parts:
    return load_parts(StageOptions(output=Path("unused"), preset=str(untrained_folder)))


@pytest.mark.parametrize("modality", [Modality.IMAGE, Modality.VIDEO])
def test_the_gradient_reaches_the_conditions_and_no_frozen_weight(parts: Parts, modality: Modality) -> None:
    decoder = parts.decoders[modality].part
    latents = encode_latents(decoder, _media(modality)).unsqueeze(0).repeat(3, *[1] * (3 + (modality == "video")))
    conditions = {name: torch.randn(3, *shape).requires_grad_() for name, shape in decoder.condition_shapes.items()}
    loss = denoiser_of(decoder)(latents, conditions)
    loss.backward()
    assert torch.isfinite(loss)
    for value in conditions.values():
        assert value.grad is not None
        assert value.grad.abs().sum() > 0
    modules = (module for module in decoder.pipeline.components.values() if isinstance(module, torch.nn.Module))
    assert all(parameter.grad is None for module in modules for parameter in module.parameters())


def test_a_decoder_of_another_kind_is_refused(parts: Parts) -> None:
    with pytest.raises(ValueError, match="ClassLabelsDecoder; leave out --denoising-weight"):
        denoiser_of(parts.decoders[Modality.AUDIO].part)


def test_latents_are_the_autoencoders_own(parts: Parts) -> None:
    decoder = parts.decoders[Modality.IMAGE].part
    media = _media(Modality.IMAGE)
    assert isinstance(media, Image)
    vae = decoder.pipeline.vae
    with torch.no_grad():
        wanted = vae.encode(media.pixels.unsqueeze(0) * 2 - 1).latent_dist.mode()[0] * vae.config.scaling_factor
    torch.testing.assert_close(encode_latents(decoder, media), wanted)


def test_latents_of_a_tiny_autoencoder_are_its_own_too(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    decoder, media = parts.decoders[Modality.IMAGE].part, _media(Modality.IMAGE)
    assert isinstance(media, Image)
    torch.manual_seed(0)
    vae = AutoencoderTiny(
        encoder_block_out_channels=(8, 8), decoder_block_out_channels=(8, 8), num_encoder_blocks=(0, 1),
        num_decoder_blocks=(1, 0), latent_channels=4, scaling_factor=0.5,
    ).eval()  # fmt: skip
    monkeypatch.setattr(decoder.pipeline, "vae", vae)
    with torch.no_grad():
        wanted = vae.encode(media.pixels.unsqueeze(0) * 2 - 1).latents[0] * 0.5
    torch.testing.assert_close(encode_latents(decoder, media), wanted)


def test_stage_2_trains_with_it(untrained_folder: Path, tmp_path: Path) -> None:
    options = StageOptions(
        output=tmp_path / "out", preset=str(untrained_folder), steps=2, batch_size=8, num_samples=8, preview_every=100
    )
    steps = list(run(AlignOutputsOptions(options, denoising_weight=0.5)))
    assert {"image_denoising", "video_denoising"} <= set(steps[-1].losses)
    assert "audio_denoising" not in steps[-1].losses


def _media(modality: Modality) -> Image | Video:
    rng = np.random.default_rng(0)
    if modality is Modality.IMAGE:
        return Image.from_uint8(rng.integers(0, 255, (16, 16, 3), dtype=np.uint8))
    return Video.from_uint8(rng.integers(0, 255, (8, 32, 32, 3), dtype=np.uint8), 4.0)

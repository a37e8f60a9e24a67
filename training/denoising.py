"""The optional loss of stage 2: how well a frozen denoiser predicts when it is conditioned by projected signals."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch
from accelerate import PartialState
from diffusers import AutoencoderTiny, DDPMScheduler, LatteTransformer3DModel, UNet2DConditionModel
from einops import rearrange
from torch import Tensor
from torch.nn import functional

from encoders.media import Image, Media, Video
from encoders.modality import Modality
from pipelines.decoders.base import Decoder
from pipelines.decoders.diffusion import PromptEmbedsDecoder
from training.data import Payload, Sample, load_media, media_key
from training.features import FeatureCache, Progress, Table, no_progress
from training.losses import denoising_loss
from training.prepare import Frozen
from training.sequences import SequenceSet, Slot

DenoisingLoss = Callable[[Tensor, Mapping[str, Tensor]], Tensor]  # latents (S, ...), conditions (S, ...) -> scalar
# Sounds are left out: AudioLDM's latents are those of mel pictures, which its pipeline cannot make from a sound.
DENOISED = frozenset({Modality.IMAGE, Modality.VIDEO})


def denoiser_of(decoder: Decoder) -> DenoisingLoss:
    """Build the loss of a decoder's own denoiser; raises ValueError for a kind that it is not known how to call."""
    pipeline = _pipeline(decoder)
    backbone = pipeline.transformer if "transformer" in pipeline.components else pipeline.unet
    if not isinstance(backbone, UNet2DConditionModel | LatteTransformer3DModel):
        raise ValueError(f"No denoising loss through a {type(backbone).__name__}; leave out --denoising-weight.")
    backbone.requires_grad_(False).eval()
    # DDPM's noising is that of every scheduler of this family, at any training timestep.
    scheduler: Any = DDPMScheduler.from_config(pipeline.scheduler.config)

    def loss(latents: Tensor, conditions: Mapping[str, Tensor]) -> Tensor:
        times = torch.randint(scheduler.config["num_train_timesteps"], (len(latents),), device=latents.device)

        def predict(noisy: Tensor, times: Tensor) -> Tensor:
            given = backbone(noisy, timestep=times, encoder_hidden_states=conditions["prompt_embeds"]).sample
            return cast(Tensor, given[:, : latents.shape[1]])  # further channels, where there are, say the variance

        return denoising_loss(predict, scheduler, latents, torch.randn_like(latents), times)

    return loss


@torch.no_grad()
def encode_latents(decoder: Decoder, media: Media) -> Tensor:
    """A picture -> latents (C, H, W), or a video -> (C, frames, H, W), by the decoder's frozen autoencoder."""
    pipeline = _pipeline(decoder)
    vae = pipeline.vae
    backbone = pipeline.transformer if "transformer" in pipeline.components else pipeline.unet
    size = backbone.config.sample_size * 2 ** (len(vae.config.block_out_channels) - 1)
    if isinstance(media, Image):
        frames = media.pixels.unsqueeze(0)
    else:
        assert isinstance(media, Video)
        chosen = torch.linspace(0, len(media.frames) - 1, backbone.config.video_length).round().long()
        frames = media.frames[chosen]
    if frames.shape[-2:] != (size, size):
        frames = functional.interpolate(frames, size=(size, size), mode="bilinear", antialias=True)
    pixels = (frames * 2 - 1).to(pipeline.device, vae.dtype)
    encoded = vae.encode(pixels)
    latents = encoded.latents if isinstance(vae, AutoencoderTiny) else encoded.latent_dist.mode()
    latents = latents.float() * vae.config.scaling_factor
    return cast(Tensor, latents[0] if isinstance(media, Image) else rearrange(latents, "f c h w -> c f h w"))


def add_latents(
    data: SequenceSet,
    samples: Sequence[Sample],
    decoders: Mapping[Modality, Frozen[Decoder]],
    cache: Path,
    *,
    progress: Progress = no_progress,
) -> SequenceSet:
    """Add the latents of what the assistant makes in `samples`, of which `data` was prepared, where there is a medium."""
    made: dict[Modality, dict[str, Payload]] = {}
    rows: dict[Modality, dict[str, int]] = {}
    sequences = []
    for sample, sequence in zip(samples, data.sequences, strict=True):
        parts = [p for m in sample.messages if m["role"] == "assistant" for p in m["content"] if p["type"] != "text"]
        latents = []
        for slot, part in zip(sequence.signals, parts, strict=True):
            payload = part[part["type"]]
            if slot.modality in decoders and payload is not None:
                items, key = made.setdefault(slot.modality, {}), media_key(payload)
                items.setdefault(key, payload)
                row = rows.setdefault(slot.modality, {}).setdefault(key, len(items) - 1)
                latents.append(Slot(slot.modality, slot.start, row))
        sequences.append(replace(sequence, latents=tuple(latents)))
    with PartialState().main_process_first():
        tables = {m: _encode(items, m, decoders[m], cache, progress) for m, items in made.items()}
    return replace(data, sequences=sequences, latents=tables)


def _encode(
    items: Mapping[str, Payload], modality: Modality, decoder: Frozen[Decoder], cache: Path, progress: Progress
) -> Table:
    payloads = list(items.values())

    def encode(rows: Sequence[int]) -> dict[str, Tensor]:
        found = [encode_latents(decoder.part, load_media(payloads[row], modality)) for row in rows]
        return {"latents": torch.stack(found)}

    store = FeatureCache(cache, f"latents-{modality}", decoder.fingerprint)
    return store.complete(list(items), encode, what=f"latents of {modality}", progress=progress)


def _pipeline(decoder: Decoder) -> Any:
    if not isinstance(decoder, PromptEmbedsDecoder):
        raise ValueError(f"No denoising loss through a {type(decoder).__name__}; leave out --denoising-weight.")
    return decoder.pipeline

"""Pictures of a sample so far, from the latents of a step."""

from typing import Any

import torch
from diffusers import AutoencoderKL, AutoencoderKLWan, AutoencoderTiny
from torch import Tensor

from encoders.media import Image


def preview(vae: Any, latents: Tensor) -> Image | None:
    """Decode latents (1, C, [F,] H, W) into a picture, of the middle frame if it moves.

    None where an autoencoder cannot be asked for one picture, or would overflow in half precision.
    """
    if not isinstance(vae, AutoencoderKL | AutoencoderTiny | AutoencoderKLWan):
        return None
    if vae.dtype is torch.float16 and vae.config.get("force_upcast"):
        return None
    frame = (latents[:, :, latents.shape[2] // 2] if latents.ndim == 5 else latents).to(vae.dtype)
    if isinstance(vae, AutoencoderKLWan):  # of videos: a lone latent frame is a lone picture
        means, stds = (torch.tensor(vae.config[name]).to(frame) for name in ("latents_mean", "latents_std"))
        scaled = frame * stds[:, None, None] + means[:, None, None]
        decoded = vae.decode(scaled.unsqueeze(2)).sample[:, :, 0]
    else:
        decoded = vae.decode(frame / vae.config.scaling_factor + (vae.config.get("shift_factor") or 0)).sample
    return Image((decoded[0].float().cpu() / 2 + 0.5).clamp(0, 1))

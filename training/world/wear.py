"""Wear and tear for the judge's training: the small faults of generated media, so that the judge stays fair to them."""

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor


def wear_images(images: Tensor, generator: torch.Generator) -> Tensor:
    """(B, [T,] 3, H, W) in [-1, 1]: a colour cast, a small shift, lost detail, noise; frames of a video alike."""
    video = images if images.ndim == 5 else images[:, None]
    batch = len(video)

    def draw(*shape: int) -> Tensor:
        return torch.rand(batch, *shape, generator=generator)

    worn = video * (0.94 + 0.12 * draw(1, 3, 1, 1)) + 0.08 * (draw(1, 3, 1, 1) - 0.5)
    worn = _shift(worn, generator)
    flat = rearrange(worn, "b t c h w -> (b t) c h w")
    simple = _without_thin_lines(flat, 3 if torch.rand((), generator=generator) < 0.7 else 5)
    share = draw(1, 1, 1, 1).mul(2).sub(0.6).clamp(0, 1)
    worn = worn + share * (rearrange(simple, "(b t) c h w -> b t c h w", b=batch) - worn)
    flat = rearrange(worn, "b t c h w -> (b t) c h w")
    kept = 2 * (12 + int(torch.randint(21, (), generator=generator)))  # rows that survive, of 64
    lost = F.interpolate(flat, (kept, kept), mode="bilinear", antialias=True, align_corners=False)
    lost = F.interpolate(lost, flat.shape[-2:], mode="bicubic", align_corners=False)
    share = draw(1, 1, 1, 1).mul(1.6).clamp(max=1)
    worn = worn + share * (rearrange(lost, "(b t) c h w -> b t c h w", b=batch) - worn)
    height, width = worn.shape[-2:]
    grain = torch.randn((batch, worn.shape[1], 1, height, width), generator=generator)
    blotches = F.interpolate(
        torch.randn((len(flat), 3, height // 4, width // 4), generator=generator), (height, width), mode="bilinear"
    )
    worn = worn + 0.05 * draw(1, 1, 1, 1) * grain
    worn = worn + 0.09 * draw(1, 1, 1, 1) * rearrange(blotches, "(b t) c h w -> b t c h w", b=batch)
    return worn.clamp(-1, 1).reshape(images.shape)


def _without_thin_lines(pixels: Tensor, width: int) -> Tensor:
    """Close, then open (N, C, H, W): lines and dots thinner than `width` go, as they go in a small autoencoder."""

    def widest(values: Tensor) -> Tensor:
        return F.max_pool2d(values, width, stride=1, padding=width // 2)

    closed = -widest(-widest(pixels))
    return widest(-widest(-closed))


def _shift(video: Tensor, generator: torch.Generator, most: int = 2) -> Tensor:
    """Move each video by up to `most` pixels, its edge repeated."""
    padded = F.pad(video, (*(most,) * 4, 0, 0), mode="replicate")
    height, width = video.shape[-2:]
    offsets = torch.randint(2 * most + 1, (len(video), 2), generator=generator).tolist()
    return torch.stack([v[..., y : y + height, x : x + width] for v, (y, x) in zip(padded, offsets, strict=True)])


def wear_spectrograms(levels: Tensor, generator: torch.Generator) -> Tensor:
    """(B, 1, bands, frames): a tilt of the bands, a small delay, blurred levels and noise."""
    batch, _, bands, _ = levels.shape

    def draw(*shape: int) -> Tensor:
        return torch.rand(batch, *shape, generator=generator)

    tilt = torch.linspace(-1, 1, bands)[None, None, :, None]
    worn = levels + 0.4 * (draw(1, 1, 1) - 0.5) * tilt
    delays = torch.randint(-4, 5, (batch,), generator=generator).tolist()
    worn = torch.stack([sound.roll(delay, -1) for sound, delay in zip(worn, delays, strict=True)])
    blurred = F.avg_pool2d(F.pad(worn, (1, 1, 1, 1), mode="replicate"), 3, 1)
    worn = worn + draw(1, 1, 1) * (blurred - worn)
    floor = worn.amin((1, 2, 3), keepdim=True) + 1.2 * draw(1, 1, 1)  # quiet parts that a vocoder fills with hiss
    return worn.maximum(floor) + 0.2 * draw(1, 1, 1) * torch.randn(worn.shape, generator=generator)

"""StyleGAN2's discriminator (Karras et al. 2020): residual blocks, the spread within groups of a batch, a projection."""

from itertools import pairwise
from math import sqrt

import torch
from einops import rearrange, reduce, repeat
from torch import Tensor, nn
from torch.nn import functional as F

from pipelines.baselines.stylegan2_config import FIRST_SIZE, StyleGAN2Config
from pipelines.baselines.stylegan2_layers import EPS, EqualLinear, activated, clamped, filter_taps, normalised

GROUP = 4  # pictures whose spread is compared
HALF = 1 / sqrt(2)  # keeps the variance of a sum of two


class StyleGAN2Discriminator(nn.Module):
    """Tell whether pictures are real and of their classes: (B, colours, H, W), (B, num_classes) -> scores (B).

    Beside them it says of which classes it takes them to be: logits (B, num_classes), for an auxiliary loss.
    """

    def __init__(self, config: StyleGAN2Config) -> None:
        super().__init__()
        clamp, taps = config.conv_clamp, filter_taps(config.resample_filter)
        channels = config.channels[::-1]
        self.clamp = clamp
        self.from_rgb = EqualConv(config.image_channels, channels[0], 1)
        self.blocks = nn.Sequential(*(DownBlock(before, after, taps, clamp) for before, after in pairwise(channels)))
        last = channels[-1]
        self.conv = EqualConv(last + 1, last, 3)
        self.dense = EqualLinear(last * FIRST_SIZE**2, last)
        self.out = EqualLinear(last, last if config.num_classes else 1)
        self.has_classes = config.num_classes > 0
        if config.num_classes:
            self.embed = EqualLinear(config.num_classes, last)
            self.classify = EqualLinear(last, config.num_classes)
            self.mapping = nn.ModuleList(
                EqualLinear(last, last, multiplier=config.mapping_multiplier) for _ in range(config.num_mapping_layers)
            )

    def forward(self, images: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
        """(B, colours, H, W) around [-1, 1], (B, num_classes) -> (B), (B, num_classes).

        B is a multiple of 4, or less than 4.
        """
        features = self.blocks(clamped(activated(self.from_rgb(images)), self.clamp))
        features = clamped(activated(self.conv(with_spread(features))), self.clamp)
        dense = activated(self.dense(rearrange(features, "b c h w -> b (c h w)")))
        told: Tensor = self.out(dense)
        if not self.has_classes:
            return told[:, 0].float(), images.new_zeros(len(images), 0)
        wanted = normalised(self.embed(classes))
        for layer in self.mapping:
            wanted = activated(layer(wanted))
        return (told.float() * wanted.float()).sum(dim=1) / sqrt(told.shape[1]), self.classify(dense).float()


class EqualConv(nn.Module):
    """A convolution whose stored weights have a variance of 1, scaled as it runs: (B, in, H, W) -> (B, out, ...)."""

    def __init__(self, num_in: int, num_out: int, kernel: int, *, bias: bool = True, stride: int = 1) -> None:
        super().__init__()
        self.scale = 1 / sqrt(num_in * kernel**2)
        self.stride = stride
        self.padding = kernel // 2 if stride == 1 else 0
        self.weight = nn.Parameter(torch.randn(num_out, num_in, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(num_out)) if bias else None

    def forward(self, features: Tensor) -> Tensor:
        """(B, in, H, W) -> (B, out, H, W), or half the size."""
        return F.conv2d(features, self.weight * self.scale, self.bias, stride=self.stride, padding=self.padding)


class DownBlock(nn.Module):
    """Two 3x3 convolutions, the second to half the size, beside a 1x1 one: (B, in, H, W) -> (B, out, H/2, W/2)."""

    def __init__(self, num_in: int, num_out: int, taps: Tensor, clamp: float | None) -> None:
        super().__init__()
        self.clamp = clamp
        self.conv_0 = EqualConv(num_in, num_in, 3)
        self.conv_1 = EqualConv(num_in, num_out, 3, stride=2)
        self.skip = EqualConv(num_in, num_out, 1, bias=False, stride=2)
        self.resample_filter: Tensor
        self.register_buffer("resample_filter", taps.clone(), persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        """(B, in, H, W) -> (B, out, H/2, W/2)."""
        x = clamped(activated(self.conv_0(features)), self.clamp)
        x = activated(self.conv_1(smoothed(x, self.resample_filter, kernel=3)))
        skip: Tensor = self.skip(smoothed(features, self.resample_filter, kernel=1))
        limit = None if self.clamp is None else self.clamp * HALF
        return clamped(x * HALF, limit) + skip * HALF


def smoothed(features: Tensor, taps: Tensor, *, kernel: int) -> Tensor:
    """Filter before a convolution of `kernel` that takes each second place: (B, C, H, W) -> (B, C, H + kernel - 2, ...)."""
    spare = len(taps) + kernel - 3  # what the filter and the convolution take away, beyond the half of the size
    padded = F.pad(features, ((spare + 1) // 2, spare // 2) * 2)
    num_channels = features.shape[1]
    weights = taps.flip((0, 1)).expand(num_channels, 1, *taps.shape)
    return F.conv2d(padded, weights, groups=num_channels)


def with_spread(features: Tensor) -> Tensor:
    """Add a channel: how much the pictures of a group differ, on the average: (B, C, H, W) -> (B, C + 1, H, W).

    Raises ValueError if the batch cannot be parted into groups.
    """
    count, _, height, width = features.shape
    group = min(GROUP, count)
    if count % group:
        raise ValueError(f"A batch wants a multiple of {GROUP} pictures, not {count}.")
    grouped = rearrange(features, "(g n) c h w -> g n c h w", g=group)
    deviation = (grouped.var(dim=0, correction=0) + EPS).sqrt()
    spread = repeat(reduce(deviation, "n c h w -> n", "mean"), "n -> (g n) 1 h w", g=group, h=height, w=width)
    return torch.cat([features, spread], dim=1)

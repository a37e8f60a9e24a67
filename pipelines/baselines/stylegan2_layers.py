"""The layers of StyleGAN2 (Karras et al. 2020): equalised, modulated and enlarging, in plain PyTorch."""

from collections.abc import Callable
from math import sqrt

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

EPS = 1e-8
LEAK = 0.2
GAIN = sqrt(2)  # keeps the variance that a leaky ReLU loses

Noise = Callable[["StyledConv"], Tensor | None]  # what is added to a layer: a map that broadcasts to (B, 1, H, W)


def normalised(vectors: Tensor) -> Tensor:
    """(B, width) -> (B, width) with a mean square of 1."""
    return vectors * (vectors.square().mean(dim=1, keepdim=True) + EPS).rsqrt()


def activated(values: Tensor) -> Tensor:
    """Leaky ReLU, scaled to keep the variance."""
    return F.leaky_relu(values, LEAK) * GAIN


class EqualLinear(nn.Module):
    """A linear layer whose stored weights have a variance of 1: (B, in) -> (B, out).

    Its runtime scale is multiplier / sqrt(in), so that the optimiser moves it `multiplier` as fast.
    """

    def __init__(self, num_in: int, num_out: int, *, multiplier: float = 1.0, bias: float = 0.0) -> None:
        super().__init__()
        self.multiplier = multiplier
        self.scale = multiplier / sqrt(num_in)
        self.weight = nn.Parameter(torch.randn(num_out, num_in) / multiplier)
        self.bias = nn.Parameter(torch.full((num_out,), bias))

    def forward(self, inputs: Tensor) -> Tensor:
        """(B, in) -> (B, out)."""
        return F.linear(inputs, self.weight * self.scale, self.bias * self.multiplier)


class StyledConv(nn.Module):
    """A 3x3 convolution whose input channels are scaled by a style and whose output is brought back to variance 1.

    Then noise, bias, leaky ReLU and maybe a clamp: (B, in, H, W), (B, w_dim) -> (B, out, size, size).
    """

    def __init__(
        self, num_in: int, num_out: int, w_dim: int, size: int, *, is_up: bool, taps: Tensor, clamp: float | None
    ) -> None:
        super().__init__()
        self.is_up = is_up
        self.clamp = clamp
        self.size = size
        self.affine = EqualLinear(w_dim, num_in, bias=1.0)
        self.weight = nn.Parameter(torch.randn(num_out, num_in, 3, 3))
        self.bias = nn.Parameter(torch.zeros(num_out))
        self.noise_strength = nn.Parameter(torch.zeros(()))
        self.resample_filter: Tensor
        self.noise_const: Tensor
        self.register_buffer("resample_filter", taps.clone())
        self.register_buffer("noise_const", torch.randn(size, size))

    def forward(self, features: Tensor, w: Tensor, noise: Noise) -> Tensor:
        """(B, in, H, W), (B, w_dim) -> (B, out, size, size)."""
        style = self.affine(w)
        # Scaling inputs and outputs instead of each sample's weights is the same sum, and one convolution for all.
        power = style.square() @ self.weight.square().sum(dim=(2, 3)).mT
        scaled = features * rearrange(style, "b c -> b c 1 1")
        if self.is_up:
            enlarged = F.conv_transpose2d(scaled, rearrange(self.weight, "o i h w -> i o h w"), stride=2)
            made = filtered(enlarged, self.resample_filter)
        else:
            made = F.conv2d(scaled, self.weight, padding=1)
        made = made * rearrange((power + EPS).rsqrt(), "b c -> b c 1 1")
        added = noise(self)
        if added is not None:
            made = made + added * self.noise_strength
        return clamped(activated(made + rearrange(self.bias, "c -> c 1 1")), self.clamp)


class Shortcut(nn.Module):
    """The way around a block: a 1x1 convolution without bias, enlarged: (B, in, H, W) -> (B, out, 2H, 2W)."""

    def __init__(self, num_in: int, num_out: int, taps: Tensor) -> None:
        super().__init__()
        self.scale = 1 / sqrt(num_in)
        self.weight = nn.Parameter(torch.randn(num_out, num_in, 1, 1))
        self.resample_filter: Tensor
        self.register_buffer("resample_filter", taps.clone())

    def forward(self, features: Tensor) -> Tensor:
        """(B, in, H, W) -> (B, out, 2H, 2W)."""
        return doubled(F.conv2d(features, self.weight * self.scale), self.resample_filter)


class ToRGB(nn.Module):
    """A styled 1x1 convolution to colours, without demodulation: (B, in, H, W), (B, w_dim) -> (B, colours, H, W)."""

    def __init__(self, num_in: int, num_out: int, w_dim: int, *, clamp: float | None) -> None:
        super().__init__()
        self.clamp = clamp
        self.scale = 1 / sqrt(num_in)
        self.affine = EqualLinear(w_dim, num_in, bias=1.0)
        self.weight = nn.Parameter(torch.randn(num_out, num_in, 1, 1))
        self.bias = nn.Parameter(torch.zeros(num_out))

    def forward(self, features: Tensor, w: Tensor) -> Tensor:
        """(B, in, H, W), (B, w_dim) -> (B, colours, H, W)."""
        style = rearrange(self.affine(w) * self.scale, "b c -> b c 1 1")
        return clamped(F.conv2d(features * style, self.weight, self.bias), self.clamp)


def filter_taps(row: tuple[float, ...]) -> Tensor:
    """Return the separable filter (L, L) of a row, with a sum of 1."""
    taps = torch.tensor(row, dtype=torch.float32)
    square = torch.outer(taps, taps)
    return square / square.sum()


def filtered(features: Tensor, taps: Tensor) -> Tensor:
    """Smooth what a transposed convolution made: (B, C, 2H + 1, 2W + 1) -> (B, C, 2H, 2W).

    As in the originals the filter is turned round (a convolution in the mathematical sense) and has a gain of 4, since
    three of four values that were enlarged are zeros.
    """
    length, num_channels = len(taps), features.shape[1]
    before, after = (length + 1) // 2 - 1, (length - 2) // 2
    kernel = (4 * taps).flip((0, 1)).expand(num_channels, 1, length, length)
    return F.conv2d(F.pad(features, (before, after, before, after)), kernel, groups=num_channels)


def doubled(images: Tensor, taps: Tensor) -> Tensor:
    """Enlarge with the filter: (B, C, H, W) -> (B, C, 2H, 2W)."""
    length, (num_channels, height, width) = len(taps), images.shape[1:]
    kernel = (4 * taps).expand(num_channels, 1, length, length)
    whole = F.conv_transpose2d(images, kernel, stride=2, groups=num_channels)
    start = length - 1 - (length + 1) // 2
    return whole[:, :, start : start + 2 * height, start : start + 2 * width]


def clamped(values: Tensor, limit: float | None) -> Tensor:
    """Cut values beyond +-limit, if there is one."""
    return values if limit is None else values.clamp(-limit, limit)

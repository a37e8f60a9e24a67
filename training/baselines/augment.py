"""Adaptive discriminator augmentation (Karras et al. 2020b): pixel and colour changes that do not leak into pictures.

The discriminator sees real and made pictures changed in the same random ways, each with the probability `strength`,
which rises while it is too sure of the real ones. All of it can be differentiated twice, as R1 asks. Besides, a blur that
fades (Karras et al. 2021, appendix F): a young discriminator then sees no fine detail that it could harp on.
"""

from math import ceil, pi

import torch
from einops import rearrange
from torch import Tensor, nn

MAX_STRENGTH = 0.8  # beyond it changes begin to show in what is made
LEAST_SIGMA = 0.1  # pixels; a narrower blur changes nothing
SHIFT = 0.125  # the largest shift, as a share of the picture
BRIGHTNESS_STD, CONTRAST_STD, SATURATION_STD = 0.2, 0.5, 1.0  # of the paper's appendix B; the last two of log2
LUMA = 3**-0.5  # the axis of greys, as a unit vector


class Augmentation(nn.Module):
    """Random changes with a remembered strength, and what the strength follows: how sure the discriminator is.

    `target` is the wished mean sign of its scores of real pictures; `ramp` the pictures over which the strength may rise
    from 0 to 1. A target of 0 turns it off.
    """

    def __init__(self, target: float = 0.6, ramp: int = 100_000) -> None:
        super().__init__()
        if not 0 <= target < 1:
            raise ValueError(f"The target of the augmentation is from 0 (off) to 1, not {target}.")
        self.target, self.ramp = target, ramp
        self.strength: Tensor
        self.signs: Tensor
        self.register_buffer("strength", torch.zeros(()))
        self.register_buffer("signs", torch.zeros(2))  # their sum, and how many

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) around [-1, 1] -> the same shape."""
        strength = float(self.strength)
        if strength == 0 or not self.target:
            return images
        return coloured(moved(images, strength), strength)

    def watch(self, real_scores: Tensor) -> None:
        """Take note of the scores (B) of real pictures."""
        signs = real_scores.detach().sign()
        self.signs += torch.stack([signs.sum(), torch.ones_like(signs).sum()])

    def adapt(self) -> None:
        """Move the strength by what was noted since the last time, and forget it."""
        total, count = self.signs.tolist()
        if self.target and count:
            step = count / self.ramp * (1 if total / count > self.target else -1)
            self.strength.add_(step).clamp_(0, MAX_STRENGTH)
        self.signs.zero_()


class FadingBlur(nn.Module):
    """Smooth all that the discriminator sees with a normal filter of `pixels`, which fades to nothing over `steps`."""

    def __init__(self, pixels: float, first: int, steps: int) -> None:
        super().__init__()
        self.pixels, self.first, self.steps = pixels, first, steps
        self.sigma: Tensor
        self.register_buffer("sigma", torch.tensor(float(pixels)))

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> the same shape."""
        sigma = float(self.sigma)
        if sigma < LEAST_SIGMA:
            return images
        from torchvision.transforms.functional import gaussian_blur

        width = 2 * ceil(3 * sigma) + 1
        blurred: Tensor = gaussian_blur(images, [width, width], [sigma, sigma])
        return blurred

    def fade(self, step: int) -> None:
        """Set the width for the steps after `step`: whole until `first`, then less and less."""
        share = (step - self.first) / max(1, self.steps)
        self.sigma.fill_(self.pixels * min(1.0, max(0.0, 1 - share)))


def moved(images: Tensor, strength: float) -> Tensor:
    """Mirror, turn by a right angle, shift by whole pixels, each with the probability `strength`: (B, C, H, W)."""
    count, _, height, width = images.shape
    chosen = _chosen(3, count, strength, images)
    x = torch.where((chosen[0] & _coin(count, images))[:, None, None, None], images.flip(3), images)
    turns = torch.randint(4, (count,), device=images.device) * chosen[1]
    for quarter in (1, 2, 3):
        x = torch.where((turns == quarter)[:, None, None, None], x.rot90(quarter, (2, 3)), x)
    for axis, size in ((2, height), (3, width)):
        most = round(size * SHIFT)
        shift = torch.randint(-most, most + 1, (count,), device=images.device) * chosen[2]
        places = _mirrored(torch.arange(size, device=images.device) + shift[:, None], size)
        shape = [count, 1, 1, 1]
        shape[axis] = size
        x = x.gather(axis, places.view(shape).expand_as(x))
    return x


def coloured(images: Tensor, strength: float) -> Tensor:
    """Change brightness, contrast, lightness (turned over), hue and saturation: (B, 3, H, W)."""
    count = len(images)
    chosen = _chosen(5, count, strength, images).to(images.dtype)
    identity = torch.eye(3, device=images.device, dtype=images.dtype)
    axis = torch.full((3,), LUMA, device=images.device, dtype=images.dtype)
    grey = torch.outer(axis, axis)
    brightness = _normal(count, images) * BRIGHTNESS_STD * chosen[0]
    contrast = (_normal(count, images) * CONTRAST_STD * chosen[1]).exp2()
    flip = chosen[2] * _coin(count, images)
    angle = (2 * torch.rand(count, device=images.device, dtype=images.dtype) - 1) * pi * chosen[3]
    saturation = (_normal(count, images) * SATURATION_STD * chosen[4]).exp2()
    cosine, sine = (rearrange(values, "b -> b 1 1") for values in (angle.cos(), angle.sin()))
    cross = images.new_tensor([[0, -LUMA, LUMA], [LUMA, 0, -LUMA], [-LUMA, LUMA, 0]])
    rotation = grey + (identity - grey) * cosine + cross * sine
    matrix = rotation @ (identity - 2 * grey * rearrange(flip, "b -> b 1 1"))
    matrix = (grey + (identity - grey) * rearrange(saturation, "b -> b 1 1")) @ matrix
    matrix = matrix * rearrange(contrast, "b -> b 1 1")
    offset = rearrange(brightness * contrast, "b -> b 1 1 1")
    return torch.einsum("bij,bjhw->bihw", matrix, images) + offset


def _chosen(changes: int, count: int, strength: float, like: Tensor) -> Tensor:
    return torch.rand(changes, count, device=like.device) < strength


def _coin(count: int, like: Tensor) -> Tensor:
    return torch.rand(count, device=like.device) < 0.5


def _normal(count: int, like: Tensor) -> Tensor:
    return torch.randn(count, device=like.device, dtype=like.dtype)


def _mirrored(places: Tensor, size: int) -> Tensor:
    """Places beyond an edge, as in a mirror that stands on the last pixel."""
    return (size - 1) - ((size - 1) - places.abs()).abs()

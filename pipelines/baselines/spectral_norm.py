"""Spectral normalisation (Miyato et al. 2018), with its vectors stored as the released weights have them."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Apply = Callable[[Tensor, Tensor, Tensor | None], Tensor]


class SpectralNormed(nn.Module):
    """A layer whose weight is divided by its largest singular value, as two stored vectors give it.

    Parameters: `weight_orig` (out, ...), maybe `bias` (out); buffers `weight_u` (out) and `weight_v` (all but out).
    While training each forward improves the vectors by one power iteration; in evaluation they are used as stored.
    """

    def __init__(self, shape: tuple[int, ...], apply_weight: Apply, *, bias: bool, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self._apply_weight = apply_weight
        self.bias = nn.Parameter(torch.zeros(shape[0])) if bias else None
        self.weight_orig = nn.Parameter(nn.init.orthogonal_(torch.empty(shape)))
        self.weight_u: Tensor
        self.weight_v: Tensor
        with torch.no_grad():
            matrix = self.weight_orig.flatten(1)
            v = torch.full((matrix.shape[1],), matrix.shape[1] ** -0.5)
            u = torch.mv(matrix, v)
            self.register_buffer("weight_u", u / u.norm())
            self.register_buffer("weight_v", v)

    def forward(self, inputs: Tensor) -> Tensor:
        """(B, in, ...) -> (B, out, ...)."""
        return self._apply_weight(inputs, self.normed_weight(), self.bias)

    def normed_weight(self) -> Tensor:
        """Return weight / (u . W v), W being the weight as a matrix (out, -1); in single precision under autocast too."""
        with torch.autocast(self.weight_orig.device.type, enabled=False):
            return self._normed()

    def _normed(self) -> Tensor:
        matrix = self.weight_orig.flatten(1)
        u, v = self.weight_u, self.weight_v
        if self.training:
            with torch.no_grad():
                v.copy_(F.normalize(matrix.mT @ u, dim=0, eps=self.eps))
                u.copy_(F.normalize(matrix @ v, dim=0, eps=self.eps))
            u, v = u.clone(), v.clone()  # a later forward changes the buffers in place, the gradient must not notice
        return self.weight_orig / torch.dot(u, torch.mv(matrix, v))


def spectral_linear(num_in: int, num_out: int, *, bias: bool, eps: float) -> SpectralNormed:
    """A linear layer: (B, num_in) -> (B, num_out)."""
    return SpectralNormed((num_out, num_in), F.linear, bias=bias, eps=eps)


def spectral_conv(num_in: int, num_out: int, kernel: int, *, bias: bool, eps: float) -> SpectralNormed:
    """A convolution that keeps the size: (B, num_in, H, W) -> (B, num_out, H, W)."""
    convolve = partial(F.conv2d, padding=kernel // 2)
    return SpectralNormed((num_out, num_in, kernel, kernel), convolve, bias=bias, eps=eps)

"""A normalising flow between a normal distribution and a VAE's latents of a class: a prior that fits them.

Affine coupling layers (Dinh et al. 2017, "Real NVP") conditioned on the classes: the even dimensions shift and scale the
odd ones and the other way round, in turn.
"""

import torch
from torch import Tensor, nn

WIDTH = 192  # of the layers that tell the shift and the scale
MAX_LOG_SCALE = 2.0  # of one coupling, either way


class LatentFlow(nn.Module):
    """Normal latents to a VAE's own and back; both see the classes, all 0 if unknown."""

    def __init__(self, z_dim: int, num_classes: int, num_layers: int) -> None:
        super().__init__()
        self.couplings = nn.ModuleList(Coupling(z_dim, num_classes, number % 2) for number in range(num_layers))

    def forward(self, latents: Tensor, classes: Tensor) -> Tensor:
        """Normal (B, z_dim), (B, num_classes) -> the VAE's (B, z_dim)."""
        for coupling in self.couplings:
            latents, _ = coupling(latents, classes, inverse=False)
        return latents

    def inverse(self, latents: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
        """The VAE's (B, z_dim), (B, num_classes) -> normal (B, z_dim), log |det| of the map's Jacobian (B)."""
        total = latents.new_zeros(len(latents))
        for coupling in reversed(self.couplings):
            latents, stretched = coupling(latents, classes, inverse=True)
            total = total + stretched
        return latents, total


class Coupling(nn.Module):
    """Every second dimension, from `first` on, is shifted and scaled as the others and the classes tell."""

    def __init__(self, z_dim: int, num_classes: int, first: int) -> None:
        super().__init__()
        self.first = first
        moved = len(range(first, z_dim, 2))
        last = nn.Linear(WIDTH, 2 * moved)
        nn.init.zeros_(last.weight)  # a coupling begins as the identity
        nn.init.zeros_(last.bias)
        num_seen = z_dim - moved + num_classes
        self.layers = nn.Sequential(nn.Linear(num_seen, WIDTH), nn.SiLU(), nn.Linear(WIDTH, WIDTH), nn.SiLU(), last)

    def forward(self, latents: Tensor, classes: Tensor, *, inverse: bool) -> tuple[Tensor, Tensor]:
        """(B, z_dim), (B, num_classes) -> (B, z_dim), log |det| (B)."""
        seen, moved = latents[:, 1 - self.first :: 2], latents[:, self.first :: 2]
        shift, scale = self.layers(torch.cat([seen, classes], dim=1)).chunk(2, dim=1)
        scale = MAX_LOG_SCALE * torch.tanh(scale / MAX_LOG_SCALE)
        moved = (moved - shift) * (-scale).exp() if inverse else moved * scale.exp() + shift
        result = torch.empty_like(latents)
        result[:, 1 - self.first :: 2], result[:, self.first :: 2] = seen, moved
        return result, (-scale if inverse else scale).sum(dim=1)

"""A convolutional variational autoencoder (Kingma and Welling 2013), which may be told the classes of a picture."""

from dataclasses import dataclass

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from pipelines.baselines.latent_flow import LatentFlow
from pipelines.baselines.vae_config import LAST_SIZE, NORM_GROUPS, VAEConfig

MIN_LOG_VARIANCE, MAX_LOG_VARIANCE = -20.0, 10.0  # beyond them an exponential is no use to anybody


@dataclass(frozen=True, eq=False)
class VAEPass:
    """A batch on its way: what came back (B, 3, H, W), and the posterior's mean and log variance (B, z_dim)."""

    reconstruction: Tensor
    mean: Tensor
    log_variance: Tensor

    @property
    def divergence(self) -> Tensor:
        """Return KL(posterior || N(0, 1)) of every dimension, in nats: (B, z_dim)."""
        mean, log_variance = self.mean.float(), self.log_variance.float()
        return (mean.square() + log_variance.exp() - 1 - log_variance) / 2


class VAENetwork(nn.Module):
    """Pictures to the posterior of their latents, and latents to pictures; both see the classes, all 0 if unknown."""

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = VAEEncoder(config)
        self.decoder = VAEDecoder(config)
        self.flow = LatentFlow(config.z_dim, config.num_classes, config.flow_layers)
        self.latent_kl: Tensor
        self.register_buffer("latent_kl", torch.zeros(config.z_dim))  # what each dimension told, as last measured

    def forward(self, images: Tensor, classes: Tensor) -> VAEPass:
        """(B, 3, H, W) in [-1, 1], (B, num_classes) -> a pass; while training through drawn latents, else the means."""
        mean, log_variance = self.encoder(images, classes)
        latents = mean
        if self.training:
            latents = mean + torch.randn_like(mean) * (log_variance / 2).exp()
        return VAEPass(self.decoder(latents, classes), mean, log_variance)

    def encode(self, images: Tensor, classes: Tensor) -> Tensor:
        """(B, 3, H, W) in [-1, 1], (B, num_classes) -> the latents (B, z_dim) of their posteriors' means, as drawn ones are."""
        mean, _ = self.encoder(images, classes)
        latents, _ = self.flow.inverse(mean, classes)
        return latents

    def decode(self, latents: Tensor, classes: Tensor) -> Tensor:
        """Drawn latents (B, z_dim), (B, num_classes) -> (B, 3, H, W) in [-1, 1]."""
        images: Tensor = self.decoder(self.flow(latents, classes), classes)
        return images


class VAEEncoder(nn.Module):
    """Convolutions that halve the size, a residual block at each, and a linear layer to the posterior."""

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in zip((3, *config.channels), config.channels, strict=False):
            layers += [nn.Conv2d(before, after, 4, stride=2, padding=1), ResidualBlock(after)]
        self.body = nn.Sequential(*layers, nn.GroupNorm(NORM_GROUPS, config.channels[-1]), nn.SiLU())
        num_features = config.channels[-1] * LAST_SIZE**2
        self.last = nn.Linear(num_features + config.num_classes, 2 * config.z_dim)

    def forward(self, images: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, H, W), (B, num_classes) -> mean (B, z_dim), log variance (B, z_dim)."""
        features = rearrange(self.body(images), "b c h w -> b (c h w)")
        mean, log_variance = self.last(torch.cat([features, classes], dim=1)).chunk(2, dim=1)
        return mean, log_variance.clamp(MIN_LOG_VARIANCE, MAX_LOG_VARIANCE)


class VAEDecoder(nn.Module):
    """A linear layer to 4x4, then residual blocks and convolutions that double the size, and colours."""

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        self.num_first = config.channels[-1]
        self.first = nn.Linear(config.z_dim + config.num_classes, self.num_first * LAST_SIZE**2)
        backwards = config.channels[::-1]
        layers: list[nn.Module] = []
        for before, after in zip(backwards, (*backwards[1:], backwards[-1]), strict=True):
            layers += [ResidualBlock(before), nn.Upsample(scale_factor=2.0), nn.Conv2d(before, after, 3, padding=1)]
        self.body = nn.Sequential(*layers, nn.GroupNorm(NORM_GROUPS, backwards[-1]), nn.SiLU())
        self.colours = nn.Conv2d(backwards[-1], 3, 3, padding=1)

    def forward(self, latents: Tensor, classes: Tensor) -> Tensor:
        """(B, z_dim), (B, num_classes) -> (B, 3, H, W) in [-1, 1]."""
        features = self.first(torch.cat([latents, classes], dim=1))
        start = rearrange(features, "b (c h w) -> b c h w", h=LAST_SIZE, w=LAST_SIZE)
        images: Tensor = torch.tanh(self.colours(self.body(start)))
        return images


class ResidualBlock(nn.Module):
    """Two normed 3x3 convolutions beside a skip: (B, C, H, W) -> the same."""

    def __init__(self, num_channels: int) -> None:
        super().__init__()
        self.norm_0 = nn.GroupNorm(NORM_GROUPS, num_channels)
        self.conv_0 = nn.Conv2d(num_channels, num_channels, 3, padding=1)
        self.norm_1 = nn.GroupNorm(NORM_GROUPS, num_channels)
        self.conv_1 = nn.Conv2d(num_channels, num_channels, 3, padding=1)
        nn.init.zeros_(self.conv_1.weight)  # the block begins as the identity

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        x = self.conv_0(F.silu(self.norm_0(features)))
        added: Tensor = features + self.conv_1(F.silu(self.norm_1(x)))
        return added

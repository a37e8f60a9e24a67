"""The BigGAN-deep generator (Brock et al. 2018) at any size, with the parameter names of the released weights."""

from collections.abc import Callable

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from pipelines.baselines.batch_norm import StandingBatchNorm
from pipelines.baselines.biggan_config import FIRST_SIZE, BigGANConfig
from pipelines.baselines.spectral_norm import spectral_conv, spectral_linear

BOTTLENECK = 4  # a block works on a quarter of its channels
ATTENTION_KEYS, ATTENTION_VALUES = 8, 2  # shares of the channels in self-attention (Zhang et al. 2018)
EMBEDDING_STD = 0.02


class BigGANNetwork(nn.Module):
    """Class embeddings and a generator that sees the latent and the class in every block (skip-z)."""

    def __init__(self, config: BigGANConfig) -> None:
        super().__init__()
        self.config = config
        self.embeddings = nn.Linear(config.num_classes, config.z_dim, bias=False)
        nn.init.normal_(self.embeddings.weight, std=EMBEDDING_STD)
        self.generator = BigGANGenerator(config)

    def forward(self, z: Tensor, class_vector: Tensor, truncation: float) -> Tensor:
        """(B, z_dim), (B, num_classes) -> (B, 3, H, W) in [-1, 1]; the latents are used as they are.

        The truncation, in (0, 1], chooses the batch-norm statistics. Raises ValueError outside of it.
        """
        if not 0 < truncation <= 1:
            raise ValueError(f"truncation is above 0 and at most 1, not {truncation}.")
        images: Tensor = self.generator(torch.cat([z, self.embeddings(class_vector)], dim=1), truncation)
        return images


class BigGANGenerator(nn.Module):
    """A linear layer to 4x4, residual blocks with one self-attention among them, and a convolution to RGB."""

    def __init__(self, config: BigGANConfig) -> None:
        super().__init__()
        width, eps, condition_width = config.channel_width, config.eps, 2 * config.z_dim
        self.num_first = width * config.layers[0][1]
        self.gen_z = spectral_linear(condition_width, FIRST_SIZE**2 * self.num_first, bias=True, eps=eps)
        layers: list[nn.Module] = []
        for position, (is_up, num_in, num_out) in enumerate(config.layers):
            if position == config.attention_layer_position:
                layers.append(SelfAttention(width * num_in, eps=eps))
            layers.append(
                BigGANBlock(width * num_in, width * num_out, condition_width, is_up=is_up,
                            num_stats=config.n_stats, eps=eps)
            )  # fmt: skip
        self.layers = nn.ModuleList(layers)
        num_last = width * config.layers[-1][2]
        self.bn = StandingBatchNorm(num_last, None, num_stats=config.n_stats, eps=eps)
        self.conv_to_rgb = spectral_conv(num_last, num_last, 3, bias=True, eps=eps)

    def forward(self, condition: Tensor, truncation: float) -> Tensor:
        """(B, 2 * z_dim) -> (B, 3, H, W)."""
        # The released weights come from TensorFlow: channels are last in what the linear layer makes.
        features = rearrange(
            self.gen_z(condition), "b (h w c) -> b c h w", h=FIRST_SIZE, w=FIRST_SIZE, c=self.num_first
        ).contiguous()
        for layer in self.layers:
            features = layer(features, condition, truncation)
        features = F.relu(self.bn(features, condition, truncation))
        return torch.tanh(self.conv_to_rgb(features)[:, :3])  # the other channels are released, and unused


class BigGANBlock(nn.Module):
    """1x1, 3x3, 3x3 and 1x1 convolutions beside a skip that drops the last channels: (B, in, H, W) -> (B, out, ...)."""

    def __init__(
        self, num_in: int, num_out: int, condition_width: int, *, is_up: bool, num_stats: int, eps: float
    ) -> None:
        super().__init__()
        middle = num_in // BOTTLENECK
        self.num_out = num_out
        self.is_up = is_up

        def norm(num_channels: int) -> StandingBatchNorm:
            return StandingBatchNorm(num_channels, condition_width, num_stats=num_stats, eps=eps)

        self.bn_0 = norm(num_in)
        self.conv_0 = spectral_conv(num_in, middle, 1, bias=True, eps=eps)
        self.bn_1 = norm(middle)
        self.conv_1 = spectral_conv(middle, middle, 3, bias=True, eps=eps)
        self.bn_2 = norm(middle)
        self.conv_2 = spectral_conv(middle, middle, 3, bias=True, eps=eps)
        self.bn_3 = norm(middle)
        self.conv_3 = spectral_conv(middle, num_out, 1, bias=True, eps=eps)

    def forward(self, features: Tensor, condition: Tensor, truncation: float) -> Tensor:
        """(B, in, H, W) -> (B, out, H, W), or twice the size."""
        grow: Callable[[Tensor], Tensor] = _doubled if self.is_up else _same
        x = self.conv_0(F.relu(self.bn_0(features, condition, truncation)))
        x = self.conv_1(grow(F.relu(self.bn_1(x, condition, truncation))))
        x = self.conv_2(F.relu(self.bn_2(x, condition, truncation)))
        x = self.conv_3(F.relu(self.bn_3(x, condition, truncation)))
        skipped: Tensor = x + grow(features[:, : self.num_out])
        return skipped


class SelfAttention(nn.Module):
    """Every place looks at pooled places, added with a learned weight that starts at 0: (B, C, H, W) -> the same."""

    def __init__(self, num_channels: int, *, eps: float) -> None:
        super().__init__()
        num_keys, num_values = num_channels // ATTENTION_KEYS, num_channels // ATTENTION_VALUES
        self.snconv1x1_theta = spectral_conv(num_channels, num_keys, 1, bias=False, eps=eps)
        self.snconv1x1_phi = spectral_conv(num_channels, num_keys, 1, bias=False, eps=eps)
        self.snconv1x1_g = spectral_conv(num_channels, num_values, 1, bias=False, eps=eps)
        self.snconv1x1_o_conv = spectral_conv(num_values, num_channels, 1, bias=False, eps=eps)
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, features: Tensor, condition: Tensor, truncation: float) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W); condition and truncation have no part in it."""
        query = rearrange(self.snconv1x1_theta(features), "b c h w -> b (h w) c")
        key = rearrange(F.max_pool2d(self.snconv1x1_phi(features), 2), "b c h w -> b (h w) c")
        value = rearrange(F.max_pool2d(self.snconv1x1_g(features), 2), "b c h w -> b (h w) c")
        # Scores are not divided by the square root of the width: the original does not.
        seen = F.scaled_dot_product_attention(query, key, value, scale=1.0)
        mixed = rearrange(seen, "b (h w) c -> b c h w", h=features.shape[2])
        added: Tensor = features + self.gamma * self.snconv1x1_o_conv(mixed)
        return added


def _doubled(features: Tensor) -> Tensor:
    return F.interpolate(features, scale_factor=2.0)


def _same(features: Tensor) -> Tensor:
    return features

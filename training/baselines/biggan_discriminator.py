"""BigGAN-deep's discriminator (Brock et al. 2018): the generator's blocks the other way round, and a projection."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pipelines.baselines.biggan_config import BigGANConfig
from pipelines.baselines.biggan_model import BOTTLENECK, SelfAttention
from pipelines.baselines.spectral_norm import spectral_conv, spectral_linear


class BigGANDiscriminator(nn.Module):
    """Tell whether pictures are real and of their classes: (B, 3, H, W), (B, num_classes) -> scores (B).

    Beside them it says of which classes it takes them to be: logits (B, num_classes), for an auxiliary loss.
    """

    def __init__(self, config: BigGANConfig) -> None:
        super().__init__()
        width, eps = config.channel_width, config.eps
        mirrored = [(is_up, width * num_out, width * num_in) for is_up, num_in, num_out in reversed(config.layers)]
        attention_at = len(mirrored) - config.attention_layer_position
        layers: list[nn.Module] = []
        for position, (is_down, num_in, num_out) in enumerate(mirrored):
            if position == attention_at:
                layers.append(SelfAttention(num_in, eps=eps))
            layers.append(BigGANDownBlock(num_in, num_out, is_down=is_down, eps=eps))
        num_last = mirrored[-1][2]
        self.first = spectral_conv(3, mirrored[0][1], 3, bias=True, eps=eps)
        self.layers = nn.ModuleList(layers)
        self.score = spectral_linear(num_last, 1, bias=True, eps=eps)
        self.embeddings = spectral_linear(config.num_classes, num_last, bias=False, eps=eps)
        self.classify = nn.Linear(num_last, config.num_classes)

    def forward(self, images: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, H, W) in [-1, 1], (B, num_classes) -> (B), (B, num_classes).

        In the score the class counts by its product with the features; the logits know nothing of it.
        """
        features = self.first(images)
        for layer in self.layers:
            features = layer(features, None, 1.0) if isinstance(layer, SelfAttention) else layer(features)
        pooled = F.relu(features).sum(dim=(2, 3))
        projected = (pooled * self.embeddings(classes)).sum(dim=1)
        scores: Tensor = self.score(pooled)[:, 0] + projected
        return scores.float(), self.classify(pooled).float()


class BigGANDownBlock(nn.Module):
    """1x1, 3x3, 3x3 and 1x1 convolutions; the skip gains its new channels from a 1x1 convolution beside it."""

    def __init__(self, num_in: int, num_out: int, *, is_down: bool, eps: float) -> None:
        super().__init__()
        if num_out < num_in:
            raise ValueError(f"A block of the discriminator keeps or adds channels, not {num_in} to {num_out}.")
        middle = num_out // BOTTLENECK
        self.is_down = is_down
        self.conv_0 = spectral_conv(num_in, middle, 1, bias=True, eps=eps)
        self.conv_1 = spectral_conv(middle, middle, 3, bias=True, eps=eps)
        self.conv_2 = spectral_conv(middle, middle, 3, bias=True, eps=eps)
        self.conv_3 = spectral_conv(middle, num_out, 1, bias=True, eps=eps)
        self.more = spectral_conv(num_in, num_out - num_in, 1, bias=True, eps=eps) if num_out > num_in else None

    def forward(self, features: Tensor) -> Tensor:
        """(B, in, H, W) -> (B, out, H, W), or half the size."""
        x = self.conv_0(F.relu(features))
        x = self.conv_1(F.relu(x))
        x = F.relu(self.conv_2(F.relu(x)))
        skip = features
        if self.is_down:
            x, skip = F.avg_pool2d(x, 2), F.avg_pool2d(skip, 2)
        if self.more is not None:
            skip = torch.cat([skip, self.more(skip)], dim=1)
        added: Tensor = self.conv_3(x) + skip
        return added

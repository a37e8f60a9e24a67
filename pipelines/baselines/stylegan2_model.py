"""The StyleGAN2 generator (Karras et al. 2020) at any size, with the parameter names of NVIDIA's PyTorch releases."""

from math import sqrt

import torch
from einops import repeat
from torch import Tensor, nn

from pipelines.baselines.stylegan2_config import FIRST_SIZE, NOISE_MODES, NoiseMode, StyleGAN2Config
from pipelines.baselines.stylegan2_layers import (
    EqualLinear,
    Noise,
    Shortcut,
    StyledConv,
    ToRGB,
    activated,
    doubled,
    filter_taps,
    normalised,
)

HALF = sqrt(0.5)  # of either way through a block with a shortcut, so that their sum keeps the variance


class StyleGAN2Network(nn.Module):
    """A mapping from latents to styles, and a synthesis of images from styles."""

    def __init__(self, config: StyleGAN2Config) -> None:
        super().__init__()
        self.config = config
        self.mapping = StyleMapping(config)
        self.synthesis = Synthesis(config)

    def forward(self, z: Tensor, classes: Tensor, noise: Noise) -> Tensor:
        """(B, z_dim), (B, num_classes) -> (B, colours, H, W), around [-1, 1] and not cut."""
        images: Tensor = self.synthesis(self.mapping(z, classes), noise)
        return images


class StyleMapping(nn.Module):
    """Linear layers from a latent, and the class, to one style for all layers of the synthesis."""

    def __init__(self, config: StyleGAN2Config) -> None:
        super().__init__()
        self.num_ws = config.num_ws
        self.num_layers = config.num_mapping_layers
        embed_dim = (config.embed_dim or config.w_dim) if config.num_classes else 0
        if config.num_classes:
            self.embed = EqualLinear(config.num_classes, embed_dim)
        hidden = [config.mapping_dim or config.w_dim] * (self.num_layers - 1)
        widths = [config.z_dim + embed_dim, *hidden, config.w_dim]
        for number in range(self.num_layers):
            layer = EqualLinear(widths[number], widths[number + 1], multiplier=config.mapping_multiplier)
            self.add_module(f"fc{number}", layer)
        self.has_classes = config.num_classes > 0
        self.w_avg: Tensor
        self.register_buffer("w_avg", torch.zeros(config.w_dim))

    def forward(self, z: Tensor, classes: Tensor) -> Tensor:
        """(B, z_dim), (B, num_classes) -> (B, num_ws, w_dim)."""
        return repeat(self.style(z, classes), "b d -> b n d", n=self.num_ws)

    def style(self, z: Tensor, classes: Tensor) -> Tensor:
        """(B, z_dim), (B, num_classes) -> (B, w_dim)."""
        x = normalised(z)
        if self.has_classes:
            x = torch.cat([x, normalised(self.embed(classes))], dim=1)
        for number in range(self.num_layers):
            x = activated(self.get_submodule(f"fc{number}")(x))
        return x

    def truncated(
        self, ws: Tensor, truncation: float, cutoff: int | None = None, centre: Tensor | None = None
    ) -> Tensor:
        """Move the first `cutoff` styles (all if None) of (B, num_ws, w_dim) to `centre` (w_dim), at truncation 0 all the way.

        Unless given, the centre is the average style of all that was trained on.
        """
        moved: Tensor = (self.w_avg if centre is None else centre).lerp(ws, truncation)
        if cutoff is None:
            return moved
        return mixed(moved, ws, cutoff)

    @torch.no_grad()
    def class_average(self, z: Tensor, classes: Tensor) -> Tensor:
        """Latents (N, z_dim) and one vector (1, num_classes) -> the average style (w_dim) of these classes."""
        return self.style(z, classes.expand(len(z), -1)).mean(dim=0)

    @torch.no_grad()
    def track_average(self, styles: Tensor, decay: float) -> None:
        """Move the average style towards a training batch's (B, w_dim): it keeps `decay` of itself."""
        self.w_avg.copy_(styles.mean(dim=0).lerp(self.w_avg, decay))


class Synthesis(nn.Module):
    """Blocks that double the size; each, or in other architectures the last, adds colours to the enlarged ones before."""

    def __init__(self, config: StyleGAN2Config) -> None:
        super().__init__()
        self.sizes = config.sizes
        self.num_ws = config.num_ws
        before = (None, *config.channels)
        for num_in, num_out, size in zip(before, config.channels, config.sizes, strict=False):
            self.add_module(f"b{size}", SynthesisBlock(config, num_in, num_out, size))

    def forward(self, ws: Tensor, noise: Noise) -> Tensor:
        """(B, num_ws, w_dim) -> (B, colours, H, W)."""
        features: Tensor | None = None
        images: Tensor | None = None
        at = 0
        for size in self.sizes:
            block = self.get_submodule(f"b{size}")
            assert isinstance(block, SynthesisBlock)
            # The colours share the style of the next block's first convolution.
            features, images = block(features, images, ws[:, at : at + block.num_convs + 1], noise)
            at += block.num_convs
        assert images is not None
        return images


class SynthesisBlock(nn.Module):
    """The first block begins with a learned constant; the others double the size and convolve once more."""

    def __init__(self, config: StyleGAN2Config, num_in: int | None, num_out: int, size: int) -> None:
        super().__init__()
        taps = filter_taps(config.resample_filter)

        def conv(channels: int, *, is_up: bool) -> StyledConv:
            return StyledConv(channels, num_out, config.w_dim, size, is_up=is_up, taps=taps, clamp=config.conv_clamp)

        self.num_convs = 1 if num_in is None else 2
        self.resample_filter: Tensor
        self.register_buffer("resample_filter", taps)
        if num_in is None:
            self.const = nn.Parameter(torch.randn(num_out, FIRST_SIZE, FIRST_SIZE))
        else:
            self.conv0 = conv(num_in, is_up=True)
        self.conv1 = conv(num_out, is_up=False)
        self.torgb = (
            ToRGB(num_out, config.image_channels, config.w_dim, clamp=config.conv_clamp)
            if config.architecture == "skip" or size == config.image_size
            else None
        )
        self.skip = Shortcut(num_in, num_out, taps) if num_in is not None and config.architecture == "resnet" else None

    def forward(
        self, features: Tensor | None, images: Tensor | None, ws: Tensor, noise: Noise
    ) -> tuple[Tensor, Tensor | None]:
        """(B, in, H/2, W/2), (B, colours, H/2, W/2), (B, convs + 1, w_dim) -> (B, out, H, W), (B, colours, H, W)."""
        grown = self.const.expand(len(ws), -1, -1, -1) if features is None else self.conv0(features, ws[:, 0], noise)
        x = self.conv1(grown, ws[:, self.num_convs - 1], noise)
        if self.skip is not None:
            x = HALF * (x + self.skip(features))
        if self.torgb is None:
            return x, None
        colours: Tensor = self.torgb(x, ws[:, self.num_convs])
        return x, colours if images is None else doubled(images, self.resample_filter) + colours


def mixed(first: Tensor, second: Tensor, crossover: int) -> Tensor:
    """Take the first `crossover` styles of one and the rest of the other: (..., num_ws, w_dim) twice -> once."""
    return torch.cat([first[..., :crossover, :], second[..., crossover:, :]], dim=-2)


def noise_of(mode: NoiseMode, batch: int = 1, generator: torch.Generator | None = None) -> Noise:
    """Return the noise of a mode: the stored maps, fresh ones for each of `batch` samples, or none.

    Raises ValueError for another mode.
    """
    if mode not in NOISE_MODES:
        raise ValueError(f"noise_mode is one of {', '.join(NOISE_MODES)}, not {mode!r}.")
    if mode == "const":
        return lambda layer: layer.noise_const
    if mode == "none":
        return lambda layer: None

    def fresh(layer: StyledConv) -> Tensor:
        device = generator.device if generator is not None else layer.noise_const.device
        maps = torch.randn(batch, 1, layer.size, layer.size, generator=generator, device=device)
        return maps.to(layer.noise_const.device)

    return fresh

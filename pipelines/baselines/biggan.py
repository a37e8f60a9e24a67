"""BigGAN-deep as a baseline: images of a class, by name, at a truncation."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from pipelines.baselines.base import BaselineOutput, Generators, draws, to_image
from pipelines.baselines.biggan_config import BigGANConfig
from pipelines.baselines.biggan_model import BigGANNetwork
from pipelines.baselines.folder import read_baseline
from pipelines.baselines.labels import ClassLabels, Label
from pipelines.baselines.network import NetworkBaseline
from pipelines.outputs import conversion
from pipelines.pretrained.biggan import read_biggan

CLIP = 2.0  # released latents are of a normal distribution cut at two standard deviations, then scaled


class BigGAN(NetworkBaseline[BigGANNetwork, BigGANConfig]):
    """A BigGAN-deep generator in evaluation, with the names of its classes."""

    def __init__(self, network: BigGANNetwork) -> None:
        config = network.config
        super().__init__(network, config, ClassLabels(config.num_classes, config.labels, config.class_groups))

    @classmethod
    def from_pretrained(cls, name: Path | str, *, device: torch.device | str = "cpu") -> BigGAN:
        """Load what `save_pretrained` wrote, from a folder or a hub repository."""
        return cls(read_baseline(name, cls.__name__, BigGANConfig, BigGANNetwork)).to(device)

    @classmethod
    def from_single_file(
        cls, path: Path | str, *, config: Path | BigGANConfig | None = None, device: torch.device | str = "cpu"
    ) -> BigGAN:
        """Load released weights (`biggan-deep-128-pytorch_model.bin`, or its tensors as safetensors).

        The config is the file beside it, unless another or `BigGANConfig.deep(resolution)` is given.
        """
        return cls(read_biggan(Path(path), config)).to(device)

    def draw_latents(self, generator: torch.Generator, truncation: float = 1.0) -> Tensor:
        """Draw the latents (1, z_dim) of a sample: normal, within two standard deviations, times the truncation."""
        return truncated_normal(self.z_dim, truncation, generator)

    @torch.no_grad()
    def sample(
        self,
        count: int = 1,
        label: Label = None,
        truncation: float = 1.0,
        generator: Generators | None = None,
        *,
        latents: Tensor | None = None,
        output_type: str = "media",
    ) -> BaselineOutput:
        """Make `count` images of a class (None: any); a truncation in (0, 1] trades variety for fidelity.

        Drawn latents are truncated; `latents` (count, z_dim) are used as they are. Raises ValueError for an unknown
        class, a truncation out of range, or latents of another shape.
        """
        convert = conversion(output_type)
        images = []
        draw = partial(self.draw_latents, truncation=truncation)
        for z, source in draws(count, generator, latents, self.z_dim, draw):
            vector = self.labels.vector(label, source)
            pixels = self.network(z.to(self.device), vector.to(self.device), truncation)
            images.append(convert(to_image(pixels)))
        return BaselineOutput(tuple(images))


def truncated_normal(width: int, truncation: float, generator: torch.Generator) -> Tensor:
    """Draw (1, width) latents: normal, redrawn beyond two standard deviations, times the truncation."""
    z = torch.empty(1, width, device=generator.device)
    return truncation * nn.init.trunc_normal_(z, a=-CLIP, b=CLIP, generator=generator)

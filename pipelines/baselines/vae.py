"""A variational autoencoder as a baseline: images of a class, and the latents of given images."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from encoders.media import Image
from pipelines.baselines.base import BaselineOutput, Generators, draws, to_image
from pipelines.baselines.folder import read_baseline
from pipelines.baselines.labels import ClassLabels, Label
from pipelines.baselines.network import NetworkBaseline
from pipelines.baselines.vae_config import VAEConfig
from pipelines.baselines.vae_model import VAENetwork
from pipelines.outputs import conversion

MAX_TRUNCATION = 2.0


class VAE(NetworkBaseline[VAENetwork, VAEConfig]):
    """A VAE or beta-VAE in evaluation, with the names of its classes, if it has any."""

    def __init__(self, network: VAENetwork) -> None:
        config = network.config
        super().__init__(network, config, ClassLabels(config.num_classes, config.labels, config.class_groups))

    @classmethod
    def from_pretrained(cls, name: Path | str, *, device: torch.device | str = "cpu") -> VAE:
        """Load what `save_pretrained` wrote, from a folder or a hub repository."""
        return cls(read_baseline(name, cls.__name__, VAEConfig, VAENetwork)).to(device)

    def draw_latents(self, generator: torch.Generator, truncation: float = 1.0) -> Tensor:
        """Draw the latents (1, z_dim) of a sample: normal, times the truncation."""
        if not 0 <= truncation <= MAX_TRUNCATION:
            raise ValueError(f"truncation is from 0 to {MAX_TRUNCATION:g}, not {truncation}.")
        drawn = torch.randn(1, self.z_dim, generator=generator, device=generator.device)
        return truncation * drawn

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
        """Make `count` images of a class (None: any); a truncation below 1 keeps drawn latents nearer to the commonest.

        `latents` (count, z_dim) are used as they are. Raises ValueError for an unknown class or a truncation out of range.
        """
        convert = conversion(output_type)
        images = []
        draw = partial(self.draw_latents, truncation=truncation)
        for z, source in draws(count, generator, latents, self.z_dim, draw):
            vector = self.labels.vector(label, source)
            pixels = self.network.decode(z.to(self.device), vector.to(self.device))
            images.append(convert(to_image(pixels)))
        return BaselineOutput(tuple(images))

    @torch.no_grad()
    def encode(self, images: Sequence[Image], label: Label = None) -> Tensor:
        """Return the latents (count, z_dim) of images of this model's size; None: not told what they show.

        Raises ValueError for an image of another size.
        """
        classes = self._known(label)
        means = []
        for image in images:
            height, width = image.pixels.shape[1:]
            if (height, width) != (self.image_size, self.image_size):
                wanted = f"{self.image_size}x{self.image_size}"
                raise ValueError(f"This model reads {wanted} images; resize the one of {width}x{height} first.")
            pixels = (2 * image.pixels - 1)[None].to(self.device)
            means.append(self.network.encode(pixels, classes).cpu())
        return torch.cat(means)

    @torch.no_grad()
    def decode(self, latents: Tensor, label: Label = None) -> tuple[Image, ...]:
        """Return the images of latents (count, z_dim); None: not told what they are to show."""
        classes = self._known(label)
        return tuple(to_image(self.network.decode(row[None].to(self.device), classes)) for row in latents)

    def reconstruct(self, images: Sequence[Image], label: Label = None) -> tuple[Image, ...]:
        """Return what comes back of images."""
        return self.decode(self.encode(images, label), label)

    def told_dimensions(self) -> list[int]:
        """Return the dimensions of the latents, those that tell most about a picture first."""
        return [int(number) for number in self.network.latent_kl.argsort(descending=True, stable=True)]

    def _known(self, label: Label) -> Tensor:
        if label is None:
            return torch.zeros(1, self.num_classes, device=self.device)
        return self.labels.asked(label).to(self.device)

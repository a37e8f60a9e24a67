"""StyleGAN2 as a baseline: images with truncation, noise and style mixing, and the styles of a given image."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from encoders.media import Image
from pipelines.baselines.base import BaselineOutput, Generators, draws, to_image
from pipelines.baselines.folder import read_baseline
from pipelines.baselines.labels import ClassLabels, Label
from pipelines.baselines.network import NetworkBaseline
from pipelines.baselines.stylegan2_config import NoiseMode, StyleGAN2Config
from pipelines.baselines.stylegan2_model import StyleGAN2Network, mixed, noise_of
from pipelines.baselines.stylegan2_projection import (
    FeatureFunction,
    ProjectionOptions,
    ProjectionStep,
    pixels,
    project,
)
from pipelines.decoders.base import draw_seed
from pipelines.outputs import conversion
from pipelines.pretrained.stylegan2 import read_stylegan2

Average = Literal["class", "all"]  # which average style a truncation moves to

NUM_AVERAGED = 1024  # latents behind the average style of a class
KEPT_AVERAGES = 64
MAX_TRUNCATION = 2.0  # 1 is the style itself, 0 the average, and a negative one its opposite


class StyleGAN2(NetworkBaseline[StyleGAN2Network, StyleGAN2Config]):
    """A StyleGAN2 generator in evaluation, with the names of its classes, if it has any."""

    def __init__(self, network: StyleGAN2Network) -> None:
        if network.config.image_channels not in (1, 3):
            raise ValueError(
                f"This network makes images of {network.config.image_channels} channels; a picture has 1 or 3."
            )
        config = network.config
        super().__init__(network, config, ClassLabels(config.num_classes, config.labels, config.class_groups))
        self._averages: OrderedDict[tuple[float, ...], Tensor] = OrderedDict()

    @classmethod
    def from_pretrained(cls, name: Path | str, *, device: torch.device | str = "cpu") -> StyleGAN2:
        """Load what `save_pretrained` wrote, from a folder or a hub repository."""
        return cls(read_baseline(name, cls.__name__, StyleGAN2Config, StyleGAN2Network)).to(device)

    @classmethod
    def from_single_file(
        cls, path: Path | str, *, arguments: Mapping[str, Any] | None = None, device: torch.device | str = "cpu"
    ) -> StyleGAN2:
        """Load a `.pkl` of NVIDIA's, a state dict of it with the constructor's arguments, or a file in rosinality's layout.

        Nothing in a file is ever run.
        """
        return cls(read_stylegan2(Path(path), arguments)).to(device)

    def draw_latents(self, generator: torch.Generator, truncation: float = 1.0) -> Tensor:
        """Draw the latents (1, z_dim) of a sample; a truncation is a matter of its styles, not of these."""
        return torch.randn(1, self.z_dim, generator=generator, device=generator.device)

    def sample(
        self,
        count: int = 1,
        label: Label = None,
        truncation: float = 1.0,
        generator: Generators | None = None,
        *,
        latents: Tensor | None = None,
        truncation_cutoff: int | None = None,
        average: Average = "class",
        noise_mode: NoiseMode = "const",
        output_type: str = "media",
    ) -> BaselineOutput:
        """Make `count` images of a class (None: any); `latents` are (count, z_dim).

        A truncation below 1 moves styles towards their average, only the first `truncation_cutoff` of them if given: the
        average of the classes asked for (Dobler et al. 2022), or with "all", as NVIDIA's programs do, of all pictures.
        `noise_mode` is "const" (the stored maps), "random" or "none". Raises ValueError for an unknown class, or
        a truncation, cutoff, average or mode that there is not.
        """
        convert = conversion(output_type)
        rows = self._draw(count, label, truncation, generator, latents, truncation_cutoff, average)
        images = [convert(self.synthesise(ws, noise_mode=noise_mode, generator=source)) for ws, source in rows]
        return BaselineOutput(tuple(images))

    def styles(
        self,
        count: int = 1,
        label: Label = None,
        truncation: float = 1.0,
        generator: Generators | None = None,
        *,
        latents: Tensor | None = None,
        truncation_cutoff: int | None = None,
        average: Average = "class",
    ) -> Tensor:
        """Return the styles (count, num_ws, w_dim) that `sample` would make images of, to mix or to walk between."""
        return torch.stack(
            [ws for ws, _ in self._draw(count, label, truncation, generator, latents, truncation_cutoff, average)]
        )

    def mix(self, first: Tensor, second: Tensor, crossover: int) -> Tensor:
        """Take the first `crossover` styles (the coarse ones) of one and the rest of the other, (..., num_ws, w_dim)."""
        if not 0 <= crossover <= self.config.num_ws:
            raise ValueError(f"crossover is from 0 to the {self.config.num_ws} styles of this model, not {crossover}.")
        return mixed(first, second, crossover)

    @torch.no_grad()
    def synthesise(
        self, ws: Tensor, *, noise_mode: NoiseMode = "const", generator: torch.Generator | None = None
    ) -> Image:
        """Make the image of styles (num_ws, w_dim). Raises ValueError for another shape or mode."""
        wanted = (self.config.num_ws, self.config.w_dim)
        if tuple(ws.shape) != wanted:
            raise ValueError(f"The styles of one image have the shape {wanted}, not {tuple(ws.shape)}.")
        return to_image(self.network.synthesis(ws[None].to(self.device), noise_of(noise_mode, 1, generator)))

    def project(
        self,
        image: Image,
        label: Label = None,
        options: ProjectionOptions | None = None,
        *,
        features: FeatureFunction = pixels,
        generator: torch.Generator | None = None,
    ) -> Iterator[ProjectionStep]:
        """Yield the steps of a search for the styles of an image, of this model's size.

        `features` says what images are compared by: (1, colours, H, W) in [-1, 1] -> any tensor; unless given, pixels.
        """
        height, width = image.pixels.shape[1:]
        if (height, width) != (self.image_size, self.image_size):
            raise ValueError(
                f"This model makes {self.image_size}x{self.image_size} images; resize the one of {width}x{height} first."
            )
        source = generator or torch.Generator().manual_seed(draw_seed())
        target = (2 * image.pixels - 1)[None]
        if self.config.image_channels == 1:
            target = target.mean(dim=1, keepdim=True)
        vector = self.labels.vector(label, source).to(self.device)
        return project(
            self.network,
            target.to(self.device),
            vector,
            options or ProjectionOptions(),
            features=features,
            generator=source,
        )

    def _draw(
        self,
        count: int,
        label: Label,
        truncation: float,
        generator: Generators | None,
        latents: Tensor | None,
        cutoff: int | None,
        average: Average,
    ) -> Iterator[tuple[Tensor, torch.Generator]]:
        """Yield the styles (num_ws, w_dim) of one sample after another, and the generator that drew them."""
        if not -MAX_TRUNCATION <= truncation <= MAX_TRUNCATION:
            raise ValueError(f"truncation is from {-MAX_TRUNCATION:g} to {MAX_TRUNCATION:g}, not {truncation}.")
        if cutoff is not None and not 0 <= cutoff <= self.config.num_ws:
            raise ValueError(f"truncation_cutoff is from 0 to {self.config.num_ws} styles, not {cutoff}.")
        if average not in get_args(Average):
            raise ValueError(f"average is 'class' or 'all', not {average!r}.")
        for z, source in draws(count, generator, latents, self.z_dim, self.draw_latents):
            vector = self.labels.vector(label, source)
            with torch.no_grad():
                ws = self.network.mapping(z.to(self.device), vector.to(self.device))
                if truncation != 1:
                    centre = self._average_of(vector) if average == "class" and self.num_classes else None
                    ws = self.network.mapping.truncated(ws, truncation, cutoff, centre)
            yield ws[0], source

    def _average_of(self, classes: Tensor) -> Tensor:
        """Return the average style (w_dim) of classes (1, num_classes), the same at every call."""
        key = tuple(classes[0].tolist())
        if key not in self._averages:
            z = torch.randn(NUM_AVERAGED, self.z_dim, generator=torch.Generator().manual_seed(0)).to(self.device)
            self._averages[key] = self.network.mapping.class_average(z, classes.to(self.device))
        self._averages.move_to_end(key)
        while len(self._averages) > KEPT_AVERAGES:
            self._averages.popitem(last=False)
        return self._averages[key].to(self.device)

"""What every baseline promises: images for a label, one reproducible sample at a time."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from encoders.media import Image
from pipelines.baselines.labels import ClassLabels, Label
from pipelines.decoders.base import draw_seed

Generators = torch.Generator | Sequence[torch.Generator]


@dataclass(frozen=True, eq=False)
class BaselineOutput:
    """What was sampled: Image values, or as `output_type` asked ("np": (H, W, 3) arrays; "pil": Pillow images)."""

    images: tuple[Any, ...]


class Baseline(Protocol):
    """Make images of a class, or of none. A sample depends on its generator and never on how many are made."""

    @property
    def image_size(self) -> int:
        """Return the height and width of an image."""
        ...

    @property
    def num_classes(self) -> int:
        """Return how many classes can be asked for; 0 if it knows none."""
        ...

    @property
    def labels(self) -> ClassLabels:
        """Return the names of its classes."""
        ...

    @property
    def network(self) -> nn.Module:
        """Return what makes its images."""
        ...

    @property
    def z_dim(self) -> int:
        """Return the width of its latents."""
        ...

    def draw_latents(self, generator: torch.Generator, truncation: float = 1.0) -> Tensor:
        """Draw the latents (1, z_dim) of a sample as `sample` does."""
        ...

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
        """Make `count` images; `latents` (count, z width) are used as they are instead of drawing any.

        One generator draws all samples in order, so the first of them are the same at any count; several draw one each.
        """
        ...

    def save_pretrained(self, folder: Path | str, *, dtype: torch.dtype = torch.float32) -> Path:
        """Write config.json and model.safetensors."""
        ...

    def to(self, device: torch.device | str) -> Any:
        """Move it to a device."""
        ...


def draws(
    count: int,
    generator: Generators | None,
    latents: Tensor | None,
    width: int,
    draw: Callable[[torch.Generator], Tensor],
) -> Iterator[tuple[Tensor, torch.Generator]]:
    """Check what a call of `sample` was given; yield the latents (1, width) of each sample, and its generator.

    `draw` draws a row of latents. Rows that are given are used instead, behind as many draws, so that what follows is the
    same. Without a generator the seed is a fresh one. Raises ValueError if the numbers do not fit each other.
    """
    for number, source in enumerate(_sources(count, generator, latents, width)):
        drawn = draw(source)
        yield drawn if latents is None else latents[number : number + 1], source


def device_of(network: nn.Module) -> torch.device:
    """Return where a network lies."""
    return next(network.parameters()).device


def to_image(pixels: Tensor) -> Image:
    """(1, 3, H, W) in [-1, 1], any device -> Image; values outside are cut, one channel becomes grey."""
    values = pixels[0].detach().to("cpu", torch.float32).expand(3, -1, -1)
    return Image(((values + 1) / 2).clamp(0, 1).contiguous())


def _sources(count: int, generator: Generators | None, latents: Tensor | None, width: int) -> Iterator[torch.Generator]:
    if count < 1:
        raise ValueError(f"count is at least 1, not {count}.")
    if latents is not None and tuple(latents.shape) != (count, width):
        raise ValueError(f"The latents of {count} samples have the shape {(count, width)}, not {tuple(latents.shape)}.")
    if generator is None:
        generator = torch.Generator().manual_seed(draw_seed())
    if isinstance(generator, torch.Generator):
        return iter([generator] * count)
    if len(generator) != count:
        raise ValueError(f"{count} samples want one generator, or one each; {len(generator)} were given.")
    return iter(generator)

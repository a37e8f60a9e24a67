"""Families of generators under one request, so that they can be compared: baselines by class, diffusion by caption."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from encoders.media import Image
from encoders.modality import Modality
from pipelines.baselines.asking import classes_in
from pipelines.baselines.base import Baseline
from pipelines.baselines.registry import load_baseline
from pipelines.baselines.vae_model import VAENetwork
from pipelines.checkpoint import read_config
from pipelines.decoders import load_decoder
from pipelines.decoders.base import DecodeOptions
from pipelines.decoders.diffusion import PromptEmbedsDecoder
from pipelines.presets import preset_folder


@dataclass(frozen=True)
class Request:
    """What a picture is to show: a caption, and its classes where they are known (else they are read in the caption)."""

    caption: str
    classes: tuple[str, ...] = ()


class Contestant(Protocol):
    """One family's model."""

    @property
    def name(self) -> str:
        """Return what people call it."""
        ...

    @property
    def num_parameters(self) -> int:
        """Return how many parameters a picture takes."""
        ...

    def draw(self, request: Request, seed: int) -> Image:
        """Make the picture of a request and a seed. Raises ValueError if it cannot be asked for this."""
        ...


class BaselineContestant:
    """A baseline, asked for the classes of a request."""

    def __init__(self, name: str, baseline: Baseline, *, truncation: float = 1.0) -> None:
        self.name, self.baseline, self.truncation = name, baseline, truncation

    def at(self, truncation: float) -> "BaselineContestant":
        """Return the same model at a truncation, which its name tells unless it is 1, none."""
        name = self.name if truncation == 1 else f"{self.name}, truncation {truncation:g}"
        return BaselineContestant(name, self.baseline, truncation=truncation)

    @property
    def num_parameters(self) -> int:
        """Return how many parameters a picture takes: a VAE's encoder has no part in it."""
        network = self.baseline.network
        unused = _count(network.encoder.parameters()) if isinstance(network, VAENetwork) else 0
        return _count(network.parameters()) - unused

    def classes(self, request: Request) -> tuple[str, ...]:
        """Return the classes that it would be asked for."""
        return request.classes or classes_in(request.caption, self.baseline.labels)

    def draw(self, request: Request, seed: int) -> Image:
        """Make the picture of a request and a seed."""
        generator = torch.Generator().manual_seed(seed)
        (image,) = self.baseline.sample(1, self.classes(request), self.truncation, generator).images
        assert isinstance(image, Image)
        return image


class DiffusionContestant:
    """A preset's image decoder, asked by a caption through its own text encoder."""

    def __init__(self, name: str, decoder: PromptEmbedsDecoder) -> None:
        self.name, self.decoder = name, decoder

    @property
    def num_parameters(self) -> int:
        """Return how many parameters a picture takes: text encoder, denoiser and autoencoder."""
        parts = self.decoder.pipeline.components.values()
        return sum(_count(part.parameters()) for part in parts if isinstance(part, nn.Module))

    @torch.no_grad()
    def draw(self, request: Request, seed: int) -> Image:
        """Make the picture of a request and a seed."""
        (image,) = self.decoder.decode(self.decoder.condition([request.caption]), DecodeOptions(seed=seed))
        assert isinstance(image, Image)
        return image


def open_baseline(model: Path | str, *, device: torch.device | str = "cpu") -> BaselineContestant:
    """Load a baseline from a folder or hub repository, under the name of its folder."""
    baseline = load_baseline(model)
    baseline.to(device)
    return BaselineContestant(f"{Path(model).name} ({type(baseline).__name__})", baseline)


def open_diffusion(preset: str, *, device: torch.device | str = "cpu") -> DiffusionContestant:
    """Load a preset's image decoder, and nothing else of it. Raises ValueError if it has none."""
    folder = preset_folder(preset)
    entry = read_config(folder).decoders.get(Modality.IMAGE)
    if entry is None:
        raise ValueError(f"The preset {preset!r} draws no pictures.")
    reference = entry.reference
    decoder = load_decoder(
        entry.kind, reference.resolve(folder), Modality.IMAGE, entry.config, repository=reference.repository
    )
    if not isinstance(decoder, PromptEmbedsDecoder):
        raise ValueError(f"The preset {preset!r} draws by {entry.kind}, which takes no caption of its own.")
    decoder.to(device)
    return DiffusionContestant(f"{preset} (diffusion)", decoder)


def _count(parameters: Iterable[Tensor]) -> int:
    return sum(parameter.numel() for parameter in parameters)

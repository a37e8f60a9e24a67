"""What the families share: a network in evaluation with its config and the names of its classes."""

from pathlib import Path
from typing import Generic, Protocol, Self, TypeVar

import torch
from torch import nn

from pipelines.baselines.base import device_of
from pipelines.baselines.folder import write_baseline
from pipelines.baselines.labels import ClassLabels


class Sizes(Protocol):
    """What the config of every family says."""

    @property
    def image_size(self) -> int:
        """Return the height and width of an image."""
        ...

    @property
    def num_classes(self) -> int:
        """Return how many classes can be asked for; 0 if it knows none."""
        ...

    @property
    def z_dim(self) -> int:
        """Return the width of its latents."""
        ...


NetworkT = TypeVar("NetworkT", bound=nn.Module)
ConfigT = TypeVar("ConfigT", bound=Sizes)


class NetworkBaseline(Generic[NetworkT, ConfigT]):
    """A network whose weights stay as they are, its config, and the names of its classes."""

    def __init__(self, network: NetworkT, config: ConfigT, labels: ClassLabels) -> None:
        self.network = network.eval().requires_grad_(False)
        self.config = config
        self.labels = labels

    def save_pretrained(self, folder: Path | str, *, dtype: torch.dtype = torch.float32) -> Path:
        """Write config.json and model.safetensors."""
        return write_baseline(folder, type(self).__name__, self.network, self.config, dtype=dtype)

    def to(self, device: torch.device | str) -> Self:
        """Move it to a device."""
        self.network.to(device)
        return self

    @property
    def device(self) -> torch.device:
        """Return where it lies."""
        return device_of(self.network)

    @property
    def image_size(self) -> int:
        """Return the height and width of an image."""
        return self.config.image_size

    @property
    def num_classes(self) -> int:
        """Return how many classes can be asked for; 0 if it knows none."""
        return self.config.num_classes

    @property
    def z_dim(self) -> int:
        """Return the width of its latents."""
        return self.config.z_dim

"""The sizes of a StyleGAN2 generator."""

from dataclasses import dataclass
from typing import Any, Literal, get_args

from pipelines.baselines.labels import Labels

FIRST_SIZE = 4  # the constant that the synthesis begins with is 4x4
NoiseMode = Literal["const", "random", "none"]
Architecture = Literal["skip", "orig", "resnet"]
ARCHITECTURES: tuple[Architecture, ...] = get_args(Architecture)
NOISE_MODES: tuple[NoiseMode, ...] = ("const", "random", "none")


@dataclass(frozen=True)
class StyleGAN2Config:
    """Widths, and the number of channels at 4, 8, 16... pixels, whose count decides the size of the images.

    `conv_clamp` bounds every layer's output, as in models trained with half precision; `resample_filter` is the row of
    the separable filter that enlarges; the mapping's learning rate is `mapping_multiplier` of the others'. `class_groups`
    says how many classes belong to each question, in order; empty: all to one. In the `skip` architecture every block
    adds its colours; in the others the last block alone makes them, in `resnet` with a shortcut around every block.
    """

    channels: tuple[int, ...]
    z_dim: int = 512
    w_dim: int = 512
    num_classes: int = 0
    num_mapping_layers: int = 8
    mapping_multiplier: float = 0.01
    embed_dim: int | None = None
    mapping_dim: int | None = None
    image_channels: int = 3
    conv_clamp: float | None = None
    resample_filter: tuple[float, ...] = (1, 3, 3, 1)
    architecture: Architecture = "skip"
    labels: Labels = ()
    class_groups: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not self.channels or min(self.channels) < 1:
            raise ValueError(f"channels wants a number above 0 for each size from 4x4, not {self.channels}.")
        if self.architecture not in ARCHITECTURES:
            raise ValueError(f"architecture is one of {', '.join(ARCHITECTURES)}, not {self.architecture!r}.")
        if self.image_channels < 1:
            raise ValueError(f"An image has at least one channel, not {self.image_channels}.")
        if self.num_mapping_layers < 1:
            raise ValueError(f"A mapping has at least one layer, not {self.num_mapping_layers}.")
        if len(self.resample_filter) < 2 or sum(self.resample_filter) == 0:
            raise ValueError(f"A resample filter has two values or more, and a sum, not {self.resample_filter}.")

    @classmethod
    def released(
        cls, resolution: int, *, channel_base: int = 32768, channel_max: int = 512, **others: Any
    ) -> "StyleGAN2Config":
        """Return the sizes of a resolution by the rule of NVIDIA's code: channel_base / size, at most channel_max."""
        sizes = [FIRST_SIZE]
        while sizes[-1] < resolution:
            sizes.append(2 * sizes[-1])
        if sizes[-1] != resolution:
            raise ValueError(f"A StyleGAN2 picture is 4, 8, 16... pixels high, not {resolution}.")
        return cls(tuple(min(channel_base // size, channel_max) for size in sizes), **others)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Return the height and width of every block: 4, 8, 16..."""
        return tuple(FIRST_SIZE << level for level in range(len(self.channels)))

    @property
    def image_size(self) -> int:
        """Return the height and width of an image."""
        return self.sizes[-1]

    @property
    def num_ws(self) -> int:
        """Return how many styles an image has: one a convolution, and one for the last colours."""
        return 2 * len(self.channels)

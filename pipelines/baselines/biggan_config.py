"""The sizes of a BigGAN-deep generator, and the three that were released."""

from dataclasses import dataclass

from pipelines.baselines.labels import IMAGENET_SIZE, Labels

FIRST_SIZE = 4  # the blocks begin with a picture of 4x4

# Each block: doubles the size?, channels in and out in units of channel_width.
_TO_64 = (
    (False, 16, 16), (True, 16, 16), (False, 16, 16), (True, 16, 8), (False, 8, 8), (True, 8, 4), (False, 4, 4),
    (True, 4, 2), (False, 2, 2), (True, 2, 1),
)  # fmt: skip
_TO_256 = (*_TO_64[:5], (True, 8, 8), (False, 8, 8), *_TO_64[5:])
_RELEASED = {128: _TO_64, 256: _TO_256, 512: (*_TO_256, (False, 1, 1), (True, 1, 1))}


@dataclass(frozen=True)
class BigGANConfig:
    """Sizes by the released configs' names; `labels` is ours: "imagenet", a name for each class, or none.

    So is `class_groups`: how many classes belong to each question, in order; empty: all to one.

    As released, a class embedding is `z_dim` wide and the layers decide the size: two other fields only repeat that.
    """

    layers: tuple[tuple[bool, int, int], ...]
    num_classes: int = IMAGENET_SIZE
    z_dim: int = 128
    class_embed_dim: int = 128
    channel_width: int = 128
    attention_layer_position: int = 8
    eps: float = 1e-4
    n_stats: int = 51
    output_dim: int = 128
    labels: Labels = ()
    class_groups: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not self.layers:
            raise ValueError("A BigGAN wants at least one layer.")
        for (_, _, before), (_, after, _) in zip(self.layers, self.layers[1:], strict=False):
            if before != after:
                raise ValueError(f"A layer of {before} channel widths is followed by one that reads {after}.")
        if any(num_out > num_in for _, num_in, num_out in self.layers):
            raise ValueError("A BigGAN layer keeps or drops channels; one of these adds some.")
        if self.n_stats < 2:
            raise ValueError(f"n_stats is at least 2, not {self.n_stats}.")

    @classmethod
    def deep(cls, resolution: int) -> "BigGANConfig":
        """Return a released size: 128, 256 or 512."""
        if resolution not in _RELEASED:
            raise ValueError(f"BigGAN-deep was released at {', '.join(map(str, _RELEASED))}, not at {resolution}.")
        return cls(_RELEASED[resolution], output_dim=resolution, labels="imagenet")

    @property
    def image_size(self) -> int:
        """Return the height and width that the layers reach."""
        return int(FIRST_SIZE * 2 ** sum(is_up for is_up, _, _ in self.layers))

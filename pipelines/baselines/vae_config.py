"""The sizes of a variational autoencoder."""

from dataclasses import dataclass

from pipelines.baselines.labels import Labels

LAST_SIZE = 4  # the encoder halves a picture until it is 4x4, the decoder begins there
NORM_GROUPS = 8


@dataclass(frozen=True)
class VAEConfig:
    """The width of the latents, and the channels at a half, a quarter... of the size, whose count decides the size.

    `flow_layers` says how many layers the flow from a normal distribution to the latents has; 0: they are normal themselves.
    `class_groups` says how many classes belong to each question, in order (16 things, 6 colours...); empty: all to one.
    """

    channels: tuple[int, ...] = (32, 64, 128)
    z_dim: int = 64
    num_classes: int = 0
    class_groups: tuple[int, ...] = ()
    labels: Labels = ()
    flow_layers: int = 0

    def __post_init__(self) -> None:
        if not self.channels or any(number < 1 or number % NORM_GROUPS for number in self.channels):
            raise ValueError(f"channels wants multiples of {NORM_GROUPS}, one for each halving, not {self.channels}.")
        if self.z_dim < 1:
            raise ValueError(f"A latent has at least one dimension, not {self.z_dim}.")
        if self.flow_layers < 0 or (self.flow_layers and self.z_dim < 2):
            raise ValueError(
                f"A flow has 0 layers or more, and latents of 2 dimensions or more, not {self.flow_layers} and {self.z_dim}."
            )

    @property
    def image_size(self) -> int:
        """Return the height and width of an image."""
        return LAST_SIZE << len(self.channels)

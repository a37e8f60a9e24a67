"""What every decoder promises: a condition in, media out, one reproducible sample at a time."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

from encoders.media import Image, Media
from encoders.modality import Modality

MAX_SEED = 2**31 - 1


class Cancelled(Exception):
    """Raised from a step callback, by whoever waits for the sample, to stop its making at once."""


@dataclass(frozen=True)
class DecodeOptions:
    """How to make media; None stands for the preset's own value, and for a fresh seed.

    Sample number i has the seed `seed + i`. Every so many steps, `preview_every`, a step carries a picture so far.
    A picture to `start` from is changed by `strength`: so much of the steps is taken, 1 leaves nothing of it.
    """

    num_inference_steps: int | None = None
    guidance_scale: float | None = None
    seed: int | None = None
    count: int = 1
    preview_every: int = 0
    start: Image | None = None
    strength: float = 0.6

    def __post_init__(self) -> None:
        if self.num_inference_steps is not None and self.num_inference_steps < 1:
            raise ValueError(f"num_inference_steps is at least 1, not {self.num_inference_steps}.")
        if self.guidance_scale is not None and not 0 <= self.guidance_scale <= 100:
            raise ValueError(f"guidance_scale is from 0 to 100, not {self.guidance_scale}.")
        if self.seed is not None and not 0 <= self.seed <= MAX_SEED:
            raise ValueError(f"seed is from 0 to {MAX_SEED}, not {self.seed}.")
        if not 1 <= self.count <= 64:
            raise ValueError(f"count is from 1 to 64, not {self.count}.")
        if not 0 < self.strength <= 1:
            raise ValueError(f"strength is above 0 and at most 1, not {self.strength}.")


@dataclass(frozen=True)
class DecodeStep:
    """One finished denoising step: number `step` of `num_steps` (from 1) of sample number `sample` (from 0)."""

    sample: int
    step: int
    num_steps: int
    preview: Image | None = None


@dataclass(frozen=True)
class DecoderConfig:
    """A decoder's own values: steps, guidance, frames per second, further call arguments, the condition's length.

    `call` holds arguments of the pipeline's call, as its own documentation names them; a `negative_prompt` among them is
    encoded once. `condition_length` is the number of positions of the condition, where it is not to be the pipeline's own.
    """

    num_inference_steps: int
    guidance_scale: float
    rate: float = 8.0
    condition_length: int | None = None
    call: Mapping[str, Any] = field(default_factory=dict)


StepCallback = Callable[[DecodeStep], None]


class Decoder(Protocol):
    """Make media of one modality from named conditions."""

    @property
    def modality(self) -> Modality:
        """Return what it makes."""
        ...

    @property
    def config(self) -> DecoderConfig:
        """Return its own values."""
        ...

    @property
    def condition_shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Return the shape of each condition of one sample, without the batch; masks, which may be left out, are not here."""
        ...

    @property
    def unconditional(self) -> Mapping[str, Tensor]:
        """Return the conditions (1, ...) that guidance leads away from, a constant: the empty caption's, if not told else."""
        ...

    def condition(self, captions: Sequence[str]) -> dict[str, Tensor]:
        """Encode B captions with the decoder's own text encoder: name -> (B, ...), with its masks if it has any."""
        ...

    def decode(
        self, condition: Mapping[str, Tensor], options: DecodeOptions, callback: StepCallback | None = None
    ) -> list[Media]:
        """Make `count` samples for each of the B rows of the condition, row by row."""
        ...

    def drop_text_encoder(self) -> None:
        """Free the text encoder; from then on only `decode` works."""
        ...

    def to(self, device: torch.device | str) -> Any:
        """Move it to a device."""
        ...


def draw_seed() -> int:
    """Draw a fresh seed."""
    return secrets.randbelow(MAX_SEED)

"""How a reply is made: the sampling of its text, and the making of its media."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from encoders.modality import Modality
from pipelines.decoders.base import MAX_SEED, DecodeOptions


@dataclass(frozen=True)
class GenerationOptions:
    """How a reply is made. Temperature 0 always takes the likeliest token; no seed stands for a fresh one.

    `modalities` are the media that the reply may hold (None: all that the model makes), at most `max_media` of them.
    `decode` has options by modality; a modality's own seed goes before the reply's.
    """

    max_new_tokens: int = 128
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None
    modalities: frozenset[Modality] | None = None
    max_media: int = 4
    decode: Mapping[Modality, DecodeOptions] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.max_new_tokens < 1:
            raise ValueError(f"max_new_tokens is at least 1, not {self.max_new_tokens}.")
        if not 0 <= self.temperature <= 10:
            raise ValueError(f"temperature is from 0 to 10, not {self.temperature}.")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p is above 0 and at most 1, not {self.top_p}.")
        if self.seed is not None and not 0 <= self.seed <= MAX_SEED:
            raise ValueError(f"seed is from 0 to {MAX_SEED}, not {self.seed}.")
        if self.max_media < 0:
            raise ValueError(f"max_media is at least 0, not {self.max_media}.")

    def decode_options(self, modality: Modality) -> DecodeOptions:
        """Return a modality's options, its defaults where none were given."""
        return self.decode.get(modality, DecodeOptions())

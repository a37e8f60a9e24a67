"""What a person can set for a reply: its seed, how the text is sampled, and how each modality is decoded."""

import json
import random
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipelines.options import GenerationOptions

OUTPUTS = ("image", "audio", "video")
MAX_SEED = 2**31 - 1
MAX_STEPS = 1000
MAX_COUNT = 8


@dataclass(frozen=True)
class DecodeChoice:
    """How one modality is decoded; None leaves the preset's own value."""

    steps: int | None = None
    guidance: float | None = None
    count: int = 1

    def __post_init__(self) -> None:
        _check_range("steps", self.steps, 1, MAX_STEPS)
        _check_range("guidance", self.guidance, 0.0, 50.0)
        _check_range("count", self.count, 1, MAX_COUNT)


@dataclass(frozen=True)
class ReplyOptions:
    """All that, with the conversation, decides what a reply is. Temperature 0 always takes the likeliest word."""

    seed: int = 0
    max_new_tokens: int | None = None
    temperature: float = 0.0
    top_p: float = 1.0
    outputs: tuple[str, ...] = OUTPUTS
    decode: Mapping[str, DecodeChoice] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_range("seed", self.seed, 0, MAX_SEED)
        _check_range("max_new_tokens", self.max_new_tokens, 1, 4096)
        _check_range("temperature", self.temperature, 0.0, 5.0)
        _check_range("top_p", self.top_p, 0.01, 1.0)
        unknown = sorted((set(self.outputs) | set(self.decode)) - set(OUTPUTS))
        if unknown:
            raise ValueError(f"A reply can hold {', '.join(OUTPUTS)}, got {', '.join(unknown)}.")

    def to_dict(self) -> dict[str, Any]:
        return dict(json.loads(json.dumps(asdict(self))))

    def for_pipeline(self, makes: Collection[str], *, preview_every: int = 0) -> "GenerationOptions":
        """Return the same as the options of a pipeline that `makes` these modalities, without others; imports torch."""
        from encoders.modality import Modality
        from pipelines.decoders.base import DecodeOptions
        from pipelines.options import GenerationOptions

        decode = {
            Modality(name): DecodeOptions(
                num_inference_steps=choice.steps,
                guidance_scale=choice.guidance,
                count=choice.count,
                preview_every=preview_every,
            )
            for name, choice in {**dict.fromkeys(self.outputs, DecodeChoice()), **self.decode}.items()
            if name in self.outputs and name in makes
        }
        settings = {} if self.max_new_tokens is None else {"max_new_tokens": self.max_new_tokens}
        return GenerationOptions(
            temperature=self.temperature,
            top_p=self.top_p,
            seed=self.seed,
            modalities=frozenset(decode),
            decode=decode,
            **settings,
        )

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "ReplyOptions":
        """Read what `to_dict` wrote; ValueError says which field is wrong."""
        known = dict(values)
        try:
            known["outputs"] = tuple(known.get("outputs", OUTPUTS))
            known["decode"] = {name: DecodeChoice(**choice) for name, choice in known.get("decode", {}).items()}
            return cls(**known)
        except TypeError as error:
            raise ValueError(f"These reply options are not of this version: {error}.") from error


def draw_seed() -> int:
    """Return a new seed, short enough to read out loud."""
    return random.SystemRandom().randrange(1_000_000)


def _check_range(name: str, value: float | None, low: float, high: float) -> None:
    if value is not None and not (isinstance(value, int | float) and low <= value <= high):
        raise ValueError(f"{name} must lie between {low} and {high}, got {value}.")

"""What a reply is made of, and what is heard of it while it is being made."""

from dataclasses import dataclass
from typing import Literal

from encoders.media import Image, Media, Text
from encoders.modality import Modality
from pipelines.decoders.base import DecodeOptions


@dataclass(frozen=True)
class Costs:
    """What was computed: forwards of the core, positions that went through it, items that went through an encoder."""

    core_forwards: int = 0
    core_tokens: int = 0
    encoder_calls: int = 0

    def __add__(self, other: "Costs") -> "Costs":
        return Costs(
            self.core_forwards + other.core_forwards,
            self.core_tokens + other.core_tokens,
            self.encoder_calls + other.encoder_calls,
        )

    def __sub__(self, other: "Costs") -> "Costs":
        return Costs(
            self.core_forwards - other.core_forwards,
            self.core_tokens - other.core_tokens,
            self.encoder_calls - other.encoder_calls,
        )


@dataclass(frozen=True)
class Artefact:
    """One medium that a reply made, in its place, with the options (seed, steps and guidance filled in) that made it.

    A video with a soundtrack of its own was made with `sound_options` too.
    """

    part: int
    media: Media
    options: DecodeOptions
    sound_options: DecodeOptions | None = None


@dataclass(frozen=True)
class Reply:
    """A finished reply. `parts` are texts and media in the order in which the core wrote them."""

    text: str
    parts: tuple[Media, ...]
    artefacts: tuple[Artefact, ...]
    seed: int
    finish: Literal["stop", "length"]
    costs: Costs
    notice: str | None = None

    @property
    def media(self) -> tuple[Media, ...]:
        """The media alone, without the texts."""
        return tuple(part for part in self.parts if not isinstance(part, Text))


@dataclass(frozen=True)
class TextDelta:
    """More text of part number `part`."""

    part: int
    text: str


@dataclass(frozen=True)
class MediaStarted:
    """Part number `part` is a medium of this modality; it will take this many steps for each of its samples."""

    part: int
    modality: Modality
    num_samples: int
    num_steps: int


@dataclass(frozen=True)
class MediaStep:
    """One denoising step is done; the preview is a picture of the sample so far, if one was asked for."""

    part: int
    modality: Modality
    sample: int
    step: int
    num_steps: int
    preview: Image | None


@dataclass(frozen=True)
class MediaDone:
    """One sample of part number `part` is finished."""

    part: int
    sample: int
    media: Media


@dataclass(frozen=True)
class ReplyDone:
    """The reply is complete; `reply.notice` holds what the person should be told about it."""

    reply: Reply

    @property
    def notice(self) -> str | None:
        return self.reply.notice


Event = TextDelta | MediaStarted | MediaStep | MediaDone | ReplyDone

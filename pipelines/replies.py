"""The making of one reply: the core writes all of it first, then the decoders make its media, in order."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from encoders.media import Audio, Media, Text, Video
from encoders.modality import Modality
from pipelines.bridge import Caption, CaptionStream
from pipelines.decoders.base import MAX_SEED, DecodeOptions, DecodeStep
from pipelines.events import Artefact, Event, MediaDone, MediaStarted, MediaStep, TextDelta
from pipelines.options import GenerationOptions
from pipelines.sampling import Finish, SampledId, SampledRun, write
from pipelines.state import CoreState
from pipelines.text import TextStream

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipelines.any_to_any import AnyToAnyPipeline

    Report = Callable[[Event], None]


@dataclass(frozen=True, eq=False)
class MediaPart:
    """A part of a reply that is to be made: its signal run or caption, and for a video maybe that of its sound."""

    run: SampledRun | Caption
    sound: SampledRun | Caption | None = None


@dataclass(frozen=True)
class WrittenReply:
    """What the core wrote: its ids, the texts and media to be made in their order, and why it ended."""

    ids: tuple[int, ...]
    parts: tuple[str | MediaPart, ...]
    finish: Literal["stop", "length"]


def write_reply(
    state: CoreState,
    last: Tensor,
    options: GenerationOptions,
    outputs: Sequence[Modality],
    seed: int,
    report: "Report",
    *,
    captioned: Collection[Modality] = (),
) -> WrittenReply:
    """Let the core write a reply, reporting its text as it comes.

    The outputs that are `captioned` it asks for by captions between marks, the others by signal runs. A video that a
    sound follows, with no text between, is one video with that sound.
    """
    ids: list[int] = []
    parts: list[str | MediaPart] = []
    stream = TextStream(state.core.tokenizer)
    captions = CaptionStream([modality for modality in outputs if modality in captioned], options.max_media)
    signalled = [modality for modality in outputs if modality not in captioned]
    finish: Literal["stop", "length"] = "length"

    def hear(text: str) -> None:
        for piece in captions.push(text):
            add(piece) if isinstance(piece, str) else ask(piece)

    def add(text: str) -> None:
        is_new = not parts or isinstance(parts[-1], MediaPart)
        text = text.lstrip() if is_new else text
        if text:
            parts[len(parts) - (0 if is_new else 1) :] = [text if is_new else f"{parts[-1]}{text}"]
            report(TextDelta(len(parts) - 1, text))

    def ask(run: SampledRun | Caption) -> None:
        before = parts[-1] if parts else None
        if run.modality is Modality.AUDIO and _is_silent_video(before):
            assert isinstance(before, MediaPart)
            parts[-1] = replace(before, sound=run)
        else:
            parts.append(MediaPart(run))

    for written in write(state, last, options, signalled, seed):
        match written:
            case SampledId(id):
                ids.append(id)
                hear(stream.push(id))
            case SampledRun():
                hear(stream.flush())
                add(captions.flush())
                ids += written.ids
                ask(written)
            case Finish(reason):
                hear(stream.flush())
                add(captions.flush())
                finish = reason
    return WrittenReply(tuple(ids), tuple(parts), finish)


def make_media(
    pipe: "AnyToAnyPipeline", written: WrittenReply, options: GenerationOptions, seed: int, report: "Report"
) -> tuple[tuple[Media, ...], tuple[Artefact, ...]]:
    """Make the media of a written reply, in order, reporting their steps; return all its parts and what made the media.

    A modality's samples are numbered through the reply: number i has the seed `seed + i`.
    """
    made: list[Media] = []
    artefacts: list[Artefact] = []
    num_made: dict[Modality, int] = {}

    def options_of(modality: Modality) -> DecodeOptions:
        chosen, config = options.decode_options(modality), pipe.decoders[modality].config
        start = (seed if chosen.seed is None else chosen.seed) + num_made.get(modality, 0)
        num_made[modality] = num_made.get(modality, 0) + chosen.count
        guidance_scale = config.guidance_scale if chosen.guidance_scale is None else chosen.guidance_scale
        num_steps = chosen.num_inference_steps or config.num_inference_steps
        return replace(
            chosen, seed=start % (MAX_SEED + 1), num_inference_steps=num_steps, guidance_scale=guidance_scale
        )

    for number, part in enumerate(written.parts):
        if isinstance(part, str):
            made.append(Text(part.strip()))
            continue
        picture_options = options_of(part.run.modality)
        samples = _decode(pipe, part.run, picture_options, number, report)
        sound_options = None
        if part.sound is not None:
            sound_options = replace(options_of(Modality.AUDIO), count=len(samples))
            sounds = _decode(pipe, part.sound, sound_options, number, report)
            samples = [_with_sound(video, sound) for video, sound in zip(samples, sounds, strict=True)]
        for sample, media in enumerate(samples):
            made.append(media)
            artefacts.append(
                Artefact(
                    number,
                    media,
                    _of_sample(picture_options, sample),
                    sound_options and _of_sample(sound_options, sample),
                )
            )
            report(MediaDone(number, sample, media))
    return tuple(made), tuple(artefacts)


def _decode(
    pipe: "AnyToAnyPipeline", run: SampledRun | Caption, options: DecodeOptions, number: int, report: "Report"
) -> list[Media]:
    """Make the samples of one run, or of one caption."""
    decoder = pipe.decoders[run.modality]
    assert options.num_inference_steps is not None
    report(MediaStarted(number, run.modality, options.count, options.num_inference_steps))

    def on_step(step: DecodeStep) -> None:
        report(MediaStep(number, run.modality, step.sample, step.step, step.num_steps, step.preview))

    return decoder.decode(_condition(pipe, run), options, on_step)


@torch.no_grad()
def _condition(pipe: "AnyToAnyPipeline", run: SampledRun | Caption) -> Mapping[str, Tensor]:
    """What a decoder is asked with: name -> (1, ...); of a caption, by the decoder's own text encoder."""
    if isinstance(run, Caption):
        return pipe.decoders[run.modality].condition([run.text])
    project = pipe.output_projections[run.modality.value]
    condition: Mapping[str, Tensor] = project(run.states[None].float(), run.embeddings[None].float())
    return condition


def _is_silent_video(part: str | MediaPart | None) -> bool:
    return isinstance(part, MediaPart) and part.run.modality is Modality.VIDEO and part.sound is None


def _with_sound(video: Media, sound: Media) -> Video:
    assert isinstance(video, Video)
    assert isinstance(sound, Audio)
    return replace(video, soundtrack=sound)


def _of_sample(options: DecodeOptions, sample: int) -> DecodeOptions:
    """The options that make one sample of several alone."""
    assert options.seed is not None
    return replace(options, seed=(options.seed + sample) % (MAX_SEED + 1), count=1)

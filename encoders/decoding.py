"""Decode media into arrays. Runs only inside the sandbox's child, which is why nothing here imports torch."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from io import BufferedReader
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import soundfile
from PIL import Image as PILImage
from PIL import ImageOps

from encoders.limits import Limits, Refusal
from encoders.riff import read_comment
from encoders.sniffing import IMAGES, SOUNDS, Format

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Decoded:
    """What a child sends back: facts (JSON) and arrays (uint8 or float32)."""

    facts: dict[str, Any]
    arrays: list[Array] = field(default_factory=list)


def decode(file: BufferedReader, *, format: str, limits: dict[str, Any]) -> Decoded:
    """Decode a whole file. Facts: kind "image", "audio" (rate) or "video" (rate, maybe sound_rate)."""
    kind, ceilings = Format(format), Limits(**limits)
    if kind in IMAGES:
        return _image(file, kind, ceilings)
    if kind in SOUNDS and kind is not Format.AAC:
        try:
            return _sound_file(file, ceilings)
        except soundfile.LibsndfileError:  # a codec that libsndfile lacks
            file.seek(0)
    return _container(file, kind, ceilings)


def metadata(file: BufferedReader, *, format: str) -> Decoded:
    """Return the text that a file carries: our own mapping, or what others wrote, by name."""
    kind = Format(format)
    if kind in IMAGES:
        with PILImage.open(file, formats=[kind.value]) as picture:
            return Decoded({str(k): str(v) for k, v in picture.info.items() if isinstance(v, str)})
    if kind is Format.WAV:
        return Decoded(_unpacked(read_comment(file)))
    if kind in SOUNDS and kind is not Format.AAC:
        with soundfile.SoundFile(file) as sound:
            return Decoded(_unpacked(sound.comment))
    with av.open(file, "r", format=kind.value) as container:
        return Decoded(_unpacked(container.metadata.get("comment", "")))


def _unpacked(comment: str) -> dict[str, str]:
    """Read the JSON mapping that we write into a comment; another program's comment stays a comment."""
    try:
        values = json.loads(comment)
    except ValueError:
        values = None
    if isinstance(values, dict):
        return {str(name): str(value) for name, value in values.items()}
    return {"comment": comment} if comment else {}


def _image(file: BufferedReader, kind: Format, limits: Limits) -> Decoded:
    PILImage.MAX_IMAGE_PIXELS = None  # our own ceiling comes first and refuses instead of warning
    with PILImage.open(file, formats=[kind.value]) as picture:
        width, height = picture.size
        if width * height > limits.max_image_pixels:
            raise Refusal(
                f"has {width} x {height} pixels; at most {limits.max_image_pixels:,} in all are read. Make it smaller."
            )
        if min(width, height) > limits.keep_image_side:
            picture.draft("RGB", (limits.keep_image_side, limits.keep_image_side))  # a JPEG decodes smaller at once
        upright = _flattened(ImageOps.exif_transpose(picture))
    shorter = min(upright.size)
    if shorter > limits.keep_image_side:
        width, height = (max(1, side * limits.keep_image_side // shorter) for side in upright.size)
        upright = upright.resize((width, height), PILImage.Resampling.BICUBIC, reducing_gap=2.0)
    return Decoded({"kind": "image"}, [np.asarray(upright)])


def _flattened(picture: PILImage.Image) -> PILImage.Image:
    """Return RGB: 16-bit grey reduced to 8 bits, transparency laid over white."""
    if picture.mode.startswith("I;16"):
        picture = PILImage.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        layered = picture.convert("RGBA")
        white = PILImage.new("RGBA", layered.size, "white")
        return PILImage.alpha_composite(white, layered).convert("RGB")
    return picture.convert("RGB")


def _sound_file(file: BufferedReader, limits: Limits) -> Decoded:
    with soundfile.SoundFile(file) as sound:
        _check_sound(
            sound.frames / sound.samplerate, sound.samplerate, sound.channels, limits.max_audio_seconds, limits
        )
        most = int(limits.max_audio_seconds * sound.samplerate)  # the header's length may be a lie
        waveform = sound.read(most, dtype="float32", always_2d=True).T
        return Decoded({"kind": "audio", "rate": sound.samplerate}, [_some(waveform)])


def _container(file: BufferedReader, kind: Format, limits: Limits) -> Decoded:
    # The demuxer is named, so that no playlist or link inside a file is ever followed.
    with av.open(file, "r", format=kind.value) as container:
        pictures = [s for s in container.streams.video if not s.disposition & av.stream.Disposition.attached_pic]
        sounds = container.streams.audio
        seconds = container.duration / av.time_base if container.duration else 0.0
        if not pictures and not sounds:
            raise Refusal("holds neither pictures nor sound. Send another file.")
        if not pictures:
            waveform, rate = _waveform(container, sounds[0], seconds, limits.max_audio_seconds, limits)
            return Decoded({"kind": "audio", "rate": rate}, [_some(waveform)])
        if sounds:
            heard = sounds[0].codec_context
            _check_sound(seconds, heard.sample_rate, heard.channels, limits.max_video_seconds, limits)
        frames, frame_rate = _frames(container, pictures[0], seconds, limits)
        if not sounds:
            return Decoded({"kind": "video", "rate": frame_rate}, [frames])
        container.seek(0)
        waveform, rate = _waveform(container, sounds[0], seconds, limits.max_video_seconds, limits)
        facts = {"kind": "video", "rate": frame_rate}
        if waveform.size == 0:
            return Decoded(facts, [frames])
        return Decoded(facts | {"sound_rate": rate}, [frames, waveform])


def _frames(container: Any, stream: Any, seconds: float, limits: Limits) -> tuple[Array, float]:
    """Return (T, H, W, 3) uint8, thinned and scaled down to the limits, and the rate of what is left."""
    width, height = stream.codec_context.width, stream.codec_context.height
    if width * height > limits.max_video_pixels:
        raise Refusal(
            f"has frames of {width} x {height}; at most {limits.max_video_pixels:,} pixels are read. Make it smaller."
        )
    _check_seconds(seconds, limits.max_video_seconds)
    _check_frames(stream.frames, limits)  # what the header says; 0 if it says nothing
    kept: list[Array] = []
    every, num_frames, last_time = 1, 0, 0.0
    for frame in _decoded(container, stream):
        last_time = frame.time if frame.time is not None else last_time
        _check_seconds(last_time, limits.max_video_seconds)
        if num_frames % every == 0:
            kept.append(_picture(frame, limits.keep_video_side))
        num_frames += 1
        _check_frames(num_frames, limits)
        if len(kept) > limits.keep_frames:
            kept, every = kept[::2], every * 2
    if not kept:
        raise Refusal("holds no frame that can be shown. Send another file.")
    rate = stream.average_rate or stream.guessed_rate or Fraction(num_frames) / Fraction(last_time or 1)
    return np.stack(kept), float(rate) / every


def _picture(frame: Any, keep_side: int) -> Array:
    """Return (H, W, 3) uint8, upright, with its shorter side at most `keep_side`."""
    shorter = min(frame.width, frame.height)
    if shorter > keep_side:
        width, height = (max(1, side * keep_side // shorter) for side in (frame.width, frame.height))
        frame = frame.reformat(width=width, height=height, format="rgb24", interpolation="AREA")
    array: Array = frame.to_ndarray(format="rgb24")
    return np.rot90(array, k=round(frame.rotation / 90) % 4)


def _waveform(container: Any, stream: Any, seconds: float, most: float, limits: Limits) -> tuple[Array, int]:
    """Return (channels, samples) float32 and the rate of a stream."""
    rate, channels = stream.codec_context.sample_rate, stream.codec_context.channels
    _check_sound(seconds, rate, channels, most, limits)
    resampler = av.AudioResampler(format="fltp")
    pieces: list[Array] = []
    num_samples = 0
    for frame in _decoded(container, stream):
        for piece in resampler.resample(frame):
            pieces.append(piece.to_ndarray())
            num_samples += pieces[-1].shape[1]
        _check_seconds(num_samples / rate, most + 1)
    whole = np.concatenate(pieces, axis=1) if pieces else np.zeros((channels, 0), np.float32)
    # The last packet is filled up with silence that the header does not count.
    length = round(stream.duration * stream.time_base * rate) if stream.duration else whole.shape[1]
    return whole[:, :length], rate


def _decoded(container: Any, stream: Any) -> Iterator[Any]:
    stream.codec_context.thread_count = 1
    yield from container.decode(stream)


def _check_sound(seconds: float, rate: int, channels: int, most: float, limits: Limits) -> None:
    if channels > limits.max_channels:
        raise Refusal(f"has {channels} channels of sound; at most {limits.max_channels} are read. Mix it down.")
    if not limits.min_rate <= rate <= limits.max_rate:
        raise Refusal(f"has {rate} samples per second; {limits.min_rate} to {limits.max_rate} are read. Resample it.")
    _check_seconds(seconds, most)


def _check_seconds(seconds: float, most: float) -> None:
    if seconds > most:
        raise Refusal(f"lasts {seconds:.0f} s; at most {most:.0f} s are read. Cut out the part that matters.")


def _check_frames(num_frames: int, limits: Limits) -> None:
    if num_frames > limits.max_video_frames:
        raise Refusal(f"has more than {limits.max_video_frames:,} frames, the most that are read. Cut it, or thin it.")


def _some(waveform: Array) -> Array:
    if waveform.size == 0:
        raise Refusal("holds no sound. Send another file.")
    return waveform

"""Read and write media files: formats told from content, decoded in a sandbox, written whole or not at all."""

import os
import stat
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

from encoders.limits import Limits, Refusal
from encoders.media import Audio, Image, Media, MediaError, Video
from encoders.sandbox import SANDBOX, Reply, SandboxError
from encoders.sniffing import HEAD_BYTES, Format, sniff
from encoders.writing import write_media

__all__ = [
    "Limits", "MediaError", "read_audio", "read_image", "read_media", "read_metadata", "read_video", "write_media",
]  # fmt: skip

DEFAULT_LIMITS = Limits()
_FAILURES = {
    "time": "takes longer than {wall_seconds:.0f} s to decode. Send a shorter or smaller one.",
    "memory": "needs more memory to decode than is allowed. Send a shorter or smaller one.",
    "crash": "stops the decoder: it is damaged, or too large. Save it again in another program, or send another file.",
}


def read_media(path: Path | str, limits: Limits = DEFAULT_LIMITS) -> Media:
    """Read an image, a sound or a video, whatever its name says. Raises MediaError with a sentence for the person."""
    reply = _in_sandbox("decode", Path(path), limits, {"limits": asdict(limits)})
    kind, arrays = reply.facts["kind"], reply.arrays
    if kind == "image":
        return Image.from_uint8(arrays[0])
    if kind == "audio":
        return _audio(Path(path), arrays[0], reply.facts["rate"])
    soundtrack = _audio(Path(path), arrays[1], reply.facts["sound_rate"]) if "sound_rate" in reply.facts else None
    return Video.from_uint8(arrays[0], reply.facts["rate"], soundtrack)


def read_image(path: Path | str, limits: Limits = DEFAULT_LIMITS) -> Image:
    """Read an image. Raises MediaError if the file is something else."""
    media = read_media(path, limits)
    if not isinstance(media, Image):
        raise _wrong_kind(path, media, "an image")
    return media


def read_audio(path: Path | str, limits: Limits = DEFAULT_LIMITS) -> Audio:
    """Read a sound. Raises MediaError if the file is something else."""
    media = read_media(path, limits)
    if not isinstance(media, Audio):
        raise _wrong_kind(path, media, "a sound")
    return media


def read_video(path: Path | str, limits: Limits = DEFAULT_LIMITS) -> Video:
    """Read a video with its soundtrack. Raises MediaError if the file is something else."""
    media = read_media(path, limits)
    if not isinstance(media, Video):
        raise _wrong_kind(path, media, "a video")
    return media


def read_metadata(path: Path | str, limits: Limits = DEFAULT_LIMITS) -> dict[str, str]:
    """Return the mapping that `write_media` put into a file; for other files, the text that they carry."""
    return {str(name): str(value) for name, value in _in_sandbox("metadata", Path(path), limits, {}).facts.items()}


def _in_sandbox(function: str, path: Path, limits: Limits, arguments: Mapping[str, Any]) -> Reply:
    try:
        with closing(_Opened(path)) as opened:
            found = opened.format(limits)
            return SANDBOX.call(
                f"encoders.decoding:{function}", opened.fd, {"format": found, **arguments},
                memory_bytes=limits.memory_bytes, cpu_seconds=limits.cpu_seconds, wall_seconds=limits.wall_seconds,
            )  # fmt: skip
    except Refusal as refusal:
        raise MediaError(f"'{path.name}' {refusal}") from None
    except SandboxError as error:
        damaged = f"looks like {found.name}, but is damaged or incomplete. Save it again, or send another file."
        clause = _FAILURES.get(str(error), damaged).format(**asdict(limits))
        raise MediaError(f"'{path.name}' {clause}") from None


class _Opened:
    """A regular file, open for reading."""

    def __init__(self, path: Path) -> None:
        try:
            self.fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a named pipe must not hold us
        except OSError as error:
            raise Refusal(f"cannot be opened ({error.strerror}). Check its name and your rights.") from None

    def close(self) -> None:
        os.close(self.fd)

    def format(self, limits: Limits) -> Format:
        """Return the format. Raises Refusal if this is no regular file, too large, or nothing that we read."""
        status = os.fstat(self.fd)
        if not stat.S_ISREG(status.st_mode):
            raise Refusal("is not a file. Send an image, a sound or a video.")
        if status.st_size > limits.max_bytes:
            raise Refusal(
                f"has {status.st_size / 2**20:.0f} MiB; at most {limits.max_bytes / 2**20:.0f} MiB are read. "
                f"Send a shorter or smaller one."
            )
        return sniff(os.pread(self.fd, HEAD_BYTES, 0))


def _audio(path: Path, array: Any, rate: int) -> Audio:
    try:
        return Audio.from_numpy(array, rate)
    except ValueError:
        raise MediaError(f"'{path.name}' holds sound values that are not finite. Export it again.") from None


def _wrong_kind(path: Path | str, media: Media, wanted: str) -> MediaError:
    return MediaError(f"'{Path(path).name}' holds {media.modality}; wanted {wanted}. Send another file.")

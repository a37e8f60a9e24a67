"""The ceilings that a media file must stay under, and the refusal that says which one it passed."""

from dataclasses import dataclass

MEBIBYTE = 2**20


class Refusal(Exception):
    """A file that will not be decoded; the message is a clause that follows the file's name."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a file may ask for: checked on its header before decoding, and held by the operating system while decoding.

    Pictures whose shorter side passes `keep_image_side` or `keep_video_side` are scaled down to it; of more than
    `keep_frames` frames every second one is dropped until they fit. All other ceilings refuse.
    """

    max_bytes: int = 256 * MEBIBYTE
    max_image_pixels: int = 64_000_000
    max_video_pixels: int = 4096 * 2304
    max_video_seconds: float = 120.0
    max_video_frames: int = 15_000
    max_audio_seconds: float = 600.0
    max_channels: int = 8
    min_rate: int = 4_000
    max_rate: int = 192_000
    keep_image_side: int = 2048
    keep_video_side: int = 256
    keep_frames: int = 96
    memory_bytes: int = 2048 * MEBIBYTE
    cpu_seconds: int = 60
    wall_seconds: float = 60.0

"""Media as other libraries know them: NumPy arrays and Pillow images."""

from collections.abc import Callable, Mapping
from typing import Any

import PIL.Image
from einops import rearrange

from encoders.media import Audio, Image, Media, Text, Video


def conversion(output_type: str) -> Callable[[Media], Any]:
    """Find the conversion that an `output_type` names. Raises ValueError if there is none."""
    if output_type not in CONVERSIONS:
        raise ValueError(f"output_type is one of {', '.join(map(repr, CONVERSIONS))}, not {output_type!r}.")
    return CONVERSIONS[output_type]


def to_numpy(media: Media) -> Any:
    """Text stays a string; an image is (H, W, 3), a video (T, H, W, 3), both in [0, 1]; a sound is (C, T)."""
    match media:
        case Text():
            return media.text
        case Image():
            return rearrange(media.pixels, "c h w -> h w c").numpy()
        case Video():
            return rearrange(media.frames, "t c h w -> t h w c").numpy()
        case Audio():
            return media.waveform.numpy()


def to_pillow(media: Media) -> Any:
    """An image is a Pillow image, a video a list of them; text and sound are as in `to_numpy`."""
    match media:
        case Image():
            return PIL.Image.fromarray(media.to_uint8())
        case Video():
            return [PIL.Image.fromarray(frame) for frame in media.to_uint8()]
        case _:
            return to_numpy(media)


CONVERSIONS: Mapping[str, Callable[[Media], Any]] = {"media": lambda media: media, "np": to_numpy, "pil": to_pillow}

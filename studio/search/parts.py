"""A part of a medium: the region of a picture, the stretch of a sound or a video."""

from typing import TYPE_CHECKING

from studio.errors import StudioError
from studio.search.query import Box, Span

if TYPE_CHECKING:
    from encoders.media import Media


def cut(media: "Media", part: Box | Span | None) -> "Media":
    """Return a part of a medium. Raises StudioError if it has no such part."""
    from encoders.media import Audio, Image, Video

    match media, part:
        case _, None:
            return media
        case Image(), Box():
            return _cropped(media, part)
        case ((Audio() | Video()), Span(start, stop)):
            if start >= media.seconds:
                raise StudioError(
                    f"This {media.modality} ends at {media.seconds:.1f} s; [{start:g}-{stop:g}] is behind."
                )
            length = media.waveform.shape[1] if isinstance(media, Audio) else len(media.frames)
            first = min(round(start * media.rate), length - 1)
            last = max(first + 1, round(stop * media.rate))
            if isinstance(media, Audio):
                return Audio(media.waveform[:, first:last], media.rate)
            return Video(media.frames[first:last], media.rate)
    wanted = "[left,top,right,bottom]" if isinstance(media, Image) else "[from-to], as [1:20-1:35]"
    raise StudioError(f"This is {media.modality}, of which a part is given as {wanted}.")


def _cropped(image: "Media", box: Box) -> "Media":
    from encoders.media import Image

    assert isinstance(image, Image)
    height, width = image.pixels.shape[-2:]
    across, down = (width, height) if box.is_share else (1, 1)
    left, right = int(box.left * across), round(box.right * across)
    top, bottom = int(box.top * down), round(box.bottom * down)
    if right > width or bottom > height:
        raise StudioError(
            f"The picture has {width} x {height} pixels; the region [{left},{top},{right},{bottom}] reaches beyond it."
        )
    return Image(image.pixels[:, top : max(bottom, top + 1), left : max(right, left + 1)].contiguous())

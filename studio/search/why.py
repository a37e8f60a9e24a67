"""Why something was found: the patches of a picture that match, or the stretch of a sound or a video that does."""

from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, assert_never

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage

from studio.errors import StudioError
from studio.library.encoders import Embedder, EncoderEmbedder
from studio.search.parts import cut
from studio.search.query import Box, Span
from studio.search.result import Aim, Match, Moment

if TYPE_CHECKING:
    from encoders.media import Audio, Image, Video
    from studio.search.result import Found
    from studio.search.search import Search

FINEST_SECONDS = 0.5  # shorter stretches say little to an encoder
PARTS = 4  # a stretch is a quarter of what it is looked for in; two overlap by half
GLOW = np.array([255, 140, 0], np.float32)  # what matches best is tinted with this
SHOWN = 0.7  # of the tint, where it is strongest

Heat = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Why:
    """A heat map, (rows, columns) of cosines over the whole picture, or the moments that match, the best first."""

    heat: Heat | None
    picture: npt.NDArray[np.uint8] | None  # (H, W, 3), the heat upon the picture
    moments: tuple[Moment, ...]

    def save(self, path: Path) -> None:
        """Write the picture as PNG. Raises ValueError for a sound or a video, which has moments instead."""
        if self.picture is None:
            raise ValueError("Of a sound or a video there is no heat map; see its moments.")
        PillowImage.fromarray(self.picture).save(path, format="PNG")


def why(search: "Search", found: "Found", match: Match) -> Why:
    """Tell what of a match is near the query. Raises StudioError if the query was not compared with it."""
    from encoders.files import read_media
    from encoders.media import Audio, Image, Text, Video

    aim = found.aims.get(match.item.modality)
    if aim is None:
        raise StudioError("This was found by the words about it alone; its content was not compared.")
    embedder = search.spaces.embedder(aim.encoder)
    media = read_media(found.library.path(match.item.id))
    match media:
        case Image():
            heat = heat_map(embedder, aim, media)
            return Why(heat, overlay(media, heat), ())
        case Audio() | Video():
            return Why(None, None, finest_moments(embedder, aim, media, match.moments))
        case Text():
            raise AssertionError("files hold pictures, sounds and videos")
        case _:
            assert_never(media)


def heat_map(embedder: Embedder, aim: Aim, image: "Image") -> Heat:
    """Return the cosines of a picture's patches with the query, (rows, columns), over the whole picture.

    Encoders see squares, so a picture that is longer one way is seen in several, evenly spaced; where they overlap, the
    mean counts. Raises StudioError if the encoder's patches cannot be compared.
    """
    from encoders.patch_vectors import patch_vectors

    if not isinstance(embedder, EncoderEmbedder):
        raise StudioError(f"The patches of the encoder {embedder.name!r} cannot be compared.")
    height, width = image.pixels.shape[-2:]
    side = min(height, width)
    sums, counts = None, None
    for left, top in _squares(width, height):
        square = cut(image, Box(left, top, left + side, top + side, is_share=False))
        try:
            patches = patch_vectors(embedder.encoder, square).cpu().numpy() @ aim.vector  # type: ignore[arg-type]
        except ValueError as error:
            raise StudioError(str(error)) from error
        num = len(patches)
        if sums is None or counts is None:
            rows, columns = round(num * height / side), round(num * width / side)
            sums, counts = np.zeros((rows, columns), np.float32), np.zeros((rows, columns), np.float32)
        row = min(round(top * num / side), len(sums) - num)
        column = min(round(left * num / side), sums.shape[1] - num)
        sums[row : row + num, column : column + num] += patches
        counts[row : row + num, column : column + num] += 1
    assert sums is not None and counts is not None, "a picture holds at least one square"
    return np.asarray(sums / np.maximum(counts, 1), np.float32)


def overlay(image: "Image", heat: Heat) -> npt.NDArray[np.uint8]:
    """Return the picture, (H, W, 3), grey where it is far from the query and glowing where it is near."""
    pixels = image.to_uint8()
    spread = float(heat.max() - heat.min())
    scaled = np.asarray((heat - heat.min()) / spread if spread > 0 else np.zeros_like(heat), np.float32)
    size = pixels.shape[1], pixels.shape[0]
    smooth = np.asarray(PillowImage.fromarray(scaled).resize(size, PillowImage.Resampling.BILINEAR))[..., None]
    grey = np.repeat(np.asarray(PillowImage.fromarray(pixels).convert("L"), np.float32)[..., None], 3, axis=2)
    ground = grey * (1 - smooth) + pixels * smooth
    tint = SHOWN * smooth**2
    return np.asarray(np.clip(ground * (1 - tint) + GLOW * tint, 0, 255).round(), np.uint8)


def finest_moments(
    embedder: Embedder, aim: Aim, media: "Audio | Video", moments: tuple[Moment, ...] = ()
) -> tuple[Moment, ...]:
    """Return the stretches of a sound or a video that are nearest to the query, the best first, at most three.

    Looked for within the best of the `moments` known already, or in the whole; nothing where that is too short to cut.
    """
    first, last = (moments[0].start, moments[0].stop) if moments else (0.0, media.seconds)
    length = max(FINEST_SECONDS, (last - first) / PARTS)
    steps = ceil((last - first - length) / (length / 2) - 1e-6)
    if steps < 1:
        return moments
    found = []
    for start in np.linspace(first, last - length, steps + 1).tolist():
        vector = embedder.embed(cut(media, Span(start, start + length)))
        found.append(Moment(start, start + length, float(vector @ aim.vector)))
    return tuple(sorted(found, key=lambda moment: -moment.cosine)[:3])


def _squares(width: int, height: int) -> list[tuple[int, int]]:
    """Return the left and top of the squares, as large as they can be, that cover a picture."""
    side = min(width, height)
    count = ceil(max(width, height) / side)
    places = np.linspace(0, max(width, height) - side, count).round().astype(int).tolist()
    return [(place, 0) if width > height else (0, place) for place in places]

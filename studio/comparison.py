"""Comparing a file with its remake: identical, equivalent, or different, and by how much."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from encoders.media import Media

# The largest difference that a change of processor, threads or versions is known to make, on the scale of the content
# (pixels 0 to 1, samples -1 to 1): rounding, grown over the denoising steps. A lossy codec adds to it in videos.
LARGEST_EQUIVALENT = {"image": 0.05, "audio": 0.05, "video": 0.15}
# An equivalent remake is also close on the whole, not only nowhere far off.
LARGEST_MEAN_EQUIVALENT = 0.01


class Verdict(StrEnum):
    IDENTICAL = "identical"
    EQUIVALENT = "equivalent"
    DIFFERENT = "different"


@dataclass(frozen=True)
class Comparison:
    """The verdict; the largest and the mean difference, None where the two cannot be laid over each other."""

    verdict: Verdict
    largest: float | None = None
    mean: float | None = None
    reason: str = ""


def compare(before: "Media", after: "Media") -> Comparison:
    """Compare two decoded media of one studio's making."""
    if before.content_hash == after.content_hash:
        return Comparison(Verdict.IDENTICAL, 0.0, 0.0)
    if before.modality != after.modality:
        return Comparison(Verdict.DIFFERENT, reason=f"{before.modality} became {after.modality}")
    if _rate(before) != _rate(after):
        return Comparison(Verdict.DIFFERENT, reason=f"a rate of {_rate(before)} became {_rate(after)}")
    largest, total, count = 0.0, 0.0, 0
    for name, first, second in _signals(before, after):
        if first is None or second is None:
            return Comparison(Verdict.DIFFERENT, reason=f"only one has a {name}")
        if first.shape != second.shape:
            return Comparison(
                Verdict.DIFFERENT, reason=f"the {name}: {tuple(first.shape)} became {tuple(second.shape)}"
            )
        distance = (first - second).abs()
        largest = max(largest, float(distance.max()))
        total, count = total + float(distance.sum()), count + distance.numel()
    mean = total / count
    is_close = largest <= LARGEST_EQUIVALENT[before.modality] and mean <= LARGEST_MEAN_EQUIVALENT
    return Comparison(Verdict.EQUIVALENT if is_close else Verdict.DIFFERENT, largest, mean)


def _rate(media: "Media") -> float | None:
    from encoders.media import Audio, Video

    return media.rate if isinstance(media, (Audio, Video)) else None


def _signals(before: "Media", after: "Media") -> "list[tuple[str, Tensor | None, Tensor | None]]":
    """Return (name, before, after) of every signal that the two media hold."""
    from encoders.media import Audio, Image, Video

    match before, after:
        case Image(), Image():
            return [("picture", before.pixels, after.pixels)]
        case Audio(), Audio():
            return [("sound", before.waveform, after.waveform)]
        case Video(), Video():
            pairs: list[tuple[str, Tensor | None, Tensor | None]] = [("frames", before.frames, after.frames)]
            if before.soundtrack or after.soundtrack:
                sounds = [video.soundtrack.waveform if video.soundtrack else None for video in (before, after)]
                pairs.append(("soundtrack", sounds[0], sounds[1]))
            return pairs
        case _:
            raise ValueError(f"Only images, sounds and videos are compared, got {before.modality}.")

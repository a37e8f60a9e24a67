"""One request through every family that can answer it: pictures side by side, with seed, seconds, size and memory."""

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from encoders.media import Image
from pipelines.baselines.contestants import Contestant, Request, open_baseline, open_diffusion
from pipelines.baselines.registry import embedded_baselines
from studio.lab.explore import Sheet
from studio.process_memory import forget_peak, peak_bytes, resident_bytes


@dataclass(frozen=True)
class Answered:
    """What came of one family: its picture and what it took, or why it could not answer."""

    name: str
    image: Image | None
    seed: int
    seconds: float | None = None
    num_parameters: int | None = None
    peak_bytes: int | None = None  # beyond what the process held before the model was loaded; None: not known here
    refusal: str = ""


def entrants(models: Sequence[str], preset: str | None) -> list[tuple[str, Callable[[], Contestant]]]:
    """Name every family and how it is opened: the given models, or the embedded ones; and a preset's diffusion."""
    names = list(models) or embedded_baselines()
    found: list[tuple[str, Callable[[], Contestant]]] = [(Path(name).name, _opening(name)) for name in names]
    if preset is not None:
        found.append((f"{preset}, diffusion", lambda: open_diffusion(preset)))
    return found


def compare(
    prompt: str, contestants: Sequence[tuple[str, Callable[[], Contestant]]], *, seed: int
) -> Iterator[Answered]:
    """Let one family after another answer, each opened when it is its turn and let go after it.

    The first picture of a family warms it up; the seconds are those of the second, which is the same.
    """
    for name, open_one in contestants:
        gc.collect()
        before = _start_of_peak()
        try:
            contestant = open_one()
            contestant.draw(Request(prompt), seed)
        except ValueError as error:
            yield Answered(name, None, seed, refusal=str(error))
            continue
        began = time.perf_counter()
        image = contestant.draw(Request(prompt), seed)
        seconds = time.perf_counter() - began
        yield Answered(name, image, seed, seconds, contestant.num_parameters, _peak_since(before))


def sheet_of(answers: Sequence[Answered]) -> Sheet:
    """Lay out the pictures that there are."""
    shown = [answer for answer in answers if answer.image is not None]
    return Sheet((tuple(a.image for a in shown if a.image is not None),), (), tuple(answer.name for answer in shown))


def _opening(name: str) -> Callable[[], Contestant]:
    return lambda: open_baseline(name)


def _start_of_peak() -> int | None:
    """Forget the peak so far; return what is held now, in bytes, or None where the system does not tell."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
        return torch.cuda.memory_allocated()
    return resident_bytes() if forget_peak() else None


def _peak_since(before: int | None) -> int | None:
    peak = torch.cuda.max_memory_allocated() if torch.cuda.is_available() else peak_bytes()
    return None if before is None or peak is None else max(0, peak - before)

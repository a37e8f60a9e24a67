"""How a reply came to be, from what its job reported: which signals fired, through which projections, and how long it took."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from studio.jobs.queue import JobEvent


@dataclass(frozen=True)
class Reading:
    """How a medium of the request was read: by which encoder, and what its projection made of it."""

    modality: str
    encoder: str
    projection: str
    positions: int


@dataclass(frozen=True)
class Way:
    """Through what the core's wish for a medium went: the run of its signals, and the kinds of its output projections.

    Without signals it was a caption.
    """

    signals: int = 0
    projections: tuple[str, ...] = ()


@dataclass(frozen=True)
class Making:
    """How a medium was made: when its signal fired, and how long it took from there, in seconds.

    Of one wish, samples are counted from 0. `way` is None where the job did not tell it.
    """

    modality: str
    sample: int
    fired_at: float
    num_steps: int
    seconds: float
    way: Way | None


@dataclass(frozen=True)
class How:
    """The stages of a reply, in seconds from its start; `loading` and `first_word` None where there were none."""

    loading: float | None
    readings: tuple[Reading, ...]
    first_word: float | None
    makings: tuple[Making, ...]


def how_it_came(events: Sequence[JobEvent]) -> How | None:
    """Read the stages off a job's events; None once they are forgotten."""
    started = next((event.created for event in events if event.kind == "started"), None)
    if started is None:
        return None
    at: dict[str, float] = {}
    fired: dict[tuple[int, int], JobEvent] = {}
    makings: list[Making] = []
    ways: Mapping[str, Any] | None = next((event.data for event in reversed(events) if event.kind == "ways"), None)
    last_done = started
    for event in events:
        at.setdefault(event.kind, event.created)
        key = event.data.get("part", 0), event.data.get("sample", 0)
        if event.kind == "media_started":
            fired[key] = event
        elif event.kind == "media_done" and key in fired:
            begun = fired[key]
            since = max(begun.created, last_done)
            last_done = event.created
            modality, seconds = event.data["modality"], event.created - since
            way = None if ways is None else _way(ways["make"].get(modality))
            makings.append(Making(modality, key[1], begun.created - started, begun.data["num_steps"], seconds, way))
    loading = at["ready"] - at["loading"] if {"ready", "loading"} <= at.keys() else None
    first_word = at["text"] - started if "text" in at else None
    readings = () if ways is None else tuple(Reading(**one) for one in ways["read"])
    return How(loading, readings, first_word, tuple(makings))


def _way(told: Mapping[str, Any] | None) -> Way:
    return Way() if told is None else Way(told["signals"], tuple(told["projections"]))

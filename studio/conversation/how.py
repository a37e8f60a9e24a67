"""How a reply came to be, from what its job reported: which signals fired, and how long each stage took."""

from collections.abc import Sequence
from dataclasses import dataclass

from studio.jobs.queue import JobEvent


@dataclass(frozen=True)
class Making:
    """How a medium was made: when its signal fired, and how long denoising and all of it took, in seconds."""

    modality: str
    fired_at: float
    num_steps: int
    seconds: float


@dataclass(frozen=True)
class How:
    """The stages of a reply, in seconds from its start; `loading` and `first_word` None where there were none."""

    loading: float | None
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
            makings.append(
                Making(event.data["modality"], begun.created - started, begun.data["num_steps"], event.created - since)
            )
    loading = at["ready"] - at["loading"] if {"ready", "loading"} <= at.keys() else None
    first_word = at["text"] - started if "text" in at else None
    return How(loading, first_word, tuple(makings))

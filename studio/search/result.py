"""What a search found: matches in their order, what each is like, and what a person should know of the search."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from studio.errors import StudioError
from studio.library.library import Item, Library
from studio.library.vectors import EncoderRecord
from studio.notices import Notice
from studio.search.query import Query
from studio.search.score import Background


@dataclass(frozen=True)
class Moment:
    """A stretch of a sound or a video, in seconds, and its cosine with the query."""

    start: float
    stop: float
    cosine: float


@dataclass(frozen=True)
class Match:
    """A medium that was found.

    `score` is how many deviations its similarity lies above this library's background, `chance` the expected share of
    chance among the matches at least so good, from 0 to 1; None where the library is too small to tell. `cosine` is None
    if nothing compared its content. `has_words`: a text about it holds every word of the query. `moments` of a long
    sound or video, the best first.
    """

    item: Item
    score: float | None
    chance: float | None
    cosine: float | None
    has_words: bool
    moments: tuple[Moment, ...] = ()


@dataclass(frozen=True, eq=False)
class Aim:
    """Where in the space of an encoder a query points, for one kind of media: a unit vector (width,).

    `floor` is the cosine that words alone must reach (see `studio.search.floor`).
    """

    encoder: EncoderRecord
    vector: npt.NDArray[np.float32]
    background: Background | None
    num_searched: int
    floor: float = -1.0


@dataclass(frozen=True, eq=False)
class Found:
    """The answer to a query; no matches is an answer too. `aims` by kind of media, for all that was compared."""

    query: Query
    matches: tuple[Match, ...]
    notices: tuple[Notice, ...]
    aims: Mapping[str, Aim]
    library: Library

    def path(self, match: Match) -> Path | None:
        """Return a file that holds a match, or None if there is none any more."""
        try:
            return self.library.path(match.item.id)
        except StudioError:
            return None

    def attachments(self, *, limit: int = 1) -> dict[str, list[Path]]:
        """Return the files of the first matches by kind, as `Talk.send` takes them: `talk.send("...", **found.attachments())`."""
        files: dict[str, list[Path]] = {}
        for match in self.matches[:limit]:
            files.setdefault(match.item.modality, []).append(self.library.path(match.item.id))
        return files

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as JSON takes it."""
        return {"matches": [self._told(match) for match in self.matches], "notices": list(self.notices)}

    def _told(self, match: Match) -> dict[str, Any]:
        path = self.path(match)
        moments = [asdict(moment) for moment in match.moments]
        return asdict(match) | {"moments": moments, "path": None if path is None else str(path)}

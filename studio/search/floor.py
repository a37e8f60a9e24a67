"""What words must reach before they can be said to match: how near words come in this library that mean nothing.

A library of a few kinds of things lies in clumps. Words that fit none of them are nearer to one clump than to the others,
which among the clumps looks unusual. So a description is also held against others that describe nothing that could be seen
or heard, whatever a library holds: it must come nearer to something than those usually do.
"""

import numpy as np
import numpy.typing as npt

from studio.library.vectors import EncoderRecord
from studio.search.score import DEVIATIONS, Samples
from studio.search.spaces import Spaces

REACH = 1.5  # deviations above what meaningless words reach
MEANINGLESS = (
    "although whereas", "of which than", "the vonk", "a quandle vex", "mirth per ounce", "seven sixths of therefore",
    "plim snard oodle", "the because of until", "an unlikely adverb", "neither nor either", "a blick under a dax",
    "toma kile", "sorrim gantle bre", "a proof by induction", "the square root of gratitude", "an overdue hypothesis",
    "jurisdiction", "retroactive amendment", "x9 k4 v7", "0.618", "as such", "whom it may concern", "hereinafter",
    "a glorph that snizzles",
)  # fmt: skip


class Floors:
    """The floors of a library's kinds of media, for each encoder that reads words."""

    def __init__(self, samples: Samples, spaces: Spaces) -> None:
        self._samples = samples
        self._spaces = spaces
        self._words: dict[int, npt.NDArray[np.float32]] = {}  # by encoder, (N, width)

    def get(self, kind: str, encoder: EncoderRecord) -> float:
        """Return the cosine that words must reach among media of a kind; -1 where there are none."""
        from encoders.media import Text

        sample = self._samples.get(kind, encoder)
        if not len(sample):
            return -1.0
        if encoder.id not in self._words:
            embedder = self._spaces.embedder(encoder)
            self._words[encoder.id] = np.stack([embedder.embed(Text(words)) for words in MEANINGLESS])
        nearest = (sample @ self._words[encoder.id].T).max(axis=0)
        centre = float(np.median(nearest))
        return centre + REACH * DEVIATIONS * float(np.median(np.abs(nearest - centre)))

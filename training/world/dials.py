"""The parameters of a sound, drawn on scales that keep a band for held-out sounds (see split.py)."""

import numpy as np

from training.world.split import SOUND_BAND, Side


class Dials:
    """The parameters of one sound, each drawn on a scale from 0 to 1.

    In training no dial stands inside `SOUND_BAND`, and some stand up to `reach` beyond their ends. In a held-out sound the
    first dial, the most audible one, always stands in the band; the others stand anywhere.
    """

    def __init__(self, rng: np.random.Generator, side: Side, reach: float = 0.0) -> None:
        if reach and side == "held_out":
            raise ValueError("Held-out sounds have no dials beyond their ends.")
        self._rng, self._side, self._reach = rng, side, reach
        self.positions: dict[str, float] = {}

    def turn(self, name: str, lowest: float, highest: float) -> float:
        """Draw a dial and return its value, from `lowest` to `highest` in equal ratios."""
        low, high = SOUND_BAND
        position = self._rng.uniform()
        if self._side == "train":
            position = position * (1 + 2 * self._reach - (high - low)) - self._reach
            position += (high - low) if position >= low else 0.0
        elif not self.positions:
            position = low + position * (high - low)
        self.positions[name] = position
        return float(lowest * (highest / lowest) ** position)

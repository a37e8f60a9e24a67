"""How unusual a similarity is in this library: deviations above its own background, and how likely it is chance.

Cosines mean little by themselves: those of words with pictures are low and close together, those of pictures with
pictures high and wide. They also end at one, so they are stretched by the inverse hyperbolic tangent, after which chance
is about normal in spaces of any width (Fisher 1921, "On the probable error of a coefficient of correlation"). A query is
compared with a sample of everything of its kind, most of which has nothing to do with it, and the centre and spread of
that bulk are taken as what chance gives: an empirical null (Efron 2004, "Large-scale simultaneous hypothesis testing: the
choice of a null hypothesis", JASA 99). Matches lie above the bulk, so a normal distribution that is cut off above is
fitted to what lies below, by its moments; it starts from the shortest half (the "shorth" of Andrews et al. 1972). Even
where nearly half of all matches, that moves neither centre nor spread much. From the tail follows how many of all that
was searched would come so near by chance, and with it the expected share of chance among the hits (Benjamini and Hochberg
1995). The tail is Student's, since the spread is itself an estimate: with a degree of freedom for ROWS_A_DEGREE rows,
simulated for 40 to 4,096 rows of a normal background, the share of chance stays below what was asked.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, stdtr

from studio.library.library import Library
from studio.library.vectors import EncoderRecord

MAX_CHANCE = 0.1  # the share of chance hits among those shown that is put up with
MIN_ROWS = 40  # of fewer, nothing can be said to be unusual
SAMPLE_ROWS = 4096
ROWS_A_DEGREE = 10
LARGEST = 1 - 1e-3  # vectors are kept in float16: cosines are right to about a thousandth
MIN_SPREAD = 2e-3
DEVIATIONS = 1.4826  # of a normal distribution in a median absolute deviation
CUT = 1.5  # deviations above the centre, beyond which there may be matches
ROUNDS = 15

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Background:
    """What a query's cosines with things that do not match are like, after Fisher's transformation."""

    centre: float
    spread: float
    num_rows: int

    def scores(self, cosines: npt.NDArray[np.floating]) -> Values:
        """Return how many deviations above the background cosines are, (N,) -> (N,)."""
        return (_stretched(cosines) - self.centre) / self.spread


def background_of(cosines: npt.NDArray[np.floating]) -> Background | None:
    """Return the background among a query's cosines with all kinds of things, (N,); None of fewer than MIN_ROWS."""
    if len(cosines) < MIN_ROWS:
        return None
    values = np.sort(_stretched(cosines))
    half = len(values) // 2 + 1
    start = int(np.argmin(values[half - 1 :] - values[: len(values) - half + 1]))
    centre = float(values[start : start + half].mean())
    spread = max(MIN_SPREAD, DEVIATIONS * float(np.median(centre - values[values <= centre])))
    # The mean and the variance of a normal distribution cut off above, solved for its centre and spread.
    pull = float(np.exp(-(CUT**2) / 2) / (np.sqrt(2 * np.pi) * ndtr(CUT)))
    for _ in range(ROUNDS):
        below = values[values <= centre + CUT * spread]
        spread = max(MIN_SPREAD, float(below.std()) / (1 - CUT * pull - pull**2) ** 0.5)
        centre = float(below.mean()) + spread * pull
    return Background(centre, spread, len(values))


def chances(scores: Values, background: Background, *, num_searched: int) -> Values:
    """Return, for the best scores of a search, falling, the expected share of chance among each and those before it.

    `num_searched` is how many were compared. A share is at most 1.
    """
    tails = stdtr(background.num_rows / ROWS_A_DEGREE, -scores)
    shares = tails * num_searched / np.arange(1, len(scores) + 1)
    smallest: Values = np.minimum.accumulate(shares[::-1])[::-1]
    return np.minimum(smallest, 1.0)


def _stretched(cosines: npt.NDArray[np.floating]) -> Values:
    """Return cosines as numbers without bounds, (N,) -> (N,): small ones as they are, those near one far out."""
    stretched: Values = np.arctanh(np.clip(np.asarray(cosines, dtype=np.float64), -LARGEST, LARGEST))
    return stretched


class Samples:
    """A sample of the vectors of each kind of media, read again whenever the library has changed."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._samples: dict[tuple[int, str], tuple[object, npt.NDArray[np.float32]]] = {}

    def get(self, kind: str, encoder: EncoderRecord) -> npt.NDArray[np.float32]:
        """Return up to SAMPLE_ROWS vectors, (N, width), the same ones as long as the library stays as it is."""
        mark = self._library.store.mark()
        known = self._samples.get((encoder.id, kind))
        if known is None or known[0] != mark:
            # Ids are hashes, so the first in their order are a sample as good as any.
            rows = self._library.store.rows(
                "SELECT vector FROM vectors JOIN media ON media.id = vectors.media "
                "WHERE encoder = ? AND modality = ? ORDER BY vectors.media, piece LIMIT ?",
                encoder.id,
                kind,
                SAMPLE_ROWS,
            )
            values = np.frombuffer(b"".join(bytes(row["vector"]) for row in rows), "<f2").astype(np.float32)
            known = self._samples[encoder.id, kind] = mark, values.reshape(len(rows), encoder.width)
        return known[1]

    def background(self, vector: npt.NDArray[np.float32], kind: str, encoder: EncoderRecord) -> Background | None:
        """Return the background of a query, a unit vector (width,), among media of a kind."""
        return background_of(self.get(kind, encoder) @ vector)

"""The evaluation's report: figures with their intervals, the table, the JSON file, and the copy in the model card."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from rich.table import Table

from training.checkpointing import write_atomically

Z95 = 1.959964  # two-sided 95% of the normal distribution
CARD_START, CARD_END = "<!-- figures: written by `studio evaluate --write-card` -->", "<!-- end of figures -->"


@dataclass(frozen=True)
class Figure:
    """One measured share (or ratio of shares) with its 95% interval and the bar that it should reach."""

    name: str
    title: str
    value: float
    low: float
    high: float
    samples: int
    bar: float
    want: Literal["at least", "under"] = "at least"
    judge: str = ""  # the judge's own accuracy on real renders, for the kinds that this figure rests on

    @property
    def is_reached(self) -> bool:
        return self.value >= self.bar if self.want == "at least" else self.value < self.bar


@dataclass(frozen=True)
class Timing:
    """One measured cost, the same in the plain flow where there is one, and what it should be at most (or at least)."""

    title: str
    value: float
    plain: float | None = None
    aim: float | None = None
    unit: str = ""
    want: Literal["at most", "at least"] = "at most"

    @property
    def cells(self) -> tuple[str, str, str, str]:
        """Title, value, value in the plain flow and aim, in words."""
        plain = "" if self.plain is None else self._with_unit(self.plain)
        wanted = "" if self.aim is None else f"{self.want} {self._with_unit(self.aim)}"
        return self.title, self._with_unit(self.value), plain, wanted

    def _with_unit(self, value: float) -> str:
        return f"{value:.3g} {self.unit}" if self.unit else f"{value:,.0f}"


def wilson(right: int, asked: int) -> tuple[float, float]:
    """The 95% interval of a share (Wilson 1927)."""
    if asked == 0:
        return 0.0, 1.0
    share, z2 = right / asked, Z95**2
    centre = (share + z2 / (2 * asked)) / (1 + z2 / asked)
    half = Z95 / (1 + z2 / asked) * math.sqrt(share * (1 - share) / asked + z2 / (4 * asked**2))
    return max(0.0, centre - half), min(1.0, centre + half)


def ratio_interval(right: int, asked: int, reference_right: int, reference_asked: int) -> tuple[float, float]:
    """The 95% interval of the ratio of two shares (Katz 1978, a half added so that none is infinite)."""
    a, n, b, m = right + 0.5, asked + 0.5, reference_right + 0.5, reference_asked + 0.5
    spread = Z95 * math.sqrt(max(0.0, 1 / a - 1 / n + 1 / b - 1 / m))
    ratio = (a / n) / (b / m)
    return ratio * math.exp(-spread), ratio * math.exp(spread)


def figures_table(figures: Sequence[Figure]) -> Table:
    """The figures as a table for the terminal."""
    table = Table("what was asked", "right", "95% interval", "wanted", "samples", "the judge itself", title="Figures")
    for figure in figures:
        colour = "green" if figure.is_reached else "red"
        table.add_row(
            figure.title,
            f"[{colour}]{figure.value:.1%}[/]",
            f"{figure.low:.1%} to {figure.high:.1%}",
            f"{figure.want} {figure.bar:.0%}",
            str(figure.samples),
            figure.judge,
        )
    return table


def timings_table(timings: Sequence[Timing]) -> Table:
    """The costs as a table for the terminal."""
    table = Table("cost", "measured", "in the plain flow", "wanted", title="Costs")
    for timing in timings:
        table.add_row(*timing.cells)
    return table


def write_report(path: Path, figures: Sequence[Figure], timings: Sequence[Timing], settings: Mapping[str, Any]) -> None:
    """Write everything as JSON."""
    report = {
        "settings": dict(settings),
        "figures": [asdict(figure) | {"is_reached": figure.is_reached} for figure in figures],
        "timings": [asdict(timing) for timing in timings],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps(report, indent=1, ensure_ascii=False))


def card_section(figures: Sequence[Figure], timings: Sequence[Timing]) -> str:
    """The figures and costs in Markdown."""
    lines = [
        "| asked, all on held-out samples | right | 95% interval | wanted | samples | the judge itself |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {f.title} | {f.value:.1%} | {f.low:.1%} to {f.high:.1%} | {f.want} {f.bar:.0%} | {f.samples} | {f.judge} |"
        for f in figures
    ]
    if timings:
        lines += ["", "| cost | measured | in the plain flow | wanted |", "|---|---|---|---|"]
        lines += [f"| {' | '.join(timing.cells)} |" for timing in timings]
    return "\n".join(lines)


def write_card(card: Path, figures: Sequence[Figure], timings: Sequence[Timing]) -> None:
    """Replace what stands between the two markers of a model card.

    Raises ValueError when the card has no such section.
    """
    text = card.read_text(encoding="utf-8")
    before, start, rest = text.partition(CARD_START)
    _, end, after = rest.partition(CARD_END)
    if not start or not end:
        raise ValueError(f"{card} has no section for figures; put these two lines in it:\n{CARD_START}\n{CARD_END}")
    write_atomically(card, f"{before}{start}\n{card_section(figures, timings)}\n{end}{after}")

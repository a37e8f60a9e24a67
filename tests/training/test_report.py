"""The evaluation's report."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from training.report import (
    CARD_END,
    CARD_START,
    Figure,
    Timing,
    figures_table,
    ratio_interval,
    wilson,
    write_card,
    write_report,
)

BELLS = Figure("bells", "text -> bell", value=0.9, low=0.87, high=0.92, samples=500, bar=0.95, judge="image 99.5%")
SECONDS = Timing("an image reply", 3.5, 14, aim=4.0, unit="s")


def test_wilson_agrees_with_published_values() -> None:
    # Newcombe 1998, table I: 81 of 263, 15 of 148, 0 of 20 and 1 of 29, method 3.
    for (right, asked), wanted in {
        (81, 263): (0.2553, 0.3662),
        (15, 148): (0.0624, 0.1605),
        (0, 20): (0.0, 0.1611),
        (1, 29): (0.0061, 0.1718),
    }.items():
        assert wilson(right, asked) == pytest.approx(wanted, abs=1e-4)


def test_wilson_of_nothing_is_everything() -> None:
    assert wilson(0, 0) == (0.0, 1.0)


def test_ratio_interval_is_symmetric_about_one_for_equal_shares() -> None:
    low, high = ratio_interval(90, 100, 90, 100)
    assert math.log(low) == pytest.approx(-math.log(high))
    assert low < 1 < high


def test_ratio_interval_narrows_with_samples() -> None:
    few, many = ratio_interval(45, 50, 48, 50), ratio_interval(450, 500, 480, 500)
    assert few[1] - few[0] > 2 * (many[1] - many[0])


def test_a_figure_reaches_its_bar_from_the_wanted_side() -> None:
    assert not BELLS.is_reached
    assert replace(BELLS, bar=0.9).is_reached
    assert not replace(BELLS, bar=0.9, want="under").is_reached
    assert replace(BELLS, bar=0.91, want="under").is_reached


def test_the_table_shows_figure_interval_bar_and_judge() -> None:
    console = Console(width=160)
    with console.capture() as captured:
        console.print(figures_table([BELLS]))
    for part in ("text -> bell", "90.0%", "87.0% to 92.0%", "at least 95%", "500", "image 99.5%"):
        assert part in captured.get()


def test_the_report_is_json_with_every_figure(tmp_path: Path) -> None:
    write_report(tmp_path / "new" / "report.json", [BELLS], [SECONDS], {"preset": "tiny"})
    report = json.loads((tmp_path / "new" / "report.json").read_text())
    assert report["settings"] == {"preset": "tiny"}
    assert report["figures"][0]["value"] == 0.9
    assert report["figures"][0]["is_reached"] is False
    assert report["timings"][0]["title"] == "an image reply"


def test_the_card_keeps_everything_outside_its_markers(tmp_path: Path) -> None:
    card = tmp_path / "README.md"
    card.write_text(f"# Tiny\n\nBefore.\n\n{CARD_START}\nold figures\n{CARD_END}\n\nAfter.\n")
    write_card(card, [BELLS], [SECONDS])
    write_card(card, [BELLS], [SECONDS])
    text = card.read_text()
    assert text.startswith("# Tiny\n\nBefore.\n")
    assert text.endswith("\n\nAfter.\n")
    assert "old figures" not in text
    assert "| an image reply | 3.5 s | 14 s | at most 4 s |" in text
    assert text.count("| text -> bell | 90.0% | 87.0% to 92.0% | at least 95% | 500 | image 99.5% |") == 1


def test_a_card_without_markers_is_left_alone(tmp_path: Path) -> None:
    card = tmp_path / "README.md"
    card.write_text("# Tiny\n")
    with pytest.raises(ValueError, match="no section for figures"):
        write_card(card, [BELLS], [])
    assert card.read_text() == "# Tiny\n"

"""The benchmark runs each training and the plain loop over the same networks, and says what came of it."""

import pytest

from training.baselines.bench import FAMILIES, Speeds, line_of, main


@pytest.mark.parametrize("family", FAMILIES)
def test_both_loops_run_and_a_line_names_their_speeds(family: str) -> None:
    lines: list[str] = []
    options = ["--size", "16", "--batch-size", "4", "--steps", "1", "--rounds", "1"]
    main(["--family", family, *options], say=lines.append)
    (line,) = lines
    assert line.startswith(f"{family}: ") and "pictures/s, the plain loop" in line


def test_the_verdict_is_by_the_share() -> None:
    assert "share 0.950 (wanted 0.95: reached)" in line_of(Speeds("vae", 95, 100))
    assert "missed" in line_of(Speeds("vae", 94, 100))

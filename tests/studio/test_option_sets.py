"""Sets of options: kept under a name, found again, replaced, forgotten; a broken file loses the sets, not the page."""

from pathlib import Path

import pytest

from studio.errors import StudioError
from studio.option_sets import FILE, MAX_SETS, OptionSets


def test_options_are_kept_under_a_name_until_they_are_forgotten(home: Path) -> None:
    sets = OptionSets(home)
    assert sets.all() == {}
    sets.keep(" night \n shift ", {"steps": 5})
    sets.keep("a bell", {"steps": 7})
    sets.keep("a bell", {"steps": 8})
    assert OptionSets(home).all() == {"a bell": {"steps": 8}, "night shift": {"steps": 5}}
    sets.forget("a bell")
    sets.forget("never there")
    assert list(sets.all()) == ["night shift"]


def test_names_and_numbers_have_limits(home: Path) -> None:
    sets = OptionSets(home)
    for name in ("", "  ", "x" * 41):
        with pytest.raises(StudioError, match="1 to 40 characters"):
            sets.keep(name, {})
    for number in range(MAX_SETS):
        sets.keep(str(number), {})
    sets.keep("7", {"steps": 1})
    with pytest.raises(StudioError, match="Forget one"):
        sets.keep("one more", {})


def test_a_broken_file_holds_no_sets(home: Path) -> None:
    (home / FILE).write_text("{")
    assert OptionSets(home).all() == {}

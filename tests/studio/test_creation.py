"""What is wished for on the creating page: checked wishes, grids over options, recipes that come back whole."""

import pytest

from studio.creation import MAX_CELLS, Axis, Creation, Wish, from_payload, grid_of, read_axis, to_payload
from studio.errors import StudioError
from studio.recipe import Environment

WISH = Wish("image", "a red bell", 7)


def test_without_axes_the_seeds_follow_each_other() -> None:
    (row,) = grid_of(WISH, count=3)
    assert [wish.seed for wish in row] == [7, 8, 9]
    assert {wish.prompt for wish in row} == {"a red bell"}


def test_a_grid_varies_one_option_across_and_one_down() -> None:
    across, down = read_axis("words", "red, blue", "a red bell"), read_axis("guidance", "1, 2.5, 4", "a red bell")
    grid = grid_of(WISH, count=5, across=across, down=down)
    assert [[(wish.prompt, wish.guidance) for wish in row] for row in grid] == [
        [("a red bell", guidance), ("a blue bell", guidance)] for guidance in (1.0, 2.5, 4.0)
    ]
    assert {wish.seed for row in grid for wish in row} == {7}
    assert down.labels == ("1", "2.5", "4")
    assert from_payload(to_payload(grid, preset="tiny", across=across, down=down)) == grid


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("steps", "5, ten", "whole numbers"),
        ("steps", "5", "two values or more"),
        ("words", "green, blue", "not in the wish"),
        ("colour", "1, 2", "goes over"),
    ],
)
def test_an_odd_axis_says_what_it_takes(name: str, text: str, wanted: str) -> None:
    with pytest.raises(StudioError, match=wanted):
        read_axis(name, text, "a red bell")


def test_odd_wishes_are_refused_with_a_word_why() -> None:
    with pytest.raises(StudioError, match="Write what"):
        Wish("image", "  ", 1)
    with pytest.raises(StudioError, match="steps"):
        Wish("image", "a bell", 1, steps=0)
    with pytest.raises(StudioError, match="different options"):
        grid_of(WISH, across=Axis("seed", (1, 2)), down=Axis("seed", (3, 4)))
    with pytest.raises(StudioError, match=f"up to {MAX_CELLS}"):
        grid_of(WISH, across=Axis("seed", tuple(range(MAX_CELLS + 1))))


def test_a_recipe_comes_back_whole_and_others_are_left_alone() -> None:
    creation = Creation(WISH, "tiny", "hash", Environment({"torch": "2"}, "processor", 2, "cpu"))
    assert Creation.from_json(creation.to_json()) == creation
    assert Creation.from_json('{"format": 1}') is None
    with pytest.raises(ValueError, match="damaged"):
        Creation.from_json(creation.to_json().replace('"preset_hash"', '"odd"'))

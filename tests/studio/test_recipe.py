"""Recipes: written, read back, refused when damaged."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from encoders.files import write_media
from encoders.media import Image
from studio.errors import StudioError
from studio.options import DecodeChoice, ReplyOptions
from studio.recipe import METADATA_KEY, Environment, Recipe, current_environment, read_recipe

RECIPE = Recipe(
    messages=(
        {"role": "user", "content": [{"type": "image", "sha256": "a" * 64}, {"type": "text", "text": "画一只猫 🐈"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "Here."}, {"type": "tokens", "ids": [1, 2]}]},
        {"role": "user", "content": [{"type": "text", "text": "Now green"}]},
    ),
    options=ReplyOptions(seed=7, temperature=0.5, outputs=("image",), decode={"image": DecodeChoice(12, 3.5, 2)}),
    part=1,
    sample=0,
    preset="tiny",
    preset_hash="b" * 64,
    environment=Environment({"torch": "2.14.1"}, "a processor", 2, "cpu"),
)


def write(folder: Path, metadata: dict[str, str]) -> Path:
    return write_media(folder / "made.png", Image.from_uint8(np.zeros((8, 8, 3), dtype=np.uint8)), metadata)


def test_a_recipe_reads_back_from_its_file_as_it_was(tmp_path: Path) -> None:
    assert read_recipe(write(tmp_path, RECIPE.metadata())) == RECIPE


def test_this_process_describes_itself_with_versions_and_threads() -> None:
    environment = current_environment(device="cpu")
    assert environment.threads >= 1
    assert {"python", "torch", "diffusers"} <= set(environment.versions)
    assert environment.differences(environment) == ()


def test_differences_between_environments_are_named() -> None:
    other = Environment({"torch": "2.14.2", "av": "18"}, "a processor", 4, "cpu")
    assert RECIPE.environment.differences(other) == ("av absent -> 18", "torch 2.14.1 -> 2.14.2", "threads 2 -> 4")


def test_a_file_without_a_recipe_says_why_that_may_be(tmp_path: Path) -> None:
    with pytest.raises(StudioError, match="carries no recipe"):
        read_recipe(write(tmp_path, {"comment": "a photograph"}))
    with pytest.raises(StudioError, match="There is no file"):
        read_recipe(tmp_path / "missing.png")


DAMAGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "no messages": lambda values: values.pop("messages"),
    "empty messages": lambda values: values.update(messages=[]),
    "another format": lambda values: values.update(format=99),
    "no request": lambda values: values["messages"].pop(),
    "tokens that are text": lambda values: values["messages"][1]["content"].append({"type": "tokens", "ids": ["1"]}),
    "an unknown part": lambda values: values["messages"][0]["content"].append({"type": "file", "path": "/etc/passwd"}),
    "a bad seed": lambda values: values["options"].update(seed=-1),
    "a seed that is text": lambda values: values["options"].update(seed="1"),
    "an unknown option": lambda values: values["options"].update(unknown=1),
    "no environment": lambda values: values.update(environment=None),
    "turns out of order": lambda values: values["messages"].pop(1),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_recipe_is_refused_with_its_file_named(
    tmp_path: Path, damage: Callable[[dict[str, Any]], object]
) -> None:
    values = json.loads(RECIPE.to_json())
    damage(values)
    with pytest.raises(StudioError, match=r"made\.png"):
        read_recipe(write(tmp_path, {METADATA_KEY: json.dumps(values)}))


def test_a_recipe_that_is_no_json_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StudioError, match="damaged or not ours"):
        read_recipe(write(tmp_path, {METADATA_KEY: "{"}))

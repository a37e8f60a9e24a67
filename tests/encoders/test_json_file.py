"""JSON of others is an object or an error, and an index of shards names files beside itself only."""

import json
from pathlib import Path
from typing import Any

import pytest

from encoders.json_file import read_index, read_json, shards


@pytest.mark.parametrize(("text", "told"), [("{", "is not JSON"), ("[]", "does not hold a JSON object")])
def test_what_is_no_json_object_is_named(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "config.json"
    with pytest.raises(ValueError, match=f"there is no file {path}"):
        read_json(path)
    path.write_text(text)
    with pytest.raises(ValueError, match=f"{path}.*{told}"):
        read_json(path)


def test_an_index_names_each_file_once_and_in_order(tmp_path: Path) -> None:
    index = tmp_path / "model.safetensors.index.json"
    weight_map = {"a": "2.safetensors", "b": "1.safetensors", "c": "2.safetensors"}
    index.write_text(json.dumps({"weight_map": weight_map}))
    assert shards(index) == ["1.safetensors", "2.safetensors"]
    assert read_index(index) == weight_map


@pytest.mark.parametrize("file", ["../1.safetensors", "/1.safetensors", "deep/1.safetensors", 1, "", None])
def test_an_index_that_leaves_its_folder_is_refused(tmp_path: Path, file: Any) -> None:
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": file}}))
    with pytest.raises(ValueError, match="lies outside its folder"):
        read_index(index)


@pytest.mark.parametrize("values", [{}, {"weight_map": {}}, {"weight_map": ["1.safetensors"]}])
def test_an_index_of_nothing_is_refused(tmp_path: Path, values: dict[str, Any]) -> None:
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps(values))
    with pytest.raises(ValueError, match="lists no files of weights"):
        read_index(index)

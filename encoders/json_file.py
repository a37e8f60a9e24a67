"""Read a JSON object that somebody else wrote, and the index of a state dict that is split into several files."""

import json
from pathlib import Path
from typing import Any

INDEX_SUFFIX = ".index.json"  # Hugging Face's list of the files that one large state dict is split into


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object. Raises ValueError that names the file if it is missing or is none."""
    if not path.is_file():
        raise ValueError(f"A part of this model is missing: there is no file {path}.")
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    if not isinstance(values, dict):
        raise ValueError(f"{path} does not hold a JSON object.")
    return values


def read_index(path: Path) -> dict[str, str]:
    """Read which file holds which tensor: name -> file beside the index.

    Raises ValueError if the index names no files, or one outside its own folder.
    """
    weight_map = read_json(path).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise ValueError(f"{path} lists no files of weights; fetch it again.")
    for file in weight_map.values():
        if not isinstance(file, str) or not file or Path(file).name != file:
            raise ValueError(f"{path} names {file!r}, which lies outside its folder; that is refused.")
    return weight_map


def shards(index: Path) -> list[str]:
    """Name the files that an index lists."""
    return sorted(set(read_index(index).values()))

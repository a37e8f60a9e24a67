"""What somebody else's model folder or repository may not do: bring code or pickles, name unknown classes, or change."""

import json
import shutil
from pathlib import Path
from typing import Any

import parts
import pytest
import torch
from huggingface_hub import constants
from huggingface_hub.utils import filter_repo_objects
from safetensors.torch import load_file, save_file

from encoders.hub import DOWNLOADED, REPEATED
from pipelines.any_to_any import AnyToAnyPipeline

COMMIT = "b" * 40


@pytest.fixture
def folder(model_folder: Path, tmp_path: Path) -> Path:
    """A whole random model of one's own to spoil."""
    return shutil.copytree(model_folder, tmp_path / "model")


def edit(folder: Path, *path: str, value: Any) -> None:
    values = json.loads((folder / "config.json").read_text())
    at = values
    for name in path[:-1]:
        at = at[name]
    at[path[-1]] = value
    (folder / "config.json").write_text(json.dumps(values))


def test_a_repository_brings_neither_code_nor_pickles() -> None:
    listed = [
        "config.json",
        "core/model.safetensors",
        "evil.py",
        "pytorch_model.bin",
        "projections.pt",
        "x.pkl",
        "run.sh",
    ]
    kept = filter_repo_objects(listed, allow_patterns=list(DOWNLOADED), ignore_patterns=list(REPEATED))
    assert list(kept) == ["config.json", "core/model.safetensors"]


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        (("decoders", "image", "kind"), "os:system", "No decoder kind 'os:system'; wanted one of: ace_step"),
        (("encoders", "imagebind", "kind"), "evil:Encoder", "No encoder 'evil:Encoder'; there are: imagebind, clip"),
        (("format",), "evil", "This config is 'evil' version 1; wanted 'multimodal-studio/any-to-any' version 1"),
        (("load", "trust_remote_code"), True, "LoadOptions has no trust_remote_code"),
        (("load", "core"), {"attention": "somebody/kernel"}, "No attention 'somebody/kernel'"),
        (("core", "path"), "preset:huge/core", "uses a part of the preset 'huge', which is not here"),
    ],
)
def test_a_config_can_name_only_what_is_known(folder: Path, path: tuple[str, ...], value: Any, told: str) -> None:
    edit(folder, *path, value=value)
    with pytest.raises(ValueError, match=told):
        AnyToAnyPipeline.from_pretrained(folder)


def test_pickled_projections_are_refused(folder: Path) -> None:
    tensors = load_file(folder / "projections.safetensors")
    (folder / "projections.safetensors").unlink()
    torch.save(tensors, folder / "projections.safetensors")
    with pytest.raises(ValueError, match=r"projections\.safetensors is not a whole safetensors file"):
        AnyToAnyPipeline.from_pretrained(folder)


def test_token_rows_must_be_exactly_the_models(folder: Path) -> None:
    path = folder / "token_rows.safetensors"
    rows = load_file(path)
    save_file({"input_rows": rows["input_rows"], "__init__": torch.zeros(1)}, path)
    with pytest.raises(ValueError, match="1 missing: output_rows; 1 extra: __init__"):
        AnyToAnyPipeline.from_pretrained(folder)
    save_file({name: value[1:].clone() for name, value in rows.items()}, path)
    with pytest.raises(ValueError, match=r"2 wrong shape: input_rows \(\d+, 48\) instead of"):
        AnyToAnyPipeline.from_pretrained(folder)


@pytest.mark.parametrize("part", ["core", "image", "imagebind"])
def test_a_part_whose_bytes_changed_since_is_refused(folder: Path, part: str) -> None:
    weights = sorted((folder / part).rglob("*.safetensors"))[0]
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(ValueError, match="not those that this model was made with; fetch the part again"):
        AnyToAnyPipeline.from_pretrained(folder)


def test_a_model_from_the_hub_is_whole_or_not_used(
    model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    home = tmp_path / "models--somebody--model"
    shutil.copytree(model_folder, home / "snapshots" / COMMIT)
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text(COMMIT)
    assert AnyToAnyPipeline.from_pretrained("somebody/model").outputs == tuple(parts.COUNTS)
    (home / "snapshots" / COMMIT / "core" / "model.safetensors").unlink()
    with pytest.raises(ValueError, match=r"not those that this model was made with|holds no safetensors file"):
        AnyToAnyPipeline.from_pretrained("somebody/model")

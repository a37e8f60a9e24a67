"""The config of a model folder: strict, and its references resolve from anywhere."""

import json
from dataclasses import replace
from pathlib import Path

import parts
import pytest

from encoders.modality import Modality
from pipelines import presets
from pipelines.checkpoint import PipelineConfig, Reference, hash_folder, read_config, verify, write_config


def test_a_config_survives_its_file(tmp_path: Path) -> None:
    config = parts.pipeline_config()
    write_config(tmp_path, config)
    assert read_config(tmp_path) == config
    assert config.counts == parts.COUNTS
    assert config.encoder_of(Modality.VIDEO) == "imagebind"
    assert config.encoder_of(Modality.DEPTH) is None


@pytest.mark.parametrize(
    ("path", "value", "wanted"),
    [
        (("format",), "zip", "This config is 'zip'"),
        (("surprise",), 1, "unknown fields: surprise"),
        (("core", "surprise"), 1, "core.reference: .*unknown fields: surprise"),
        (("decoders", "image", "config"), {}, r"decoders\.image\.config: missing fields: guidance_scale"),
        (("decoders", "image"), 3, r"decoders\.image is not an object"),
        (("encoders", "imagebind", "projections", "image"), {"kind": "mlp"}, "missing fields: core_width, in_width"),
        (("decoders", "smell"), {}, "smell"),
    ],
)
def test_a_config_with_unknown_or_missing_fields_is_refused(
    tmp_path: Path, path: tuple[str, ...], value: object, wanted: str
) -> None:
    values = json.loads(json.dumps(parts.pipeline_config().to_dict()))
    at = values
    for name in path[:-1]:
        at = at[name]
    at[path[-1]] = value
    (tmp_path / "config.json").write_text(json.dumps(values))
    with pytest.raises(ValueError, match=wanted):
        read_config(tmp_path)


@pytest.mark.parametrize(("text", "wanted"), [("{", "is not JSON"), ("[]", "JSON object")])
def test_a_file_that_is_no_config_is_refused(tmp_path: Path, text: str, wanted: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ValueError, match=wanted):
        read_config(tmp_path)


def test_a_reference_follows_when_its_config_moves(tmp_path: Path) -> None:
    part, new = tmp_path / "models" / "core", tmp_path / "runs" / "mine"
    part.mkdir(parents=True)
    new.mkdir(parents=True)
    moved = Reference(path="core").seen_from(new, origin=tmp_path / "models")
    assert moved.path == "../../models/core"
    assert moved.resolve(new) == part


def test_a_part_of_a_packaged_preset_is_named_by_the_preset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "presets" / "tiny"
    (home / "core").mkdir(parents=True)
    tiny = replace(presets.PRESETS["tiny"], folder=home)
    monkeypatch.setitem(presets.PRESETS, "tiny", tiny)
    moved = Reference(path="core").seen_from(tmp_path / "run", origin=home)
    assert moved.path == "preset:tiny/core"
    assert moved.resolve(tmp_path / "run") == home / "core"
    assert moved.seen_from(tmp_path / "elsewhere", origin=tmp_path / "run") == moved
    assert Reference(path="core").seen_from(home, origin=home).path == "core"
    with pytest.raises(ValueError, match="preset 'huge'"):
        Reference(path="preset:huge/core").resolve(tmp_path)


def test_a_reference_to_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a path or a repository"):
        Reference().resolve(tmp_path)
    with pytest.raises(ValueError, match="neither on this machine nor can it be fetched"):
        Reference(repository="nobody/nothing").resolve(tmp_path)


def test_a_parts_hash_is_that_of_its_weights_and_configs(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{}")
    (tmp_path / "README.md").write_text("x")
    before = hash_folder(tmp_path)
    (tmp_path / "README.md").write_text("y")
    assert hash_folder(tmp_path) == before
    verify(Reference(path=".", sha256=before), tmp_path)
    (tmp_path / "imagebind_huge.pth").write_bytes(b"weights")
    assert hash_folder(tmp_path) != before
    (tmp_path / "imagebind_huge.pth").unlink()
    (tmp_path / "a.json").rename(tmp_path / "b.json")
    assert hash_folder(tmp_path) != before
    with pytest.raises(ValueError, match="fetch the part again"):
        verify(Reference(path=".", sha256=before), tmp_path)


def test_an_older_version_is_refused_by_number() -> None:
    with pytest.raises(ValueError, match="version 0; wanted 'multimodal-studio/any-to-any' version 1"):
        PipelineConfig.from_dict({"format": "multimodal-studio/any-to-any", "version": 0})

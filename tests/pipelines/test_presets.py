"""Presets: found by name, by folder or by repository, and clear about what is not there."""

from dataclasses import replace
from pathlib import Path

import pytest

from pipelines import presets
from pipelines.presets import preset_folder


def test_a_preset_is_found_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(presets.PRESETS, "tiny", replace(presets.PRESETS["tiny"], folder=tmp_path))
    with pytest.raises(ValueError, match=r"The preset 'tiny' is not complete: .*config\.json is missing"):
        preset_folder("tiny")
    (tmp_path / "config.json").write_text("{}")
    assert preset_folder("tiny") == tmp_path


def test_a_folder_is_found_by_path(tmp_path: Path) -> None:
    assert preset_folder(tmp_path) == tmp_path
    assert preset_folder(str(tmp_path)) == tmp_path


@pytest.mark.parametrize("name", ["huge", "/nowhere/at/all", "./here/not", "~/model"])
def test_an_unknown_model_is_refused_with_what_there_is(name: str) -> None:
    with pytest.raises(ValueError, match=r"wanted a preset \(tiny\), a folder, or a hub repository"):
        preset_folder(name)


def test_a_repository_that_cannot_be_fetched_is_named() -> None:
    with pytest.raises(ValueError, match="'nobody/nothing' is neither on this machine nor can it be fetched"):
        preset_folder("nobody/nothing")


def test_every_preset_says_what_it_is() -> None:
    for name, preset in presets.PRESETS.items():
        assert preset.name == name
        assert preset.title
        assert preset.summary
        assert preset.licence
        assert (preset.folder is None) != (preset.repository is None)

"""Presets: found by name, by folder or by repository, honest about licences, and clear about what is not there."""

from dataclasses import replace
from pathlib import Path

import pytest

from encoders.modality import Modality
from pipelines import presets
from pipelines.any_to_any import AnyToAnyPipeline
from pipelines.checkpoint import COMMIT, PipelineConfig, Reference, read_config
from pipelines.facts import Part
from pipelines.presets import PRESETS, preset_folder

PACKAGED = [preset for preset in PRESETS.values() if preset.core is not None and preset.folder is not None]
RESTRICTED = ("NC", "LLaMA", "research")
CONDITIONAL = ("OpenRAIL",)


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
    with pytest.raises(ValueError, match=r"wanted a preset \(tiny, nextgpt-7b-v0, .*\), a folder, or a hub repository"):
        preset_folder(name)


def test_a_repository_that_cannot_be_fetched_is_named() -> None:
    with pytest.raises(ValueError, match="'nobody/nothing' is neither on this machine nor can it be fetched"):
        preset_folder("nobody/nothing")


def test_every_preset_says_what_it_is_and_what_to_do_with_it() -> None:
    for name, preset in PRESETS.items():
        assert preset.name == name
        assert preset.title
        assert preset.summary
        assert preset.licence
        assert (preset.folder is None) or (preset.repository is None)
        assert (name == "tiny") or preset.to_do


def test_there_is_the_released_model_a_permissive_one_and_one_for_each_sense() -> None:
    assert PRESETS["nextgpt-7b-v0"].commercial_use == "no"
    assert PRESETS["permissive-4b"].commercial_use == "yes"
    assert set(PRESETS["permissive-4b"].decoders) == {Modality.IMAGE, Modality.AUDIO, Modality.VIDEO}
    assert [set(PRESETS[f"{m}-1.5b"].decoders) for m in ("image", "audio", "video")] == [
        {Modality.IMAGE}, {Modality.AUDIO}, {Modality.VIDEO},
    ]  # fmt: skip


@pytest.mark.parametrize("part", {part.title: part for p in PRESETS.values() for part in p.parts}.values())
def test_every_part_names_its_source_its_files_and_whether_it_may_be_sold(part: Part) -> None:
    assert part.source.startswith("https://")
    assert part.files
    assert all(network.num_parameters > 0 for network in part.networks)
    assert part.revision or part.unconfirmed
    if any(word in part.licence for word in RESTRICTED):
        assert part.commercial_use == "no"
    elif any(word in part.licence for word in CONDITIONAL):
        assert part.commercial_use == "with conditions"
    else:
        assert part.licence.startswith(("Apache-2.0", "MIT"))
        assert part.commercial_use == "yes"


@pytest.mark.parametrize("preset", PACKAGED, ids=lambda preset: preset.name)
def test_what_a_packaged_preset_fetches_is_pinned_to_a_commit(preset: presets.Preset) -> None:
    assert [part.repository for part in preset.parts if not COMMIT.fullmatch(part.revision or "")] == []


def test_a_preset_is_as_free_as_its_least_free_part() -> None:
    assert PRESETS["image-1.5b"].commercial_use == "with conditions"
    assert PRESETS["audio-1.5b"].commercial_use == "no"
    assert PRESETS["tiny"].commercial_use == "yes"


@pytest.mark.parametrize("preset", PACKAGED, ids=lambda preset: preset.name)
def test_a_packaged_config_refers_to_the_parts_that_the_preset_names(preset: presets.Preset) -> None:
    assert preset.folder is not None
    assert preset.core is not None
    config = read_config(preset.folder)
    same_as(config.core, preset.core)
    for entry, part in zip(config.encoders.values(), preset.encoders, strict=True):
        same_as(entry.reference, part)
    assert config.decoders.keys() == preset.decoders.keys()
    for modality, part in preset.decoders.items():
        same_as(config.decoders[modality].reference, part)
    assert config.load == preset.load
    width = preset.core.networks[0].config["hidden_size"]
    assert {c.core_width for entry in config.encoders.values() for c in entry.projections.values()} <= {width}


def same_as(reference: Reference, part: Part) -> None:
    assert (reference.repository, reference.revision, reference.files, reference.licence) == (
        part.repository, part.revision, part.files, part.licence,
    )  # fmt: skip


@pytest.mark.parametrize("preset", PACKAGED, ids=lambda preset: preset.name)
def test_nothing_of_a_packaged_preset_is_trained_and_it_says_how_to_train_it(preset: presets.Preset) -> None:
    assert preset.folder is not None
    config: PipelineConfig = read_config(preset.folder)
    assert config.is_untrained
    assert f"studio train align-inputs --preset {preset.name}" in preset.to_do


@pytest.mark.parametrize("preset", PACKAGED, ids=lambda preset: preset.name)
def test_loading_without_a_network_names_the_first_missing_repository_its_files_and_the_command(
    preset: presets.Preset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert preset.core is not None
    told = rf"{preset.core.repository}.*config\.json.*hf download {preset.core.repository}"
    with pytest.raises(ValueError, match=told):
        AnyToAnyPipeline.from_pretrained(preset.name)


def test_the_released_model_says_how_to_make_a_folder_of_it() -> None:
    with pytest.raises(ValueError, match=r"cannot be loaded as it is\. Make a model folder of it first.*studio import"):
        AnyToAnyPipeline.from_pretrained("nextgpt-7b-v0")

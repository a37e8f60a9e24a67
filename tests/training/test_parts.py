"""What a stage starts from and leaves behind: which projections are still untrained is remembered from stage to stage."""

from dataclasses import replace
from pathlib import Path

import pytest

from encoders.modality import Modality
from pipelines.checkpoint import read_config, write_config
from training.config import StageOptions
from training.parts import load_parts, save_parts

IMAGE, AUDIO, VIDEO = Modality.IMAGE, Modality.AUDIO, Modality.VIDEO


@pytest.fixture
def bridged_folder(untrained_folder: Path, tmp_path: Path) -> Path:
    """A model that answers through captions, beside the parts of another."""
    config = read_config(untrained_folder)
    folder = tmp_path / "bridged"
    folder.mkdir()
    references = {"core": config.core.seen_from(folder, untrained_folder)}
    encoders = {
        name: replace(entry, reference=entry.reference.seen_from(folder, untrained_folder))
        for name, entry in config.encoders.items()
    }
    decoders = {
        modality: replace(entry, reference=entry.reference.seen_from(folder, untrained_folder), projections={})
        for modality, entry in config.decoders.items()
    }
    write_config(
        folder,
        replace(
            config,
            **references,
            encoders=encoders,
            decoders=decoders,
            untrained_inputs=(IMAGE, AUDIO, VIDEO),
            untrained_outputs=(IMAGE, AUDIO, VIDEO),
        ),
    )
    return folder


def test_a_stage_trains_what_is_untrained_and_says_so_when_it_is_done(bridged_folder: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "runs" / "first", tmp_path / "runs" / "second"
    parts = load_parts(StageOptions(output=first, preset=str(bridged_folder)), encoder="clip")
    assert (list(parts.inputs), parts.pipe.bridge) == ([IMAGE], None)
    save_parts(parts, first, inputs=parts.inputs)
    left = read_config(first)
    assert (left.untrained_inputs, left.untrained_outputs) == ((AUDIO, VIDEO), (IMAGE, AUDIO, VIDEO))

    parts = load_parts(StageOptions(output=second, init_from=first))
    save_parts(parts, second, inputs=parts.inputs, outputs=(AUDIO,))
    left = read_config(second)
    assert (left.untrained_inputs, left.untrained_outputs) == ((), (IMAGE, VIDEO))

"""Models of anybody's parts: found by folder or repository, and never with a part that is missing or unfit."""

from dataclasses import replace
from pathlib import Path

import parts
import pytest

from encoders.modality import Modality
from pipelines import assemble
from pipelines.any_to_any import AnyToAnyPipeline
from pipelines.checkpoint import read_config
from pipelines.decoders.base import DecoderConfig
from pipelines.load_options import LoadOptions

COMMIT = "89abcdef0123456789abcdef0123456789abcdef"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small random parts in a folder."""
    return parts.save_parts(tmp_path_factory.mktemp("parts"))


def test_a_core_alone_is_a_model_that_talks(folder: Path) -> None:
    pipe = assemble(folder / "core")
    assert (pipe.outputs, pipe.encoders) == ((), {})
    assert pipe.bridge is None


def test_a_decoder_is_called_as_its_pipeline_is_unless_told_otherwise(folder: Path) -> None:
    config = DecoderConfig(3, 2.0, rate=4.0, condition_length=6, call={"video_length": 4, "height": 16, "width": 16})
    pipe = assemble(
        folder / "core", decoders={"audio": folder / "audio", "video": folder / "video"}, configs={"video": config}
    )
    assert pipe.config.decoders[Modality.VIDEO].config == config
    assert pipe.config.decoders[Modality.AUDIO].config == DecoderConfig(10, 2.5)
    kinds = {modality.value: entry.kind for modality, entry in pipe.config.decoders.items()}
    assert kinds == {"audio": "class_labels", "video": "prompt_embeds"}


def test_parts_of_a_repository_are_referred_to_by_their_commit(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    snapshot = tmp_path / "hub" / "models--somebody--core" / "snapshots" / COMMIT
    snapshot.parent.mkdir(parents=True)
    snapshot.symlink_to(folder / "core")
    refs = snapshot.parents[1] / "refs"
    refs.mkdir()
    (refs / "main").write_text(COMMIT)
    assemble("somebody/core", load=LoadOptions(core=replace(LoadOptions().core, dtype="bfloat16"))).save_pretrained(
        tmp_path / "mine"
    )
    reference = read_config(tmp_path / "mine").core
    assert (reference.repository, reference.revision, reference.sha256) == ("somebody/core", COMMIT, None)
    assert str(AnyToAnyPipeline.from_pretrained(tmp_path / "mine").core.base.dtype) == "torch.bfloat16"


def test_what_is_missing_or_unfit_is_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="No folder 'nothing'; wanted a folder or a hub repository"):
        assemble("nothing")
    with pytest.raises(ValueError, match="'nobody/nothing' is neither on this machine nor can it be fetched"):
        assemble("nobody/nothing")
    with pytest.raises(ValueError, match=r"describes a None; wanted a causal language model|there is no file"):
        assemble(folder / "image")
    with pytest.raises(ValueError, match=r"This is no diffusers pipeline: .*core/model_index\.json is missing"):
        assemble(folder / "core", decoders={"image": folder / "core"})
    with pytest.raises(ValueError, match="No decoder can be asked for 'text'; wanted one of: image, audio, video"):
        assemble(folder / "core", decoders={"text": folder / "image"})
    with pytest.raises(ValueError, match="No encoder 'nose'; there are: imagebind, clip, clap"):
        assemble(folder / "core", encoders={"nose": folder / "imagebind"})

"""Stage 1: what trains, what it leaves behind, its log, and its command line."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from encoders.clip import CLIPEncoder
from encoders.modality import Modality
from pipelines.any_to_any import AnyToAnyPipeline
from pipelines.checkpoint import read_config
from training.align_inputs import AlignInputsOptions, main, run
from training.config import StageOptions


def options(preset: Path, output: Path) -> StageOptions:
    return StageOptions(
        output=output, preset=str(preset), steps=6, batch_size=4, num_samples=12, checkpoint_every=2, preview_every=3
    )


@pytest.fixture(scope="module")
def trained(untrained_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("align") / "inputs"
    steps = list(run(AlignInputsOptions(options(untrained_folder, output))))
    assert [step.number for step in steps] == [1, 2, 3, 4, 5, 6]
    return output


def test_the_output_is_a_model_that_loads(trained: Path) -> None:
    pipe = AnyToAnyPipeline.from_pretrained(trained)
    assert pipe.core.adapter is None


def test_only_input_projections_and_marks_change(trained: Path, untrained_folder: Path) -> None:
    before = AnyToAnyPipeline.from_config(read_config(untrained_folder), untrained_folder)
    after = AnyToAnyPipeline.from_pretrained(trained)
    for name, value in before.output_projections.state_dict().items():
        torch.testing.assert_close(after.output_projections.state_dict()[name], value, rtol=0, atol=0)
    for name, value in before.all_input_projections.state_dict().items():
        assert torch.equal(after.all_input_projections.state_dict()[name], value) == name.startswith("clip"), name
    torch.testing.assert_close(after.core.output_rows, before.core.output_rows, rtol=0, atol=0)
    num_marks = 2 * len(before.core.signals.inputs)
    moved = (after.core.input_rows != before.core.input_rows).any(dim=1)
    assert moved.tolist() == [True] * num_marks + [False] * (len(moved) - num_marks)


def test_clip_gets_projections_of_its_own(trained: Path, untrained_folder: Path, tmp_path: Path) -> None:
    chained = replace(options(untrained_folder, tmp_path / "clip"), init_from=trained)
    list(run(AlignInputsOptions(chained, encoder="clip")))
    before = AnyToAnyPipeline.from_pretrained(trained)
    after = AnyToAnyPipeline.from_pretrained(tmp_path / "clip", encoders={Modality.IMAGE: "clip"})
    for name, value in before.all_input_projections.state_dict().items():
        assert torch.equal(after.all_input_projections.state_dict()[name], value) == name.startswith("imagebind"), name
    assert isinstance(after.encoders[Modality.IMAGE], CLIPEncoder)


def test_the_log_holds_options_losses_and_previews(trained: Path) -> None:
    lines = [json.loads(line) for line in (trained / "log.jsonl").read_text().splitlines()]
    assert lines[0]["stage"] == "align-inputs"
    assert lines[0]["options"]["steps"] == 6
    losses = [line for line in lines if "losses" in line]
    assert losses[-1]["step"] == 6
    assert losses[-1]["losses"]["cross_entropy"] > 0
    assert losses[-1]["tokens_per_second"] > 0
    previews = [line for line in lines if "preview" in line]
    assert [line["step"] for line in previews] == [3, 6]
    assert {"prompt", "wanted", "text"} == set(previews[0]["preview"][0])


def test_a_resume_cuts_the_log_behind_its_checkpoint(untrained_folder: Path, tmp_path: Path) -> None:
    first = options(untrained_folder, tmp_path / "out")
    for step in run(AlignInputsOptions(first)):
        if step.number == 5:
            break
    list(run(AlignInputsOptions(replace(first, resume=True))))
    lines = [json.loads(line) for line in (tmp_path / "out" / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "losses" in line] == [6]
    assert sum("stage" in line for line in lines) == 2


def test_an_output_that_holds_a_training_is_not_overwritten(
    trained: Path, untrained_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--preset", str(untrained_folder), "--output", str(trained), "--num-samples", "4", "--steps", "2"]
    with pytest.raises(SystemExit, match="1"):
        main(arguments)
    assert "--resume" in capsys.readouterr().err


def test_a_bad_manifest_is_said_before_anything_loads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "m.jsonl").write_text('{"image": "gone.png", "caption": "x"}\n')
    with pytest.raises(SystemExit, match="1"):
        main(["--preset", str(tmp_path / "no-such-model"), "--data", str(tmp_path / "m.jsonl"), "--output", "out"])
    assert "line 1: no file 'gone.png'" in capsys.readouterr().err


def test_senseless_numbers_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="1"):
        main(["--output", "out", "--batch-size", "0"])
    assert "--batch-size is 0" in capsys.readouterr().err

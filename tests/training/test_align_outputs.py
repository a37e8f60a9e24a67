"""Stage 2: what trains, from where it starts, and that signals come nearer to the decoders' conditions."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from pipelines.any_to_any import AnyToAnyPipeline
from pipelines.checkpoint import read_config
from training.align_outputs import AlignOutputsOptions, run
from training.config import StageOptions


@pytest.fixture(scope="module")
def options(untrained_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> StageOptions:
    return StageOptions(
        output=tmp_path_factory.mktemp("align") / "outputs",
        preset=str(untrained_folder),
        steps=30,
        batch_size=8,
        learning_rate=3e-3,
        num_samples=24,
        preview_every=100,
    )


@pytest.fixture(scope="module")
def trained(options: StageOptions) -> Path:
    list(run(AlignOutputsOptions(options)))
    return options.output


def test_only_output_projections_and_signal_rows_change(trained: Path, untrained_folder: Path) -> None:
    before = AnyToAnyPipeline.from_config(read_config(untrained_folder), untrained_folder)
    after = AnyToAnyPipeline.from_pretrained(trained)
    for name, value in before.input_projections.state_dict().items():
        torch.testing.assert_close(after.input_projections.state_dict()[name], value, rtol=0, atol=0)
    num_marks = 2 * len(before.core.signals.inputs)
    moved = (after.core.input_rows != before.core.input_rows).any(dim=1)
    assert moved.tolist() == [False] * num_marks + [True] * (len(moved) - num_marks)
    assert (after.core.output_rows != before.core.output_rows).any(dim=1).all()
    assert after.core.adapter is None


def test_signals_come_nearer_to_the_conditions(trained: Path) -> None:
    lines = [json.loads(line) for line in (trained / "log.jsonl").read_text().splitlines()]
    first, last = (line["losses"] for line in (lines[1], [line for line in lines if "losses" in line][-1]))
    shared = [name for name in first if name.endswith("_distance") and name in last]
    assert shared
    assert all(last[name] < first[name] for name in shared)


def test_the_preview_tells_how_near_each_run_comes(trained: Path) -> None:
    lines = [json.loads(line) for line in (trained / "log.jsonl").read_text().splitlines()]
    (preview,) = [line for line in lines if "preview" in line]
    assert {row["asks_for"] for row in preview["preview"]} == {"image", "audio", "video"}
    assert {"prompt", "asks_for", "fires", "cosine", "distance"} == set(preview["preview"][0])


def test_a_stage_starts_from_another_ones_output(trained: Path, options: StageOptions, tmp_path: Path) -> None:
    chained = replace(options, output=tmp_path / "next", init_from=trained, steps=1, learning_rate=1e-9)
    list(run(AlignOutputsOptions(chained)))
    before, after = (AnyToAnyPipeline.from_pretrained(folder) for folder in (trained, tmp_path / "next"))
    torch.testing.assert_close(after.core.input_rows, before.core.input_rows, rtol=0, atol=1e-6)


@pytest.mark.parametrize("distance", ["mse", "cosine", "smooth"])
def test_every_distance_trains(options: StageOptions, tmp_path: Path, distance: str) -> None:
    changed = replace(options, output=tmp_path / "out", distance=distance, steps=1)  # type: ignore[arg-type]
    (step,) = run(AlignOutputsOptions(changed))
    assert step.losses["loss"] > step.losses["cross_entropy"]

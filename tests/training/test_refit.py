"""Refitting: the output projections alone change, come nearer to the conditions, and a stopped run ends as an unbroken one."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from encoders.modality import Modality
from pipelines.any_to_any import AnyToAnyPipeline
from pipelines.checkpoint import PROJECTIONS, TOKEN_ROWS, read_config
from training.alignment import AlignmentModel
from training.config import StageOptions
from training.data import world_samples
from training.parts import load_parts
from training.prepare import prepare
from training.refit import read_runs, run


@pytest.fixture(scope="module")
def options(untrained_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> StageOptions:
    return StageOptions(
        output=tmp_path_factory.mktemp("refit") / "outputs",
        preset=str(untrained_folder),
        steps=120,
        batch_size=32,
        learning_rate=3e-3,
        num_samples=40,
        checkpoint_every=20,
    )


@pytest.fixture(scope="module")
def refitted(options: StageOptions) -> Path:
    list(run(options))
    return options.output


def test_only_output_projections_change(refitted: Path, untrained_folder: Path) -> None:
    before = AnyToAnyPipeline.from_config(read_config(untrained_folder), untrained_folder)
    after = AnyToAnyPipeline.from_pretrained(refitted)
    for name, value in before.all_input_projections.state_dict().items():
        torch.testing.assert_close(after.all_input_projections.state_dict()[name], value, rtol=0, atol=0)
    assert torch.equal(after.core.input_rows, before.core.input_rows)
    assert after.core.adapter is None


def test_signals_come_nearer_to_the_conditions_in_every_direction(refitted: Path) -> None:
    lines = [json.loads(line) for line in (refitted / "log.jsonl").read_text().splitlines()]
    first, *_, last = (line["losses"] for line in lines if "losses" in line)
    nearer = {name: last[name] < value for name, value in first.items() if name.endswith("_unexplained")}
    assert set(nearer) == {"image_unexplained", "video_unexplained", "audio_unexplained"}
    assert all(nearer.values()), (first, last)


def test_a_stopped_run_ends_as_an_unbroken_one(refitted: Path, options: StageOptions, tmp_path: Path) -> None:
    stopped = replace(options, output=tmp_path / "stopped")
    steps = run(stopped)
    for _ in range(25):
        next(steps)
    steps.close()
    list(run(replace(stopped, resume=True)))
    for name in (PROJECTIONS, TOKEN_ROWS):
        whole, broken = load_file(refitted / name), load_file(stopped.output / name)
        assert all(torch.equal(value, broken[key]) for key, value in whole.items())


def test_the_states_kept_are_those_of_the_core(untrained_folder: Path, options: StageOptions, tmp_path: Path) -> None:
    parts = load_parts(replace(options, output=tmp_path / "none"))
    data = prepare(world_samples("make", 6, 0, "train"), parts.pipe, {}, parts.decoders, tmp_path)
    model = AlignmentModel(parts.core, parts.inputs, parts.outputs)
    runs = read_runs(model, data)
    number, sequence = next((n, s) for n, s in enumerate(data.sequences) if s.signals[0].modality is Modality.AUDIO)
    embeddings, states = model.read(data.collate([number]))
    slot = sequence.signals[0]
    span = slice(slot.start, slot.start + parts.core.signals.counts[Modality.AUDIO])
    kept = runs[Modality.AUDIO]
    assert any(torch.allclose(found, states[0, span], rtol=1e-4, atol=1e-5) for found in kept.states)
    torch.testing.assert_close(kept.embeddings, embeddings[0, span])
    assert slot.item in kept.places.tolist()


def test_where_nothing_is_made_there_is_nothing_to_refit(options: StageOptions, tmp_path: Path) -> None:
    manifest = tmp_path / "talk.jsonl"
    hello = {"role": "user", "content": [{"type": "text", "text": "hello"}]}
    reply = {"role": "assistant", "content": [{"type": "text", "text": "good day"}]}
    manifest.write_text(json.dumps({"messages": [hello, reply]}) + "\n")
    with pytest.raises(ValueError, match="othing"):
        list(run(replace(options, data=str(manifest), output=tmp_path / "out")))

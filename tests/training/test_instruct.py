"""Stage 3: the base stays as it is, the result loads with stock peft, and a killed run resumes to the same bits."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import peft
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from pipelines.any_to_any import AnyToAnyPipeline
from pipelines.checkpoint import read_config
from training.checkpointing import latest_checkpoint
from training.config import StageOptions
from training.instruct import InstructOptions, run

ROOT = Path(__file__).parents[2]
FILES = ("projections.safetensors", "token_rows.safetensors", "adapter/adapter_model.safetensors")


def options(preset: Path, output: Path, *, steps: int = 4, resume: bool = False) -> InstructOptions:
    stage = StageOptions(
        output=output,
        preset=str(preset),
        steps=steps,
        batch_size=4,
        num_samples=40,
        checkpoint_every=3,
        preview_every=1000,
        resume=resume,
    )
    return InstructOptions(stage, rank=4, alpha=8, dropout=0.1)


def digests(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def trained(untrained_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    before = digests(untrained_folder)
    output = tmp_path_factory.mktemp("stages") / "instruct"
    list(run(options(untrained_folder, output, steps=12)))  # enough for every sense to come up
    assert digests(untrained_folder) == before  # the frozen parts' files
    return output


def test_the_base_stays_byte_identical(trained: Path, untrained_folder: Path) -> None:
    pipe = AnyToAnyPipeline.from_pretrained(trained)
    assert pipe.core.adapter is not None
    base = AutoModelForCausalLM.from_pretrained(untrained_folder / "core").state_dict()
    kept = {name.replace(".base_layer", ""): value for name, value in pipe.core.base.state_dict().items()}
    for name, value in base.items():
        assert value.numpy().tobytes() == kept[name].numpy().tobytes(), name


def test_only_what_is_ours_is_saved(trained: Path) -> None:
    ours = {path.name for path in trained.iterdir()} - {"checkpoints", "tensorboard", "log.jsonl"}
    assert ours == {"config.json", "projections.safetensors", "token_rows.safetensors", "adapter"}
    config = json.loads((trained / "config.json").read_text())
    assert len(config["core"]["sha256"]) == 64
    assert not Path(config["core"]["path"]).is_absolute()


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")  # peft's own
def test_stock_peft_loads_the_adapter(trained: Path, untrained_folder: Path) -> None:
    base = AutoModelForCausalLM.from_pretrained(untrained_folder / "core")
    adapted = peft.PeftModel.from_pretrained(base, trained / "adapter")
    ours = AnyToAnyPipeline.from_pretrained(trained).core
    ids = torch.tensor([[1, 7, 20, 33]])
    states = adapted.get_base_model().get_decoder()(ids).last_hidden_state
    torch.testing.assert_close(ours(ours.embed(ids)), states)


def test_everything_ours_trains(trained: Path, untrained_folder: Path) -> None:
    before = AnyToAnyPipeline.from_config(read_config(untrained_folder), untrained_folder)
    after = AnyToAnyPipeline.from_pretrained(trained)
    for part in ("input_projections", "output_projections"):
        for name, value in getattr(before, part).state_dict().items():
            assert not torch.equal(getattr(after, part).state_dict()[name], value), name
    assert (after.core.input_rows != before.core.input_rows).any(dim=1).all()
    assert (after.core.output_rows != before.core.output_rows).any(dim=1).all()
    adapter = load_file(trained / "adapter" / "adapter_model.safetensors")
    assert all(value.abs().max() > 0 for value in adapter.values())  # the B matrices start at zero


def test_an_adapter_of_another_rank_is_not_silently_kept(trained: Path, tmp_path: Path) -> None:
    chained = options(trained, tmp_path / "out", steps=1)
    list(run(chained))
    with pytest.raises(ValueError, match="rank 4: give --rank 4, or start anew with --fresh"):
        list(run(replace(chained, rank=8, stage=replace(chained.stage, output=tmp_path / "other"))))


@pytest.mark.slow
def test_a_killed_run_resumes_to_the_same_bits(untrained_folder: Path, tmp_path: Path) -> None:
    steps = 16
    list(run(options(untrained_folder, tmp_path / "whole", steps=steps)))
    _run_and_kill(untrained_folder, tmp_path / "killed", steps)
    list(run(options(untrained_folder, tmp_path / "killed", steps=steps, resume=True)))
    for name in FILES:
        whole, killed = load_file(tmp_path / "whole" / name), load_file(tmp_path / "killed" / name)
        assert whole.keys() == killed.keys()
        for key, value in whole.items():
            assert value.numpy().tobytes() == killed[key].numpy().tobytes(), (name, key)


def _run_and_kill(preset: Path, output: Path, steps: int) -> None:
    """Train in a process of its own, and kill it some steps behind a checkpoint, before it is done."""
    arguments = {
        "preset": preset, "output": output, "steps": steps, "batch-size": 4, "num-samples": 40, "checkpoint-every": 3,
        "preview-every": 1000, "rank": 4, "alpha": 8, "dropout": 0.1,
    }  # fmt: skip
    command = [sys.executable, "-m", "training.instruct", *(f"--{name}={value}" for name, value in arguments.items())]
    environment = os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads()), "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            deadline = time.monotonic() + 600  # on a busy machine, the imports alone take minutes
            while latest_checkpoint(output / "checkpoints") is None:
                assert process.poll() is None, "the run ended before its first checkpoint"
                assert time.monotonic() < deadline
                time.sleep(0.005)
        finally:
            process.send_signal(signal.SIGKILL)
    checkpoint = latest_checkpoint(output / "checkpoints")
    assert checkpoint is not None
    assert checkpoint.name < f"step-{steps:08d}"
    assert not (output / "config.json").exists()

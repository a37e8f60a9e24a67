"""Trainings that are asked to end: real processes get real signals, finish their step, and go on from it bit for bit."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from serving import ROOT, free_port
from torch import Tensor, nn
from torch.nn import functional

from training.checkpointing import latest_checkpoint, load_checkpoint
from training.features import Progress
from training.loop import Batch, LoopOptions, Step, fit
from training.stage import PREPARING, follow
from training.stopping import asked_to_stop

STEPS = 12
OPTIONS = LoopOptions(steps=STEPS, learning_rate=0.01, warmup_steps=3, checkpoint_every=10**9, ema_decay=0.9)
ENVIRONMENT = os.environ | {
    "PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "tests", Path(__file__).parent))), "COLUMNS": "200"
}  # fmt: skip


def batch_of(step: int) -> Batch:
    generator = torch.Generator().manual_seed(step)
    return {"x": torch.randn(6, 4, generator=generator), "y": torch.randn(6, 2, generator=generator)}


def loss_of(model: nn.Module, batch: Batch) -> Mapping[str, Tensor]:
    return {"loss": functional.mse_loss(model(batch["x"]), batch["y"])}


def train(folder: Path, *, resume: bool = False, workers: int = 0) -> Iterator[Step]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 2))
    yield from fit(model, batch_of, loss_of, replace(OPTIONS, workers=workers), folder, resume=resume)


def slowly(folder: Path, *, workers: int = 0) -> Iterator[Step]:
    """Train, but from the third step on no further than somebody lets it, by a line for each step."""
    for step in train(folder, workers=workers):
        print("step", step.number, flush=True)
        if step.number >= 3 and not step.is_last:
            sys.stdin.readline()
        yield step


def waiting() -> Iterator[Step]:
    """Read for as long as nobody says anything, before any step."""
    print("step 0", flush=True)
    sys.stdin.readline()
    raise AssertionError("nobody asked for an end")
    yield


def start(what: str, folder: Path, **environment: str) -> "subprocess.Popen[str]":
    """Run one of the above as every command of a training does."""
    program = "import sys, test_stopping; from pathlib import Path; from training.stage import follow; "
    program += f"folder = Path(sys.argv[1]); follow(lambda progress: test_stopping.{what}, {STEPS}, folder)"
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [sys.executable, "-c", program, str(folder)], cwd=folder, env=ENVIRONMENT | environment,
        stdin=pipe, stdout=pipe, stderr=pipe, text=True, start_new_session=True,
    )  # fmt: skip


def wait_for_step(process: "subprocess.Popen[str]", number: int) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip() == f"step {number}":
            return
    raise AssertionError(f"It ended before step {number}.")


def ends_of(*processes: "subprocess.Popen[str]") -> list[tuple[str, str]]:
    """Let processes go on to their ends, and return what each printed meanwhile."""
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n" * STEPS)
        process.stdin.flush()
    return [process.communicate() for process in processes]


def steps_in(out: str) -> list[str]:
    return re.findall(r"^step (\d+)$", out, re.MULTILINE)


def weights_of(folder: Path) -> tuple[int, dict[str, Tensor]]:
    target = latest_checkpoint(folder)
    assert target is not None
    groups, facts = load_checkpoint(target)
    return facts["step"], {
        f"{group}.{name}": value for group, values in groups.items() for name, value in values.items()
    }


@pytest.mark.parametrize(
    ("number", "send", "workers"),
    [(signal.SIGINT, os.killpg, 1), (signal.SIGTERM, os.kill, 0)],
    ids=["ctrl-c, which those that prepare batches get too", "terminate"],
)
def test_a_stopped_training_loses_no_step_and_goes_on_bit_for_bit(
    tmp_path: Path, number: signal.Signals, send: Callable[[int, int], None], workers: int
) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    broken.mkdir()
    process = start(f"slowly(folder, workers={workers})", broken)
    wait_for_step(process, 3)
    send(process.pid, number)
    ((out, err),) = ends_of(process)
    assert process.returncode == 128 + number
    assert steps_in(out) == ["4"], "the step that was under way is finished, and no other is begun"
    assert err == f"Stopped after step 4; its checkpoint is in {broken}. --resume goes on from there.\n"
    assert weights_of(broken)[0] == 4
    assert [step.number for step in train(broken, resume=True)] == list(range(5, STEPS + 1))
    assert [step.number for step in train(whole)] == list(range(1, STEPS + 1))
    (steps, resumed), (_, uninterrupted) = weights_of(broken), weights_of(whole)
    assert steps == STEPS
    assert resumed.keys() == uninterrupted.keys()
    for name, value in uninterrupted.items():
        torch.testing.assert_close(resumed[name], value, rtol=0, atol=0)


def test_processes_that_train_together_end_at_the_same_step_when_one_is_asked(tmp_path: Path) -> None:
    together = {
        "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()),
        "ACCELERATE_USE_CPU": "true",
    }  # fmt: skip
    processes = [start("slowly(folder)", tmp_path, RANK=str(rank), LOCAL_RANK=str(rank), **together) for rank in (0, 1)]
    for process in processes:
        wait_for_step(process, 3)
    processes[1].send_signal(signal.SIGTERM)
    ends = ends_of(*processes)
    assert [process.returncode for process in processes] == [128 + signal.SIGTERM] * 2, ends
    assert [steps_in(out)[-1] for out, _ in ends] == ["4", "4"]
    assert "Stopped after step 4" in ends[0][1]
    assert "Stopped" not in ends[1][1], "one of them speaks for all"
    assert weights_of(tmp_path)[0] == 4


def test_who_is_asked_before_the_first_step_ends_with_a_line_too(tmp_path: Path) -> None:
    process = start("waiting()", tmp_path)
    wait_for_step(process, 0)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate()
    assert process.returncode == 128 + signal.SIGTERM
    assert err == "Broken off. --resume goes on from the newest checkpoint, or begins if there is none.\n"


def test_the_second_signal_acts_at_once_and_afterwards_all_is_as_before() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with asked_to_stop() as asked:
        signal.raise_signal(signal.SIGINT)
        assert asked.number == signal.SIGINT
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_what_a_shell_ignores_stays_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with asked_to_stop() as asked:
            signal.raise_signal(signal.SIGINT)
            assert asked.number == 0
    finally:
        signal.signal(signal.SIGINT, before)


def test_outside_the_main_thread_nothing_is_listened_to() -> None:
    before = signal.getsignal(signal.SIGINT)
    seen: list[object] = []

    def listen() -> None:
        with asked_to_stop() as asked:
            seen.extend((asked.number, signal.getsignal(signal.SIGINT)))

    thread = threading.Thread(target=listen)
    thread.start()
    thread.join()
    assert seen == [0, before]


def test_how_far_it_has_prepared_lies_on_disk_until_the_first_step(tmp_path: Path) -> None:
    note = tmp_path / PREPARING

    def run(progress: Progress) -> Iterator[Step]:
        progress("encode image", 64, 100)
        assert json.loads(note.read_text()) == {"what": "encode image", "done": 64, "of": 100}
        for number in (1, 2):
            assert note.exists() == (number == 1)
            yield Step(number, {"loss": 1.0}, 0.1, 1.0, is_last=number == 2)

    follow(run, 2, tmp_path)
    assert not note.exists()

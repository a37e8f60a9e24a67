"""Trainings as processes: they outlive whoever started them, are watched by their files, stopped and resumed."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from studio.errors import StudioError
from studio.models.runs import ENDED, LOG, ROOT, Preparing, Run, Runs, RunState, mind
from training.checkpointing import latest_checkpoint
from training.stage import PREPARING

# Stands in for a training: it logs, then works until it is interrupted, unless it is resumed.
PROGRAM = """
import json, pathlib, sys, time
folder = pathlib.Path(sys.argv[sys.argv.index("--output") + 1])
done = 20 if "--resume" in sys.argv else 10
(folder / "checkpoints" / "step-00000010").mkdir(parents=True, exist_ok=True)
with (folder / "log.jsonl").open("a") as log:
    print(json.dumps({"step": done, "losses": {"loss": 1 / done}, "steps_per_second": 2.5}), file=log, flush=True)
    print(json.dumps({"step": done, "preview": [{"asked": "a bell"}]}), file=log, flush=True)
if done == 10:
    time.sleep(60)
"""

# Stands in for a training that takes its time to end: it does so once it is told that it may.
LINGERING = """
import os, pathlib, signal, sys, time
folder = pathlib.Path(sys.argv[sys.argv.index("--output") + 1])
signal.signal(signal.SIGINT, lambda *_: (folder / "asked").touch())
(folder / "pids").write_text(f"{os.getppid()} {os.getpid()}")
while not (folder / "go").exists():
    time.sleep(0.05)
"""


@pytest.fixture
def runs(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runs]:
    """Runs whose minding process is started with the program above in the place of the studio's command."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    script = "import sys, pathlib; from studio.models.runs import mind; "
    script += "mind(pathlib.Path(sys.argv[2]), [sys.executable, sys.argv[1]])"

    started = []

    def launch(folder: Path) -> None:
        command = [sys.executable, "-c", script, str(program), str(folder)]
        started.append(subprocess.Popen(command, start_new_session=True))

    monkeypatch.setattr("studio.models.runs._launch", launch)
    yield Runs(home)
    for process in started:
        process.kill()
        process.wait()


def wait_until(what: Callable[[], bool], seconds: float = 300) -> None:
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until, "it did not come to pass"
        time.sleep(0.1)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_training_is_watched_stopped_and_resumed_by_anybody(runs: Runs, home: Path) -> None:
    run = runs.start("align-inputs", {"steps": "20", "fresh": ""})
    assert run.shown_command.startswith("studio train align-inputs --steps 20 --fresh --output ")
    wait_until(lambda: runs.log(run).step == 10)
    other = Runs(home)
    (seen,) = other.all()
    assert seen == run
    assert other.state(seen) == RunState.RUNNING
    assert other.log(seen).preview == ({"asked": "a bell"},)
    assert other.speed_of("align-inputs") == 2.5
    with pytest.raises(StudioError, match="running"):
        other.resume(run.id)
    other.stop(run.id)
    wait_until(lambda: runs.state(run) == RunState.STOPPED)
    runs.resume(run.id)
    wait_until(lambda: runs.state(run) == RunState.FINISHED)
    assert [row["step"] for row in runs.log(run).rows] == [10, 20]


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_the_stop_of_a_real_training_loses_no_step_and_changes_no_bit(home: Path, tmp_path: Path) -> None:
    """Started, stopped and resumed as the page does it, with the command that it runs."""
    runs = Runs(home)
    options = {"data": "world", "size": "8", "num-pictures": "64", "steps": "200", "batch-size": "64"}
    run = runs.start("vae", options | {"checkpoint-every": "1000000", "preview-every": "1000000"})
    wait_until(lambda: runs.log(run).step > 0)
    runs.stop(run.id)
    wait_until(lambda: runs.state(run) != RunState.RUNNING)
    assert runs.state(run) == RunState.STOPPED
    assert json.loads((run.folder / ENDED).read_text())["code"] == 130, "what a shell has for SIGINT"
    reached = runs.log(run).step
    assert 0 < reached < 200
    assert f"Stopped after step {reached}" in runs.output(run)
    assert "Traceback" not in runs.output(run)
    checkpoint = latest_checkpoint(run.folder / "checkpoints")
    assert checkpoint is not None and checkpoint.name == f"step-{reached:08d}"
    runs.resume(run.id)
    wait_until(lambda: runs.state(run) == RunState.FINISHED)
    assert [row["step"] for row in runs.log(run).rows][-1] == 200
    whole = [word if word != str(run.folder) else str(tmp_path / "whole") for word in run.command[2:]]
    subprocess.run([sys.executable, "-m", "training.baselines.vae", *whole], cwd=ROOT, check=True, capture_output=True)
    again, once = ((folder / "model.safetensors").read_bytes() for folder in (run.folder, tmp_path / "whole"))
    assert again == once


def test_how_far_a_training_has_prepared_is_told_until_it_trains(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studio.models.runs._launch", lambda folder: None)
    run = runs.start("instruct", {"steps": "5"})
    assert runs.preparing(run) is None
    (run.folder / PREPARING).write_text('{"what": "encode image", "done": 64, "of": 100}')
    assert runs.preparing(run) == Preparing("encode image", 64, 100)


def test_a_run_whose_minder_is_gone_is_told_as_failed(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studio.models.runs._launch", lambda folder: None)
    run = runs.start("instruct", {"steps": "5"})
    assert runs.state(run) == RunState.RUNNING
    monkeypatch.setattr("studio.models.runs.START_SECONDS", 0.0)
    assert runs.state(run) == RunState.FAILED


def test_a_training_whose_minder_is_killed_ends_and_holds_its_folder_until_then(
    runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "program.py").write_text(LINGERING)
    run = runs.start("instruct", {"steps": "20"})
    monkeypatch.setattr("studio.models.runs.START_SECONDS", 0.0)
    pids = run.folder / "pids"
    wait_until(lambda: pids.is_file() and len(pids.read_text().split()) == 2)
    minder, _ = map(int, pids.read_text().split())
    os.kill(minder, signal.SIGKILL)
    wait_until((run.folder / "asked").exists)
    assert runs.state(run) == RunState.RUNNING
    with pytest.raises(StudioError):
        runs.resume(run.id)
    (run.folder / "go").touch()
    wait_until(lambda: runs.state(run) == RunState.FAILED)


def test_a_training_whose_facts_are_unreadable_is_left_out(runs: Runs, home: Path) -> None:
    kept = runs.start("instruct", {"steps": "20"})
    for name, facts in (("20200101-000000-aaaaaa", ""), ("20200101-000000-bbbbbb", "[1]")):
        (home / "runs" / name).mkdir()
        (home / "runs" / name / "run.json").write_text(facts)
    assert [run.id for run in runs.all()] == [kept.id]
    runs.stop(kept.id)
    wait_until(lambda: runs.state(kept) == RunState.STOPPED)


def test_a_command_that_fails_is_told_with_what_it_printed(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studio.models.runs._launch", lambda folder: None)
    run = runs.start("instruct", {"steps": "5"})
    assert mind(run.folder, [sys.executable, "-c", "import sys; sys.exit(3)"]) == 3
    assert json.loads((run.folder / ENDED).read_text())["code"] == 3
    assert runs.state(run) == RunState.FAILED


def test_a_half_written_line_and_repeated_steps_do_no_harm(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studio.models.runs._launch", lambda folder: None)
    run: Run = runs.start("vae", {"steps": "5"})
    lines = [
        '{"stage": "vae"}',
        '{"step": 1, "losses": {"loss": 2.0}}',
        '{"step": 1, "losses": {"loss": 1.0}}',
        '{"step": 2, "lo',
    ]
    (run.folder / LOG).write_text("\n".join(lines))
    assert runs.log(run).rows == ({"step": 1, "loss": 1.0},)


def test_names_from_outside_reach_no_other_folder(runs: Runs) -> None:
    for name in ("../../etc", "x", "", "20260101-000000-zzzzzz"):
        with pytest.raises(StudioError, match="not known here"):
            runs.get(name)

"""Trainings as they lie on disk: started as a process of their own, watched, stopped and resumed by whoever looks.

A run is a folder of the studio's `runs`: `run.json` says what it is, `log.jsonl` is the training's own log, `output.txt`
what its command printed, `ended.json` how it ended. While it runs, a small process (`python -m studio.models.runs FOLDER`) holds
its lock and has the command as its child; to stop it, a file named `stop` is put into the folder, and the command gets SIGINT,
upon which it finishes its step and leaves a checkpoint.
"""

import ctypes
import fcntl
import json
import logging
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from encoders.atomic import write_text
from studio.background import start_apart
from studio.faults import fault

ROOT = Path(__file__).resolve().parents[2]
FOLDER, LOCK, STOP, ENDED, FACTS, OUTPUT, LOG, PREPARING = (
    "runs", "run.lock", "stop", "ended.json", "run.json", "output.txt", "log.jsonl", "preparing.json",
)  # fmt: skip
POLL_SECONDS = 0.3
LOCK_PATIENCE_SECONDS = 5.0  # whoever looks whether a run is alive holds its lock for an instant
START_SECONDS = 60.0  # a run that is not yet alive after so long never will be
GRACE_SECONDS = 300.0  # for what a training still does once it is asked to end: a preview, a step, a checkpoint
MAX_OUTPUT_BYTES = 20_000
PR_SET_PDEATHSIG = 1  # of prctl(2)
logger = logging.getLogger(__name__)
_RUN_ID = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{6}")


class RunState(StrEnum):
    RUNNING = "running"
    FINISHED = "finished"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True)
class Run:
    """A training: its stage, the options that a person chose, and the whole command after `studio`."""

    id: str
    stage: str
    options: Mapping[str, str]
    command: tuple[str, ...]
    created: float
    folder: Path

    @property
    def shown_command(self) -> str:
        """Return the command as a terminal takes it."""
        return shlex.join(("studio", *self.command))

    @property
    def num_steps(self) -> int | None:
        return int(self.options["steps"]) if "steps" in self.options else None


@dataclass(frozen=True)
class RunLog:
    """What a training wrote down so far: a row for each logged step, and the newest examples that it showed."""

    rows: tuple[Mapping[str, float], ...] = ()
    preview: tuple[Mapping[str, Any], ...] = ()
    steps_per_second: float | None = None

    @property
    def step(self) -> int:
        return int(self.rows[-1]["step"]) if self.rows else 0


@dataclass(frozen=True)
class Preparing:
    """What is done before the first step, as "encode image", and how far it is."""

    what: str
    done: int
    of: int


class Runs:
    """The trainings of one studio."""

    def __init__(self, home: Path) -> None:
        self._folder = home / FOLDER
        self._folder.mkdir(exist_ok=True)

    def start(self, stage: str, options: Mapping[str, str]) -> Run:
        """Start a training: `options` by the names that its command has for them, as {"steps": "100"}."""
        run_id = f"{time.strftime('%Y%m%d-%H%M%S')}-{uuid.uuid4().hex[:6]}"
        folder = self._folder / run_id
        run = Run(run_id, stage, dict(options), command_of(stage, options, folder), time.time(), folder)
        folder.mkdir()
        facts = {name: value for name, value in asdict(run).items() if name != "folder"}
        write_text(folder / FACTS, json.dumps(facts, ensure_ascii=False, indent=1))
        _launch(folder)
        return run

    def resume(self, run_id: str) -> Run:
        """Go on with a training from its newest checkpoint. Raises StudioError while it runs, or once it is finished."""
        run = self.get(run_id)
        state = self.state(run)
        if state in (RunState.RUNNING, RunState.FINISHED):
            raise fault("training-runs" if state == RunState.RUNNING else "training-done")
        (run.folder / ENDED).unlink(missing_ok=True)
        (run.folder / STOP).unlink(missing_ok=True)
        os.utime(run.folder / FACTS)
        _launch(run.folder)
        return run

    def stop(self, run_id: str) -> None:
        """Ask a training to end."""
        (self.get(run_id).folder / STOP).touch()

    def get(self, run_id: str) -> Run:
        path = self._folder / run_id / FACTS
        if not _RUN_ID.fullmatch(run_id) or not path.is_file():
            raise fault("unknown-training")
        return _read(path)

    def all(self) -> list[Run]:
        """Return every training, the newest first, without those whose facts a full disk or a crash left unreadable."""
        found = []
        for path in sorted(self._folder.glob(f"*/{FACTS}"), reverse=True):
            try:
                found.append(_read(path))
            except (KeyError, TypeError, ValueError):
                logger.warning("%s cannot be read.", path)
        return found

    def state(self, run: Run) -> RunState:
        """Return how a training stands, whoever started it."""
        ended = run.folder / ENDED
        if ended.is_file():
            code = json.loads(ended.read_text())["code"]
            if code == 0:
                return RunState.FINISHED
            return RunState.STOPPED if (run.folder / STOP).exists() else RunState.FAILED
        if _is_locked(run.folder) or time.time() - (run.folder / FACTS).stat().st_mtime < START_SECONDS:
            return RunState.RUNNING
        return RunState.FAILED

    def is_stopping(self, run: Run) -> bool:
        return (run.folder / STOP).exists() and not (run.folder / ENDED).is_file()

    def log(self, run: Run) -> RunLog:
        """Return what a training wrote down; a line that is being written is left for the next look."""
        path = run.folder / LOG
        if not path.is_file():
            return RunLog()
        rows: dict[int, Mapping[str, float]] = {}
        preview: tuple[Mapping[str, Any], ...] = ()
        speed = None
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                entry = json.loads(line)
            except json.JSONDecodeError:
                continue
            if "losses" in entry:
                rows[entry["step"]] = {"step": entry["step"], **entry["losses"]}
                speed = entry.get("steps_per_second", speed)
            elif "preview" in entry:
                preview = tuple(entry["preview"])
        return RunLog(tuple(rows.values()), preview, speed)

    def preparing(self, run: Run) -> Preparing | None:
        """Return how far a training has prepared what its steps need; None where it does not say, or trains already."""
        try:
            return Preparing(**json.loads((run.folder / PREPARING).read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None

    def pictures(self, run: Run) -> list[Path]:
        """Return the sample sheets that a training drew, the newest first."""
        return sorted(run.folder.glob("samples-*.png"), reverse=True)

    def output(self, run: Run) -> str:
        """Return the end of what its command printed."""
        path = run.folder / OUTPUT
        if not path.is_file():
            return ""
        return path.read_bytes()[-MAX_OUTPUT_BYTES:].decode(errors="replace")

    def speed_of(self, stage: str) -> float | None:
        """Return the steps a second of the newest training of a stage that tells them."""
        for run in self.all():
            if run.stage == stage and (speed := self.log(run).steps_per_second):
                return speed
        return None


def command_of(stage: str, options: Mapping[str, str], folder: Path) -> tuple[str, ...]:
    """Return the command that a terminal would take, without the program's name; an empty value is a flag."""
    given = [word for name, value in options.items() for word in (f"--{name}", *([value] if value else []))]
    return ("train", stage, *given, "--output", str(folder))


def _read(path: Path) -> Run:
    values = json.loads(path.read_text(encoding="utf-8"))
    return Run(
        values["id"], values["stage"], values["options"], tuple(values["command"]), values["created"], path.parent
    )


def _is_locked(folder: Path) -> bool:
    try:
        with FileLock(folder / LOCK).acquire(blocking=False):
            return False
    except Timeout:
        return True


def _launch(folder: Path) -> None:
    """Start the process that minds the run; it outlives its starter."""
    start_apart("studio.models.runs", str(folder), log=folder / OUTPUT)


def mind(folder: Path, program: Sequence[str]) -> int:
    """Run a run's command until it ends or is asked to; write down how it ended and return its exit status."""
    run = _read(folder / FACTS)
    resumes = ["--resume"] if any((folder / "checkpoints").glob("step-*")) else []
    with _locked(folder) as handle:
        child = subprocess.Popen(
            [*program, *run.command, *resumes],
            cwd=ROOT,
            preexec_fn=partial(_prepare, os.getpid()),
            pass_fds=[handle],  # with the command, the lock outlives a minder that is killed
        )
        asked = None
        while child.poll() is None:
            time.sleep(POLL_SECONDS)
            if asked is None and (folder / STOP).exists():
                asked = time.monotonic()
                child.send_signal(signal.SIGINT)
            elif asked is not None and time.monotonic() - asked > GRACE_SECONDS:
                child.kill()
        write_text(folder / ENDED, json.dumps({"code": child.returncode, "time": time.time()}))
    return child.returncode


@contextmanager
def _locked(folder: Path) -> Iterator[int]:
    """Hold a run's lock, as FileLock does, by an open file that others may inherit. Raises Timeout if it is held."""
    path, late = folder / LOCK, time.monotonic() + LOCK_PATIENCE_SECONDS
    with path.open("a") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > late:
                    raise Timeout(str(path)) from None
                time.sleep(POLL_SECONDS / 10)
        yield file.fileno()


def _prepare(minder: int) -> None:
    """In the command, before it starts: end on SIGINT, also where a shell in the background ignores it, and when left alone.

    Without its minder a training would hear no Stop; it finishes its step, and leaves a checkpoint.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGINT)
    if os.getppid() != minder:
        os.kill(os.getpid(), signal.SIGINT)


def main() -> None:
    """Mind the run whose folder is given."""
    try:
        sys.exit(mind(Path(sys.argv[1]), [str(Path(sys.executable).with_name("studio"))]) != 0)
    except Timeout:
        print("This training runs already.")


if __name__ == "__main__":
    main()

"""How an alignment stage runs: the loop with its log and previews, then the finished model; and its progress bars."""

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from accelerate.utils import parse_flag_from_env
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.tensorboard import SummaryWriter

from training.alignment import AlignmentModel
from training.checkpointing import latest_checkpoint, write_atomically
from training.config import StageOptions
from training.features import Progress as ProgressCallback
from training.loop import Batch, Step, fit
from training.sequences import SequenceSet, batch_indices
from training.stopping import ending_with_a_line

LOG_EVERY = 10  # steps between two lines of the log
CHECKPOINTS, PREPARING = "checkpoints", "preparing.json"
TRAIN = "train"  # the bar that comes after those of what is prepared
TELL_SECONDS = 0.5  # between two notes of how far it is prepared
ATTENTION = SDPBackend.MATH  # on a processor, at some hundred positions, training with it is a sixth faster than fused

PreviewRow = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Stage:
    """A stage made ready: what trains on what, what is shown as it goes, and how the finished model is saved."""

    name: str
    model: AlignmentModel
    data: SequenceSet
    preview: Callable[[], Sequence[PreviewRow]]
    save: Callable[[], None]


def run_stage(stage: Stage, options: StageOptions) -> Iterator[Step]:
    """Train step by step; write `log.jsonl`, `tensorboard/` and `checkpoints/` in the output, and at the end the model.

    A line of the log is {"step", "losses", "learning_rate", "steps_per_second", "tokens_per_second", "time"} or
    {"step", "preview": [...]}; the first is {"stage", "options"}. A resume cuts off what lies behind its checkpoint.
    """
    folder = options.output / CHECKPOINTS
    lengths = [len(sequence) for sequence in stage.data.sequences]

    def batch_of(step: int) -> Batch:
        return {"indices": torch.from_numpy(batch_indices(lengths, options.batch_size, options.seed, step))}

    def loss_of(model: nn.Module, batch: Batch) -> Mapping[str, torch.Tensor]:
        indices = batch["indices"]
        tokens = stage.data.collate(indices.tolist(), indices.device)
        with sdpa_kernel(ATTENTION) if indices.device.type == "cpu" else nullcontext():
            losses: Mapping[str, torch.Tensor] = model(tokens)
        return losses

    steps = fit(stage.model, batch_of, loss_of, options.loop, folder, resume=options.resume)
    yield from logged(stage.name, steps, options, preview=lambda: _preview(stage), save=stage.save)


def logged(
    name: str,
    steps: Iterator[Step],
    options: StageOptions,
    *,
    save: Callable[[], None],
    preview: Callable[[], Sequence[PreviewRow]] = lambda: [],
) -> Iterator[Step]:
    """Pass a training's steps on, writing the log and TensorBoard, and save at the end; the main process does both."""
    is_main = PartialState().is_main_process
    checkpoint = latest_checkpoint(options.output / CHECKPOINTS) if options.resume else None
    number = int(checkpoint.name.removeprefix("step-")) if checkpoint is not None else 0
    log = _Log(options, name, number) if is_main else None
    try:
        for step in steps:
            number = step.number
            if log is not None:
                log.add(step)
                if number % options.preview_every == 0 and not step.is_last:
                    log.show(number, preview())
            yield step
        if log is not None:
            save()
            log.show(number, preview())
    finally:
        if log is not None:
            log.close()


def check_output(options: StageOptions) -> None:
    """Raise FileExistsError, before anything is computed, if the output holds a training that is not to be resumed."""
    if not options.resume and latest_checkpoint(options.output / CHECKPOINTS) is not None:
        raise FileExistsError(
            f"{options.output} holds a training already: resume it (--resume) or choose another output folder."
        )


def _preview(stage: Stage) -> Sequence[PreviewRow]:
    stage.model.eval()
    with torch.no_grad():
        return stage.preview()


class _Log:
    """log.jsonl and TensorBoard of one run."""

    def __init__(self, options: StageOptions, name: str, done: int) -> None:
        """Open the files of a run that goes on after step `done`."""
        options.output.mkdir(parents=True, exist_ok=True)
        self.path = options.output / "log.jsonl"
        lines = self.path.read_text().splitlines() if done and self.path.is_file() else []
        kept = [line for line in lines if json.loads(line).get("step", 0) <= done]
        header = json.dumps({"stage": name, "options": asdict(options), "time": time.time()}, default=str)
        write_atomically(self.path, "\n".join([*kept, header]) + "\n")
        self.file = self.path.open("a")
        self.board = SummaryWriter(str(options.output / "tensorboard"), purge_step=done + 1)
        self.tokens, self.began = 0.0, time.monotonic()

    def add(self, step: Step) -> None:
        losses = dict(step.losses)
        self.tokens += losses.pop("tokens", 0.0)
        if step.number % LOG_EVERY and not step.is_last:
            return
        spent = max(time.monotonic() - self.began, 1e-9)
        speeds = {"steps_per_second": round(step.rate, 3), "tokens_per_second": round(self.tokens / spent, 1)}
        rounded = {key: round(value, 6) for key, value in losses.items()}
        self._write(
            {"step": step.number, "losses": rounded, "learning_rate": step.learning_rate, **speeds, "time": time.time()}
        )
        for key, value in losses.items():
            self.board.add_scalar(key, value, step.number)

    def show(self, step: int, rows: Sequence[PreviewRow]) -> None:
        if rows:
            self._write({"step": step, "preview": list(rows)})

    def close(self) -> None:
        self.file.close()
        self.board.close()

    def _write(self, line: Mapping[str, Any]) -> None:
        self.file.write(json.dumps(line, ensure_ascii=False) + "\n")
        self.file.flush()


def follow(run: Callable[[ProgressCallback], Iterator[Step]], total: int, output: Path) -> None:
    """Exhaust a stage's steps under progress bars, which only the main process shows; a signal ends them with a line.

    Until the first step, `preparing.json` in the output says how far the frozen parts have read, for whoever watches.
    """
    on_processor = parse_flag_from_env("ACCELERATE_USE_CPU")  # which Accelerator looks at, but comes later than this
    is_main = PartialState(cpu=on_processor).is_main_process
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    note, told = output / PREPARING, -math.inf
    with ending_with_a_line(), Progress(*columns, disable=not is_main) as progress:
        tasks: dict[str, TaskID] = {}

        def show(what: str, done: int, of: int) -> None:
            nonlocal told
            if what not in tasks:
                tasks[what] = progress.add_task(what, total=of)
            progress.update(tasks[what], completed=done)
            if is_main and what != TRAIN and time.monotonic() - told > TELL_SECONDS:
                told = time.monotonic()
                output.mkdir(parents=True, exist_ok=True)
                write_atomically(note, json.dumps({"what": what, "done": done, "of": of}))

        try:
            for step in run(show):
                if TRAIN not in tasks:
                    note.unlink(missing_ok=True)
                show(TRAIN, step.number, total)
                progress.update(tasks[TRAIN], description=f"{TRAIN} (loss {step.losses['loss']:.3f})")
        finally:
            note.unlink(missing_ok=True)

"""Evaluate a preset on held-out scenes and wordings: `python -m training.evaluate --preset tiny [--quick]`.

Every sample's verdict goes at once to `<output>.samples.jsonl`, so a killed evaluation loses nothing: --resume goes on.
"""

import argparse
import json
import multiprocessing
import os
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from encoders.modality import Modality
from pipelines.checkpoint import hash_folder, read_config
from pipelines.presets import LAB, preset_folder
from training.examinee import Examinee
from training.figures import Verdicts, make_figures
from training.grading import Verdict
from training.report import Timing, figures_table, timings_table, write_card, write_report
from training.rows import CLIP_ROW, ROWS
from training.timing import measure_costs

FULL, QUICK = 500, 50


@dataclass(frozen=True)
class Options:
    """What is evaluated, on how much, and where the report goes."""

    preset: str
    output: Path
    samples: int = FULL
    rows: tuple[str, ...] = tuple(ROWS)
    device: str = "cpu"
    workers: int = 1
    resume: bool = False


def run(options: Options) -> Iterator[tuple[str, int, Verdict]]:
    """Judge every (row, index) that has no verdict yet, record it, and yield it; cheap to resume."""
    store = VerdictFile(options.output.with_suffix(".samples.jsonl"), fingerprint(options.preset))
    if not options.resume:
        store.clear()
    known = store.read()
    missing = [
        (row, index) for row in options.rows for index in range(options.samples) if index not in known.get(row, {})
    ]
    for row, index, verdict in _judge(missing, options):
        store.append(row, index, verdict)
        yield row, index, verdict


def answerable_rows(preset: str) -> list[str]:
    """The rows that a preset can be asked: all, but the one through CLIP only if it has projections for CLIP."""
    clip = read_config(preset_folder(preset)).encoders.get("clip")
    has_clip = clip is not None and Modality.IMAGE in clip.projections
    return [row for row in ROWS if has_clip or row != CLIP_ROW]


def verdicts(options: Options) -> Verdicts:
    """What is recorded so far, no more than `samples` a row."""
    known = VerdictFile(options.output.with_suffix(".samples.jsonl"), fingerprint(options.preset)).read()
    return {row: {i: v for i, v in known.get(row, {}).items() if i < options.samples} for row in options.rows}


class VerdictFile:
    """One JSON line a sample, under a first line that names what was evaluated."""

    def __init__(self, path: Path, evaluated: str) -> None:
        self.path, self.evaluated = path, evaluated

    def clear(self) -> None:
        """Forget all verdicts."""
        self.path.unlink(missing_ok=True)

    def append(self, row: str, index: int, verdict: Verdict) -> None:
        """Write one verdict; it is on the disk when this returns."""
        entry = json.dumps({"row": row, "index": index, **asdict(verdict)}, ensure_ascii=False)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab+") as file:
            size = file.seek(0, os.SEEK_END)
            if size == 0:
                file.write(json.dumps({"evaluated": self.evaluated}).encode() + b"\n")
            else:
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":  # a kill cut the last line short
                    file.write(b"\n")
            file.write(entry.encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def read(self) -> dict[str, dict[int, Verdict]]:
        """The verdicts by row and index; a line cut short by a kill is passed over.

        Raises ValueError when the file holds the verdicts on other weights.
        """
        if not self.path.exists():
            return {}
        known: dict[str, dict[int, Verdict]] = {}
        first, *lines = self.path.read_text(encoding="utf-8").split("\n")
        if json.loads(first) != {"evaluated": self.evaluated}:
            raise ValueError(f"{self.path} holds verdicts on other weights; evaluate without --resume to start again.")
        for line in filter(None, lines):
            try:
                entry = json.loads(line)
            except json.JSONDecodeError:
                continue
            row, index = entry.pop("row"), entry.pop("index")
            known.setdefault(row, {})[index] = Verdict(**entry)
        return known


def fingerprint(preset: str) -> str:
    """A digest of what a preset's answers depend on: all but the models of the lab."""
    return hash_folder(preset_folder(preset), without=(LAB,))


def _judge(missing: Sequence[tuple[str, int]], options: Options) -> Iterator[tuple[str, int, Verdict]]:
    if not missing:
        return
    if options.workers == 1:
        examinee = Examinee(options.preset, options.device)
        for row, index in missing:
            yield row, index, ROWS[row].sample(examinee, index)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        options.workers, mp_context=context, initializer=_start_worker, initargs=(options.preset, options.device)
    ) as pool:
        waiting: dict[Future[Verdict], tuple[str, int]] = {}
        rest: Iterable[tuple[str, int]] = iter(missing)
        try:
            for row, index in rest:
                waiting[pool.submit(_judge_in_worker, row, index)] = (row, index)
                if len(waiting) >= 2 * options.workers:
                    yield from _finished(waiting)
            while waiting:
                yield from _finished(waiting)
        finally:
            pool.shutdown(cancel_futures=True)


def _finished(waiting: dict[Future[Verdict], tuple[str, int]]) -> Iterator[tuple[str, int, Verdict]]:
    for future in wait(waiting, return_when=FIRST_COMPLETED).done:
        yield *waiting.pop(future), future.result()


_examinee: Examinee | None = None  # one a worker process


def _start_worker(preset: str, device: str) -> None:
    global _examinee
    torch.set_num_threads(1)
    _examinee = Examinee(preset, device)


def _judge_in_worker(row: str, index: int) -> Verdict:
    assert _examinee is not None
    return ROWS[row].sample(_examinee, index)


def main() -> None:
    """The command line: see the top of this file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="tiny", help="a preset's name or a folder")
    parser.add_argument("--output", type=Path, default=Path("evaluation/report.json"), help="the JSON report")
    parser.add_argument("--samples", type=int, help=f"samples a row ({FULL}; {QUICK} with --quick)")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} samples a row")
    parser.add_argument("--rows", nargs="+", choices=tuple(ROWS), default=tuple(ROWS), metavar="ROW", help=str([*ROWS]))
    parser.add_argument("--workers", type=int, default=2, help="processes that answer side by side")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--resume", action="store_true", help="keep the verdicts that are there and go on")
    parser.add_argument("--no-costs", action="store_true", help="leave out seconds and FLOPs")
    parser.add_argument("--write-card", action="store_true", help="copy the figures into the preset's model card")
    asked = parser.parse_args()
    samples = asked.samples or (QUICK if asked.quick else FULL)
    rows = tuple(row for row in asked.rows if row in answerable_rows(asked.preset))
    options = Options(asked.preset, asked.output, samples, rows, asked.device, asked.workers, asked.resume)
    console = Console()
    _run_with_progress(options, console)
    costs: list[Timing] = [] if asked.no_costs else measure_costs(Examinee(options.preset, options.device).pipeline)
    made = make_figures(verdicts(options))
    console.print(figures_table(made))
    if costs:
        console.print(timings_table(costs))
    write_report(options.output, made, costs, _settings(options))
    console.print(f"Written to {options.output}")
    if asked.write_card:
        write_card(preset_folder(options.preset) / "README.md", made, costs)


def _run_with_progress(options: Options, console: Console) -> None:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    recorded = verdicts(options) if options.resume else {}
    with Progress(*columns, console=console) as progress:
        tasks = {
            row: progress.add_task(ROWS[row].title, total=options.samples, completed=len(recorded.get(row, {})))
            for row in options.rows
        }
        for row, _, _ in run(options):
            progress.advance(tasks[row])


def _settings(options: Options) -> Mapping[str, Any]:
    return {
        "preset": options.preset,
        "weights": fingerprint(options.preset),
        "samples": options.samples,
        "device": options.device,
        "processor": platform.processor() or platform.machine(),
        "torch": torch.__version__,
        "date": datetime.now(UTC).date().isoformat(),
    }


if __name__ == "__main__":
    main()

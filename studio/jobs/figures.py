"""The worker's part of the lab's table of figures: the evaluation that a terminal runs, as a process of its own."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from studio.faults import fault
from studio.jobs.queue import Lease

ROOT = Path(__file__).resolve().parents[2]
REPORT = Path("lab") / "evaluation"
POLL_SECONDS = 0.2
UNSEEN_SHARE = 5  # one request of a new combination for so many others


def measure_families(lease: Lease) -> None:
    """Measure `payload["models"]` and a preset's diffusion by `payload["samples"]` pictures each; the kind of job "figures"."""
    asked = lease.job.payload
    output = lease.queue.store.home / REPORT
    command = command_of(asked["models"], preset=asked["preset"], samples=asked["samples"], output=output)
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    told = ""
    try:
        while True:
            lease.check()
            try:
                _, told = process.communicate(timeout=POLL_SECONDS)
                break
            except subprocess.TimeoutExpired:
                continue
    finally:
        if process.poll() is None:
            process.terminate()
            process.communicate()
    if process.returncode != 0:
        lines = [line.strip() for line in told.strip().splitlines() if line.strip()]
        raise fault("not-measured", said=lines[-1] if lines else "")
    lease.finish({"report": read_report(lease.queue.store.home)})


def command_of(models: list[str], *, preset: str, samples: int, output: Path) -> list[str]:
    """Return the command that measures, as `studio lab evaluate` runs it."""
    given = [word for model in models for word in ("--model", model)]
    unseen = str(max(1, samples // UNSEEN_SHARE))
    return [
        sys.executable, "-m", "training.baselines.evaluate", *given, "--preset", preset, "--samples", str(samples),
        "--unseen", unseen, "--reconstructions", unseen, "--projections", "0", "--output", str(output),
    ]  # fmt: skip


def read_report(home: Path) -> Mapping[str, Any] | None:
    """Return the newest report with the time that it was written at; None where nothing was measured yet."""
    path = (home / REPORT).with_suffix(".json")
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    return {**report, "written": path.stat().st_mtime}

"""What a training would do, told before it starts: what is trained and what stays, how many steps, and how long about."""

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path

from pipelines.presets import PRESETS
from studio.faults import fault
from studio.jobs.queue import Lease
from studio.models.preset_state import parts_of

ROOT = Path(__file__).resolve().parents[2]
WORLD = "world"
STAGES = ("align-inputs", "align-outputs", "instruct")
BASELINES = ("vae", "biggan", "stylegan")
# Of the tensors in a model's folder, those that each stage trains, by the beginnings of their names.
_TRAINED: Mapping[str, tuple[str, ...]] = {
    "align-inputs": ("input.imagebind.", "input_rows"),
    "align-outputs": ("output.", "input_rows", "output_rows"),
    "instruct": ("input.imagebind.", "output.", "input_rows", "output_rows", "base_model."),
}
POLL_SECONDS = 0.2
PICTURES = ("*.png", "*.jpg", "*.jpeg", "*.webp")


@dataclass(frozen=True)
class Plan:
    """How many parameters a stage would train and leave as they are; None where only the start will tell."""

    num_trained: int | None
    num_frozen: int | None


def plan_of(stage: str, preset: str) -> Plan:
    """Count the parameters of a preset that a stage trains, by the headers of its files."""
    found = PRESETS.get(preset)
    if stage not in _TRAINED or found is None or found.folder is None or found.parts:
        return Plan(None, None)
    ours = [*found.folder.glob("*.safetensors"), *found.folder.glob("adapter/*.safetensors")]
    trained = sum(_count(path, _TRAINED[stage]) for path in ours)
    return Plan(trained, sum(part.num_parameters for part in parts_of(found)) - trained)


def check_data(lease: Lease) -> None:
    """Check `payload["data"]`, a manifest or a folder of pictures, as the training itself would; the kind of job "check"."""
    path, stage = Path(lease.job.payload["data"]).expanduser(), lease.job.payload["stage"]
    if stage in BASELINES:
        count = sum(1 for pattern in PICTURES for _ in path.rglob(pattern)) if path.is_dir() else 0
        if not count:
            raise fault("no-pictures-there", path=path)
        lease.finish({"is_usable": True, "told": f"{count} pictures."})
        return
    command = [sys.executable, "-m", "training.manifest", str(path)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        while process.poll() is None:
            lease.check()
            time.sleep(POLL_SECONDS)
    finally:
        process.kill()
        told, _ = process.communicate()
    lease.finish({"is_usable": process.returncode == 0, "told": told.strip()})


def _count(path: Path, beginnings: tuple[str, ...]) -> int:
    with path.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return sum(prod(tensor["shape"]) for name, tensor in header.items() if name.startswith(beginnings))

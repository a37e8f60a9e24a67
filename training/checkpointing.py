"""Checkpoints, whole or absent: a folder is written aside, fsynced and renamed, then the pointer `latest` follows."""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

from encoders.atomic import atomic

_POINTER = "latest"


def save_checkpoint(
    folder: Path, step: int, tensors: Mapping[str, Mapping[str, Tensor]], facts: Mapping[str, Any]
) -> Path:
    """Write `<folder>/step-<step>/`: one safetensors file a group, and facts.json; then older checkpoints go."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"step-{step:08d}"
    aside = folder / f".{target.name}.{os.getpid()}"
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir()
    for group, values in tensors.items():
        save_file(
            {name: value.detach().cpu().contiguous() for name, value in values.items()}, aside / f"{group}.safetensors"
        )
    (aside / "facts.json").write_text(json.dumps({"step": step, **facts}, indent=1))
    for path in aside.iterdir():
        sync(path)
    sync(aside)
    shutil.rmtree(target, ignore_errors=True)
    aside.rename(target)
    write_atomically(folder / _POINTER, target.name)
    for old in [*folder.glob("step-*"), *folder.glob(".step-*")]:  # also what a killed writer left
        if old != target:
            shutil.rmtree(old, ignore_errors=True)
    return target


def latest_checkpoint(folder: Path) -> Path | None:
    """Find the newest whole checkpoint, or None."""
    pointer = folder / _POINTER
    if not pointer.is_file():
        return None
    target = folder / pointer.read_text().strip()
    return target if (target / "facts.json").is_file() else None


def load_checkpoint(target: Path) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]]:
    """Read a checkpoint's tensor groups and facts."""
    facts: dict[str, Any] = json.loads((target / "facts.json").read_text())
    return {path.stem: load_file(path) for path in sorted(target.glob("*.safetensors"))}, facts


def write_atomically(path: Path, text: str) -> None:
    """Replace a text file in one step, so that a reader never sees half of it."""
    with atomic(path) as aside:
        aside.write_text(text)
    sync(path.parent)


def sync(path: Path) -> None:
    """Make sure that a file or a folder's list of names is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

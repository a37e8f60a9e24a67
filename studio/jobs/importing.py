"""The worker's part of an import: a published NExT-GPT checkpoint becomes a model of the studio's own folder."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from studio.faults import fault
from studio.jobs.queue import Lease

FOLDER = "models"
LEFT_OUT = "none"
DECODERS = ("image", "audio", "video")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")


def import_checkpoint(lease: Lease) -> None:
    """Import the files of `payload["sources"]`, as `studio import nextgpt` does; the kind of job "import".

    The result names the model's folder and what must be known of it; what is stopped or does not fit leaves nothing.
    """
    from encoders.modality import Modality
    from pipelines.pretrained.nextgpt import ImportRemark, ImportStep, NextGPTImport, import_nextgpt

    asked = lease.job.payload
    output = folder_of(lease.queue.store.home, asked["name"])
    output.parent.mkdir(exist_ok=True)
    encoder = asked["encoder"]
    options = NextGPTImport(
        sources=tuple(Path(source).expanduser() for source in asked["sources"]),
        base=asked["base"],
        output=output,
        encoder=None if encoder == LEFT_OUT else encoder,
        decoders={Modality(name): part for name, part in _decoders(asked).items() if part != LEFT_OUT},
        base_rows=asked["base_rows"],
    )
    remarks = []
    try:
        for event in import_nextgpt(options):
            lease.check()
            match event:
                case ImportStep(number, total, text):
                    lease.emit("progress", done=number - 1, total=total, text=text)
                case ImportRemark(text):
                    remarks.append(text)
    except ValueError as error:
        raise fault("not-imported", said=str(error)) from error
    lease.finish({"folder": str(output), "remarks": remarks})


def folder_of(home: Path, name: str) -> Path:
    """Return where an imported model lies. Raises StudioError for a name that is taken, or is none."""
    if not _NAME.fullmatch(name):
        raise fault("model-name")
    folder = home / FOLDER / name
    if folder.exists():
        raise fault("model-taken", name=name)
    return folder


def imported_models(home: Path) -> dict[str, Path]:
    """Return the models that were imported, by their names."""
    return {path.parent.name: path.parent for path in sorted((home / FOLDER).glob("*/config.json"))}


def _decoders(asked: Mapping[str, Any]) -> Mapping[str, str | None]:
    """Return what makes each kind: a part's name, "none", or None for the one that was trained for."""
    return {name: asked["decoders"].get(name) or None for name in DECODERS}

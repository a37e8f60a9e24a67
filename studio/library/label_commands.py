"""`studio library tag --labels` and `studio library describe`: words about media, written by models."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import track

from studio.errors import StudioError
from studio.home import studio_home
from studio.terminal import Terminal

if TYPE_CHECKING:
    from studio.library.library import Library

SHORT_ID = 12


def put_labels(library: "Library", labels: str, *, best: bool, template: str, within: str) -> None:
    """Tag what labels fit, and say how much that was."""
    from studio.library.labels import LabelOptions, read_labels, tag_by_labels
    from studio.search.search import Search

    terminal = Terminal()
    options = LabelOptions(template=template, filters=within, best=best)
    done = tag_by_labels(Search(library), read_labels(labels), options)
    for notice in done.notices:
        terminal.remark(notice)
    for label, count in done.counts.items():
        terminal.say(f"{label}: {count:,}")


def describe(
    media: Annotated[
        list[str] | None, typer.Argument(help="Ids, or their beginnings; else what has no caption.")
    ] = None,
    limit: Annotated[int, typer.Option(help="At most so many.", min=1)] = 100,
    preset: Annotated[str, typer.Option("--preset", "-p", help="The model that looks and listens.")] = "tiny",
    home: Annotated[Path | None, typer.Option("--home", help="The studio's folder.", envvar="STUDIO_HOME")] = None,
) -> None:
    """Have a model write captions (alt text) for media; search finds them by these words."""
    from studio.library.captions import describe as captions
    from studio.library.captions import undescribed
    from studio.library.library import Library
    from studio.models.in_memory import load_model
    from studio.models.presets import preset_name
    from studio.store import Store

    terminal = Terminal()
    library = Library(Store(studio_home(home)))
    ids = [library.get(one).id for one in media] if media else undescribed(library, limit=limit)
    if not ids:
        raise StudioError("There is nothing without a caption. Name media to describe them again.")
    name = preset_name(preset)
    pipe = load_model(name).pipe
    found = captions(library, pipe, ids[:limit], source=Path(name).name)
    for one in track(found, "Looking", len(ids[:limit]), console=terminal.err, transient=True):
        terminal.say(f"{one.media[:SHORT_ID]}: {one.text or '(nothing)'}")

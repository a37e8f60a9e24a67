"""`studio library ...`: add folders, look at what is there, mend it. Nothing heavy is imported before it is needed."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from studio.errors import StudioError
from studio.home import studio_home
from studio.plain_text import printable
from studio.terminal import Terminal

if TYPE_CHECKING:
    from studio.library.ingest import Outcome
    from studio.library.library import Item, Library

SHORT_ID = 12
SHOWN_REFUSALS, KEPT_REFUSALS = 20, 1000
KINDS = ("image", "audio", "video")

Home = Annotated[Path | None, typer.Option("--home", help="The studio's folder.", envvar="STUDIO_HOME")]
Preset = Annotated[str, typer.Option("--preset", "-p", help="Whose encoders: a preset, a folder, or a hub id.")]
Encoders = Annotated[
    list[str] | None,
    typer.Option(
        "--encoder",
        "-e",
        help="Another encoder, NAME=KIND:FOLDER, as clip=clip:models/vit or clip=clip:ViT-B-32@openai. May be repeated.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of prose.")]
Ids = Annotated[list[str], typer.Argument(help="Ids, or their beginnings.")]


def add(
    folders: Annotated[list[Path], typer.Argument(help="Folders or files; they stay where they are.")],
    watches: Annotated[bool, typer.Option("--watch", help="Go on, and take in new files as they come.")] = False,
    poll: Annotated[float, typer.Option(help="Seconds between two looks.", min=0.1)] = 5.0,
    encoder: Encoders = None,
    preset: Preset = "tiny",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Take in pictures, sounds and videos, found by meaning from then on. Go on with what was interrupted by asking again."""
    from studio.library.ingest import ingest_folder, make_up, settle, watch
    from studio.library.ingest_files import walk

    for folder in folders:
        if not folder.exists():
            raise StudioError(f"There is no folder or file {folder}.")
    terminal = Terminal(is_quiet=as_json)
    library = _library(home)
    embedders = _embedders(terminal, preset, encoder)
    report = _Report(terminal)
    for folder in folders:
        total = sum(1 for _ in walk(folder.resolve(), without=library.store.home))
        report.follow(ingest_folder(library, folder, embedders), f"Adding {folder.name or folder}", total)
    report.follow(make_up(library, embedders), "Indexing what the studio made", None, counts=False)
    settle(library, embedders)
    report.close(as_json=as_json)
    if watches:
        terminal.remark(f"Watching {', '.join(map(str, folders))} (Ctrl-C ends it).")

        def wait() -> bool:
            time.sleep(poll)
            return True

        for outcome in watch(library, folders, embedders, wait=wait):
            report.tell(outcome)


def reindex(
    background: Annotated[bool, typer.Option("--background", help="In a process of its own.")] = False,
    encoder: Encoders = None,
    preset: Preset = "tiny",
    home: Home = None,
) -> None:
    """Index everything with other encoders; until that is done, those of before answer."""
    from studio.library.encoders import read_sources
    from studio.library.reindexing import reindex, reindex_in_background
    from studio.models.presets import preset_name

    terminal = Terminal()
    library = _library(home)
    if background:
        sources = read_sources(encoder or ())
        log = reindex_in_background(library.store.home, preset=preset_name(preset), sources=sources)
        terminal.remark(f"How far it is: studio library stats. What it could not read: {log}")
        return
    report = _Report(terminal)
    report.follow(reindex(library, _embedders(terminal, preset, encoder)), "Indexing", None)
    report.close(as_json=False)


def show_list(
    kind: Annotated[str | None, typer.Option(help=f"Only one kind: {', '.join(KINDS)}.")] = None,
    collection: Annotated[str | None, typer.Option(help="Only what is in this collection.")] = None,
    starred: Annotated[bool, typer.Option("--starred", help="Only what has a star.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="How many.")] = 30,
    offset: Annotated[int, typer.Option(min=0, help="How many to pass over.")] = 0,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Show what the library holds, the newest first."""
    if kind is not None and kind not in KINDS:
        raise StudioError(f"There is no kind {kind!r}; there is: {', '.join(KINDS)}.")
    library = _library(home)
    items = library.items(modality=kind, collection=collection, starred=starred, limit=limit, offset=offset)
    if as_json:
        typer.echo(json.dumps([_described(library, item) for item in items], ensure_ascii=False, indent=2))
        return
    table = Table("Id", "Kind", "Size", "Added", "Where", box=None, header_style="bold", pad_edge=False)
    for item in items:
        paths = library.paths(item.id) or ["(made or kept by the studio)"]
        star = "* " if item.is_starred else ""
        added = time.strftime("%Y-%m-%d %H:%M", time.localtime(item.created))
        table.add_row(item.id[:SHORT_ID], item.modality, _size(item), added, star + printable(paths[0]))
    Terminal().out.print(table)


def show(media: Annotated[str, typer.Argument(help="An id, or its beginning.")], home: Home = None) -> None:
    """Show all that is known of a medium, as JSON."""
    library = _library(home)
    typer.echo(json.dumps(_described(library, library.get(media)), ensure_ascii=False, indent=2))


def remove(media: Ids, home: Home = None) -> None:
    """Forget media. Your own files stay where they are; what the studio keeps itself is deleted."""
    library = _library(home)
    for item in [library.get(media_id) for media_id in media]:
        library.remove(item.id)
    Terminal().say(f"Removed {len(media)} from the library.")


def star(
    media: Ids, off: Annotated[bool, typer.Option("--off", help="Take the star away.")] = False, home: Home = None
) -> None:
    """Give media a star."""
    library = _library(home)
    for item in [library.get(media_id) for media_id in media]:
        library.star(item.id, is_starred=not off)


def collect(
    name: Annotated[str, typer.Argument(help="The collection; it is made if there is none of that name.")],
    media: Ids,
    off: Annotated[bool, typer.Option("--off", help="Take them out of it.")] = False,
    home: Home = None,
) -> None:
    """Put media into a collection."""
    library = _library(home)
    ids = [library.get(media_id).id for media_id in media]
    (library.uncollect if off else library.collect)(name, ids)


def tag(
    media: Annotated[str | None, typer.Argument(help="An id, or its beginning.")] = None,
    words: Annotated[list[str] | None, typer.Argument(help="Tags; each becomes one.")] = None,
    labels: Annotated[str | None, typer.Option(help="Put these, with commas between, on all that they fit.")] = None,
    best: Annotated[bool, typer.Option("--best", help="Of --labels, give each medium the nearest one.")] = False,
    template: Annotated[str, typer.Option(help="What a label is compared as, as 'a photo of {}'.")] = "{}",
    within: Annotated[str, typer.Option(help="Only what these filters keep, as 'kind:image star:yes'.")] = "",
    off: Annotated[bool, typer.Option("--off", help="Take them away.")] = False,
    home: Home = None,
) -> None:
    """Give a medium tags of your own: tag ID brass old. Or have labels put on all that they fit: tag --labels boat,bell"""
    if labels is not None:
        from studio.library.label_commands import put_labels

        if media is not None or off:
            raise StudioError("--labels looks at the whole library; narrow it with --within, and give no id.")
        put_labels(_library(home), labels, best=best, template=template, within=within)
        return
    if media is None or not words:
        raise StudioError("Give an id and its tags, or --labels boat,bell for the whole library.")
    library = _library(home)
    item = library.get(media)
    for word in words:
        if off:
            library.texts.remove(item.id, "tag", word)
        else:
            library.texts.add(item.id, "tag", word, source="person")


def duplicates(
    near: Annotated[bool, typer.Option("--near", help="Also what only looks or sounds nearly the same.")] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Show files that hold the same, with --near also near-copies."""
    from studio.library.duplicates import find_duplicates, find_near_copies

    library = _library(home)
    groups = find_duplicates(library) + (find_near_copies(library) if near else [])
    if as_json:
        typer.echo(json.dumps([asdict(group) for group in groups], ensure_ascii=False, indent=2))
        return
    terminal = Terminal()
    for group in groups:
        terminal.say("The same:" if group.is_exact else "Nearly the same:")
        for line in group.paths or group.media:
            terminal.say(f"  {line}")
    terminal.say(f"{len(groups)} groups.")


def stats(home: Home = None, as_json: AsJson = False) -> None:
    """Show how much the library holds, and what it is indexed with."""
    found = _library(home).stats()
    if as_json:
        typer.echo(json.dumps(asdict(found), indent=2))
        return
    terminal = Terminal()
    for modality, number in found.items.items():
        terminal.say(f"{modality}: {number:,} ({found.num_bytes[modality] / 2**20:,.1f} MiB)")
    for name, number in found.vectors.items():
        terminal.say(f"vectors of {name}: {number:,}")
    terminal.say(f"files that could not be read: {found.num_refused:,}")


def verify(
    deep: Annotated[bool, typer.Option("--deep", help="Also read every file and compare it with its id.")] = False,
    mend: Annotated[bool, typer.Option("--mend", help="Build the search of words and the indexes anew.")] = False,
    home: Home = None,
) -> None:
    """Check the database, the files and the indexes; exit status 1 if something is wrong."""
    from studio.library.verify import mend_words
    from studio.library.verify import verify as problems

    terminal = Terminal()
    library = _library(home)
    if mend:
        mend_words(library)
        for record in library.vectors.encoders():
            library.vectors.rebuild(record)
    number = 0
    for problem in problems(library, reads_bytes=deep):
        number += 1
        terminal.say(problem.text)
    terminal.say(f"{number} problems." if number else "All is well.")
    if number:
        raise typer.Exit(1)


def bench(
    rows: Annotated[int, typer.Option(min=100, help="Rows of the exact search.")] = 100_000,
    graph_rows: Annotated[int, typer.Option(min=0, help="Rows of the graph; 0 leaves it out.")] = 1_000_000,
    files: Annotated[int, typer.Option(min=0, help="Pictures to take in; 0 leaves it out.")] = 500,
    kills: Annotated[int, typer.Option(min=0, help="Kills at random moments of taking in.")] = 0,
    items: Annotated[int, typer.Option(min=0, help="Items that are there while --kills.")] = 10_000,
    damaged: Annotated[int, typer.Option(min=0, help="Damaged files to take in.")] = 0,
    meaning: Annotated[
        Path | None, typer.Option(help="Also measure meaning, over the items of this manifest (JSON lines).")
    ] = None,
    preset: Preset = "tiny",
) -> None:
    """Measure search and ingest against what they are made of, side by side in one run; in a temporary folder.

    By default: exact search, the graph with and without a filter, and the rate of ingest. The rest is asked for:
    flat memory by --files 100000, kills by --kills 200, damaged files by --damaged 5000. Meaning takes items whose
    attributes are known: python -m tests.world_manifest FOLDER makes 1,000 of each kind that no training met, and
    --meaning FOLDER/manifest.jsonl measures them.
    """
    from studio.library.bench import BenchOptions, run_bench

    terminal = Terminal()
    options = BenchOptions(rows, graph_rows, files, kills, damaged, preset, meaning, items)
    for line in run_bench(options):
        terminal.say(line)


def library_app(helpful: Callable[[Callable[..., Any]], Callable[..., Any]]) -> typer.Typer:
    """Return the commands; `helpful` turns errors meant for the person into a line."""
    from studio.library.label_commands import describe

    app = typer.Typer(help="Your own files and all that was made here, found by meaning.", no_args_is_help=True)
    named: dict[str, Callable[..., None]] = {
        "add": add, "list": show_list, "show": show, "remove": remove, "star": star, "collect": collect, "tag": tag,
        "describe": describe, "duplicates": duplicates, "reindex": reindex, "stats": stats, "verify": verify,
        "bench": bench,
    }  # fmt: skip
    for name, command in named.items():
        app.command(name)(helpful(command))
    return app


class _Report:
    """Follow outcomes with a bar, a rate and the remaining time; count them, and name what was refused."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._states: Counter[str] = Counter()
        self._refused: list[str] = []

    def follow(self, outcomes: "Iterable[Outcome]", label: str, total: int | None, *, counts: bool = True) -> None:
        columns = (
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
        )  # fmt: skip
        quiet = self._terminal.is_quiet
        started = time.monotonic()
        with Progress(*columns, console=self._terminal.err, transient=True, disable=quiet) as progress:
            task = progress.add_task(label, total=total, rate="")
            for number, outcome in enumerate(outcomes, start=1):
                rate = number / max(time.monotonic() - started, 1e-3)
                progress.update(task, completed=number, rate=f"{rate:,.1f} files/s")
                if counts or outcome.state == "refused":
                    self._count(outcome)

    def tell(self, outcome: "Outcome") -> None:
        """Say at once what became of a file."""
        self._terminal.say(f"{outcome.state}: {outcome.reason or outcome.path}")

    def close(self, *, as_json: bool) -> None:
        if as_json:
            found = {"states": dict(self._states), "refused": self._refused}
            typer.echo(json.dumps(found, ensure_ascii=False, indent=2))
            return
        names = {
            "added": "added",
            "known": "known already",
            "refused": "refused",
            "ignored": "no media",
            "later": "later",
        }
        parts = [f"{self._states[state]:,} {words}" for state, words in names.items() if self._states[state]]
        self._terminal.say(", ".join(parts) + "." if parts else "Nothing to add.")
        for reason in self._refused[:SHOWN_REFUSALS]:
            self._terminal.say(f"  {reason}")
        if self._states["refused"] > SHOWN_REFUSALS:
            more = self._states["refused"] - SHOWN_REFUSALS
            self._terminal.say(f"  and {more:,} more; all of them: studio library add --json")

    def _count(self, outcome: "Outcome") -> None:
        self._states[outcome.state] += 1
        if outcome.state == "refused" and len(self._refused) < KEPT_REFUSALS:
            self._refused.append(f"{outcome.path.parent}: {outcome.reason}")


def _library(home: Path | None) -> "Library":
    from studio.library.library import Library
    from studio.store import Store

    return Library(Store(studio_home(home)))


def _embedders(terminal: Terminal, preset: str, chosen: list[str] | None) -> list[Any]:
    from studio.library.encoders import load_embedders, read_sources
    from studio.models.presets import preset_name

    embedders, notices = load_embedders(preset_name(preset), read_sources(chosen or ()))
    for notice in notices:
        terminal.remark(notice)
    return list(embedders)


def _described(library: "Library", item: "Item") -> dict[str, Any]:
    from studio.library.near_copies import originals_of

    texts = [{"kind": text.kind, "text": text.text, "source": text.source} for text in library.texts.of(item.id)]
    known = {"paths": library.paths(item.id), "near_copy_of": originals_of(library.store, item.id), "texts": texts}
    return asdict(item) | known


def _size(item: "Item") -> str:
    parts = []
    if item.width is not None:
        parts.append(f"{item.width} x {item.height}")
    if item.seconds is not None:
        parts.append(f"{item.seconds:.1f} s")
    return ", ".join(parts) or f"{item.num_bytes / 1024:,.0f} KiB"

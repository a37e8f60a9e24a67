"""`studio search ...`: what is in the library like this? Nothing heavy is imported before it is needed."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from studio.errors import StudioError
from studio.home import studio_home
from studio.plain_text import printable
from studio.terminal import Terminal

if TYPE_CHECKING:
    from studio.search.result import Found, Match
    from studio.search.search import Search

SHORT_ID = 12
NOTHING = "Nothing here matches. The nearest are shown with --all."
HELP = """Find pictures, sounds and videos: studio search "2: a boat + ./sunset.png - night" kind:image

Terms are words, a file, or like:ID, each with a weight before a colon if it has one, added with + and taken away with -.
A part of a picture is ./a.png[left,top,right,bottom] in pixels or %, of a sound or a video ./a.wav[1:20-1:35].

Filters keep what they say, with a - before them what they do not say: kind:image,video date:2025-06..2025-08 added:today
size:>2mb width:>=640 height:<480 seconds:10..60 star:yes collection:"Best of" tag:boat preset:tiny seed:42 prompt:bell

What stands in quotes is words, whatever it looks like. Begin with -- if the first thing is a minus.
"""


def search(
    query: Annotated[list[str], typer.Argument(help="What to look for.", show_default=False)],
    limit: Annotated[int, typer.Option("--limit", "-n", help="How many.", min=1)] = 20,
    by: Annotated[str, typer.Option(help="meaning, words (captions, tags, names, prompts), or both.")] = "both",
    encoder: Annotated[str | None, typer.Option(help="What compares: the name of an encoder, as imagebind.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Also what does not stand out, the nearest first.")] = False,
    cosine: Annotated[bool, typer.Option("--cosine", help="Show the cosine too.")] = False,
    thumbnails: Annotated[Path | None, typer.Option(help="Write a small picture of each into this folder.")] = None,
    why: Annotated[Path | None, typer.Option(help="Draw into this folder what of each picture matches.")] = None,
    attach: Annotated[str | None, typer.Option(help="Say this to the model, the best match attached.")] = None,
    nearby: Annotated[
        str | None, typer.Option(help="Draw samples around the best picture with this: vae, stylegan, or a folder.")
    ] = None,
    preset: Annotated[str, typer.Option("--preset", "-p", help="The model that --attach talks with.")] = "tiny",
    home: Annotated[Path | None, typer.Option("--home", help="The studio's folder.", envvar="STUDIO_HOME")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    from studio.library.artefacts import catch_up
    from studio.library.library import Library
    from studio.library.near_copies import near_copy_sentences
    from studio.search.score import MAX_CHANCE
    from studio.search.search import Search, SearchOptions
    from studio.store import Store

    terminal = Terminal(is_quiet=as_json)
    engine = Search(Library(Store(studio_home(home))))
    made = catch_up(engine.library, engine.spaces)
    for sentence in near_copy_sentences(engine.library.store, [artefact.media for artefact in made]):
        terminal.remark(sentence)
    options = SearchOptions(limit, by, None if everything else MAX_CHANCE, encoder)
    found = engine(" ".join(query), options)
    files = {name: folder for name, folder in (("thumbnail", thumbnails), ("why", why)) if folder is not None}
    written = [_write(engine, found, match, files, terminal) for match in found.matches]
    if as_json:
        told = found.to_dict()
        told["matches"] = [match | names for match, names in zip(told["matches"], written, strict=True)]
        typer.echo(json.dumps(told, ensure_ascii=False, indent=2))
    else:
        for notice in found.notices:
            terminal.remark(notice)
        if found.matches:
            terminal.out.print(_table(found, shows_cosine=cosine))
        else:
            terminal.say("The library holds nothing that the filters keep." if everything else NOTHING)
        for names in written:
            for path in names.values():
                terminal.say(f"→ {path}")
    if nearby is not None:
        _draw_nearby(found, nearby, home=home, terminal=terminal)
    if attach is not None:
        _attach(found, attach, preset=preset, home=home, terminal=terminal)


def _table(found: "Found", *, shows_cosine: bool) -> Table:
    columns = ["Id", "Kind", "Stands out", "By chance", *(["Cosine"] if shows_cosine else []), "When", "Where"]
    table = Table(*columns, box=None, header_style="bold", pad_edge=False)
    for match in found.matches:
        item = match.item
        cosine = [] if not shows_cosine else ["" if match.cosine is None else f"{match.cosine:.3f}"]
        score = "" if match.score is None else f"{match.score:.1f}"
        when = "" if not match.moments else f"{match.moments[0].start:.1f}-{match.moments[0].stop:.1f} s"
        where = (found.library.paths(item.id) or [str(found.path(match) or "its file is gone")])[0]
        star = "* " if item.is_starred else ""
        named = " (in its words)" if match.has_words else ""
        row = [item.id[:SHORT_ID], item.modality, score, _share(match), *cosine, when, star + where + named]
        table.add_row(*(Text(printable(cell)) for cell in row))
    return table


def _share(match: "Match") -> str:
    if match.chance is None:
        return ""
    return "< 0.1%" if match.chance < 0.001 else f"{match.chance:.1%}"


def _write(
    engine: "Search", found: "Found", match: "Match", folders: dict[str, Path], terminal: Terminal
) -> dict[str, str]:
    """Write what was asked for about a match; return the files by name."""
    from studio.search.why import why

    written = {}
    for name, folder in folders.items():
        folder.mkdir(parents=True, exist_ok=True)
        if name == "thumbnail":
            webp = found.library.thumbnail(match.item.id)
            path = folder / f"{match.item.id[:SHORT_ID]}.webp"
            if webp is not None:
                path.write_bytes(webp)
                written[name] = str(path)
            continue
        try:
            reason = why(engine, found, match)
        except (StudioError, ValueError) as error:
            terminal.remark(f"{match.item.id[:SHORT_ID]}: {error}")
            continue
        if reason.picture is not None:
            path = folder / f"{match.item.id[:SHORT_ID]}.png"
            reason.save(path)
            written[name] = str(path)
        elif reason.moments:
            best = reason.moments[0]
            written[name] = f"{match.item.id[:SHORT_ID]}: {best.start:.1f}-{best.stop:.1f} s"
    return written


def _draw_nearby(found: "Found", model: str, *, home: Path | None, terminal: Terminal) -> None:
    """Let the first picture that was found be a point to walk from."""
    from studio.lab.commands import draw_nearby
    from studio.options import draw_seed

    pictures = [match.item.id for match in found.matches if match.item.modality == "image"]
    if not pictures:
        raise StudioError("No picture was found that could be walked from. Search with kind:image.")
    place = f"like:{pictures[0][:SHORT_ID]}"
    path = draw_nearby(terminal, model, place, seed=draw_seed(), home=home)
    terminal.say(f"→ {path}")
    terminal.remark(f"Walk on from it with: studio lab walk {model} --from {place}")


def _attach(found: "Found", text: str, *, preset: str, home: Path | None, terminal: Terminal) -> None:
    from studio.conversation.session import ChatSession
    from studio.options import ReplyOptions, draw_seed

    if not found.matches:
        raise StudioError("Nothing was found that could be attached.")
    options = ReplyOptions(seed=draw_seed())
    session = ChatSession.open(home, preset=preset, options=options, folder=Path("outputs"), terminal=terminal)
    for modality, paths in found.attachments().items():
        for path in paths:
            session.attach(path, modality=modality)
    session.send(text)

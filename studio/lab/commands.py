"""`studio lab ...`: classic generators by hand, and beside diffusion. Nothing heavy is imported before it is needed."""

import json
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from studio.errors import StudioError
from studio.home import studio_home
from studio.options import draw_seed
from studio.terminal import Terminal

if TYPE_CHECKING:
    from encoders.media import Image, Media
    from pipelines.baselines.base import Baseline
    from pipelines.baselines.stylegan2_projection import ProjectionStep
    from studio.lab.explore import Point, Sheet

FOLDER = Path("outputs/lab")
RECIPE_KEY = "studio lab"  # under which a file says how it was made


class Space(StrEnum):
    Z = "z"
    W = "w"


class Way(StrEnum):
    LINEAR = "linear"
    SPHERICAL = "spherical"


Model = Annotated[str, typer.Argument(help="vae, biggan, stylegan, or a folder or hub id of a baseline.")]
Classes = Annotated[
    list[str] | None, typer.Option("--label", "-l", help="A class: bell, red... May be repeated. Left out: any.")
]
Seed = Annotated[int | None, typer.Option(help="The same seed gives the same picture. Drawn if left out.")]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="The file to write.")]
Truncation = Annotated[float, typer.Option(help="Below 1: nearer to the commonest pictures.")]
Seeds = Annotated[list[int] | None, typer.Option("--seed", help="A seed. May be repeated.")]
Ways = Annotated[Way, typer.Option(help="Straight, or along a sphere.")]
Spaces = Annotated[Space, typer.Option(help="Latents, or a StyleGAN's styles.")]
Scale = Annotated[int, typer.Option(min=1, help="Steps of a search for a picture in a StyleGAN.")]
Picture = Annotated[str, typer.Argument(help="A file, or like:ID of the library.")]
Home = Annotated[Path | None, typer.Option("--home", help="The studio's folder.", envvar="STUDIO_HOME")]


def sample(
    model: Model, label: Classes = None, count: Annotated[int, typer.Option(min=1)] = 16, truncation: Truncation = 1.0,
    seed: Seed = None, output: Output = None,
) -> None:  # fmt: skip
    """Draw pictures of a class."""
    from pipelines.baselines.registry import load_baseline
    from studio import lab

    first = _seed(seed)
    sheet = lab.samples(load_baseline(model), label, count=count, seed=first, truncation=truncation)
    _keep(sheet, output, "sample", model=model, label=label, seed=first, truncation=truncation)


def sweep(
    model: Model, label: Classes = None,
    truncation: Annotated[list[float] | None, typer.Option("--truncation", help="May be repeated.")] = None,
    count: Annotated[int, typer.Option(min=1)] = 8, seed: Seed = None, output: Output = None,
) -> None:  # fmt: skip
    """Draw the same seeds at one truncation after another: from variety to fidelity."""
    from pipelines.baselines.registry import load_baseline
    from studio import lab

    first, several = _seed(seed), truncation or [0.2, 0.4, 0.6, 0.8, 1.0]
    sheet = lab.truncation_sweep(load_baseline(model), label, several, count=count, seed=first)
    _keep(sheet, output, "sweep", model=model, label=label, seed=first, truncation=several)


def interpolate(
    model: Model, label: Classes = None,
    to_label: Annotated[list[str] | None, typer.Option(help="The classes at the end. Left out: the same.")] = None,
    seed: Seeds = None, steps: Annotated[int, typer.Option(min=2)] = 9, space: Spaces = Space.Z,
    way: Ways = Way.SPHERICAL, truncation: Truncation = 1.0, output: Output = None,
) -> None:  # fmt: skip
    """Draw the way from one seed to another."""
    from pipelines.baselines.registry import load_baseline
    from studio import lab

    ends = _several(seed, 2)
    if len(ends) != 2:
        raise StudioError(f"A way has two ends: give --seed twice, not {len(ends)} times.")
    sheet = lab.interpolation(
        load_baseline(model), label, to_label or label, seeds=(ends[0], ends[1]), steps=steps, space=space.value,
        way=way.value, truncation=truncation,
    )  # fmt: skip
    facts = {"model": model, "label": label, "to_label": to_label, "seeds": ends, "space": space, "way": way}
    _keep(sheet, output, "interpolate", **facts, truncation=truncation)


def walk(
    model: Model, label: Classes = None, seed: Seeds = None,
    steps: Annotated[int, typer.Option(min=1, help="Pictures from each seed to the next.")] = 16,
    rate: Annotated[float, typer.Option(min=1, help="Pictures a second.")] = 12.0, space: Spaces = Space.Z,
    way: Ways = Way.SPHERICAL, truncation: Truncation = 1.0,
    start: Annotated[
        str | None, typer.Option("--from", help="Begin at this picture (VAE, StyleGAN): a file, or like:ID.")
    ] = None,
    projection_steps: Scale = 300, output: Output = None, home: Home = None,
) -> None:  # fmt: skip
    """Film a closed walk through several seeds (MP4), from a picture of yours if you like."""
    from pipelines.baselines.registry import load_baseline
    from studio import lab
    from studio.lab.sheet import film

    opened, places = load_baseline(model), _several(seed, 4)
    point = None
    if start is not None:
        picture = lab.picture_for(opened, picture_path(start, home))
        point = _point_of(Terminal(), opened, picture, label, projection_steps, places[0])
    images = lab.latent_walk(
        opened, label, seeds=places, steps=steps, space=space.value, way=way.value, truncation=truncation, start=point
    )
    facts = {
        "model": model, "from": start, "label": label, "seeds": places, "steps": steps, "space": space, "way": way,
    }  # fmt: skip
    _write(film(images, rate), output or FOLDER / "walk.mp4", {"command": "walk", **facts, "truncation": truncation})


def nearby(
    model: Model, picture: Picture, label: Classes = None,
    share: Annotated[
        list[float] | None, typer.Option("--share", help="How far, from 0 to 1. May be repeated: a row each.")
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="Samples in a row.")] = 6, truncation: Truncation = 1.0,
    projection_steps: Scale = 300, seed: Seed = None, output: Output = None, home: Home = None,
) -> None:  # fmt: skip
    """Draw samples around a picture of yours: where the model finds it, and further off (VAE, StyleGAN)."""
    terminal, first = Terminal(), _seed(seed)
    path = draw_nearby(
        terminal, model, picture, label, shares=share, count=count, truncation=truncation,
        projection_steps=projection_steps, seed=first, output=output, home=home,
    )  # fmt: skip
    terminal.say(f"{path} (seed {first})")


def draw_nearby(
    terminal: Terminal, model: str, picture: str, label: list[str] | None = None, *, shares: list[float] | None = None,
    count: int = 6, truncation: float = 1.0, projection_steps: int = 300, seed: int, output: Path | None = None,
    home: Path | None = None,
) -> Path:  # fmt: skip
    """Find a picture (a file, or like:ID) in a model's latents; write a sheet of samples around it and return its path."""
    from pipelines.baselines.registry import load_baseline
    from studio import lab

    path = picture_path(picture, home)
    opened, several, output = load_baseline(model), shares or list(lab.SHARES), output or FOLDER / "nearby.png"
    given = lab.picture_for(opened, path)
    start = _point_of(terminal, opened, given, label, projection_steps, seed)
    sheet = lab.nearby(opened, given, start, label, shares=several, count=count, seed=seed, truncation=truncation)
    facts = {"model": model, "picture": picture, "label": label, "seed": seed, "shares": several}
    _draw(sheet, output, {"command": "nearby", **facts, "truncation": truncation})
    return output


def picture_path(words: str, home: Path | None) -> Path:
    """Return the file that a person names, or that holds a picture of the library (like:ID)."""
    if not words.startswith("like:"):
        return Path(words)
    from studio.library.library import Library
    from studio.store import Store

    library = Library(Store(studio_home(home)))
    item = library.get(words.removeprefix("like:"))
    if item.modality != "image":
        raise StudioError(f"The lab begins at pictures; {words} is of the kind {item.modality}.")
    return library.path(item.id)


def _point_of(
    terminal: Terminal, model: "Baseline", picture: "Image", label: list[str] | None, projection_steps: int, seed: int,
) -> "Point":  # fmt: skip
    """Find a picture in a model's latents, with a bar where that takes a search."""
    from studio import lab

    with _bars(terminal) as bars:
        task = bars.add_task("Searching", total=projection_steps, visible=False)

        def told(step: "ProjectionStep") -> None:
            bars.update(task, advance=1, visible=True)

        return lab.point_of(model, picture, label, projection_steps=projection_steps, seed=seed, told=told)


def mix(
    model: Model, label: Classes = None,
    rows: Annotated[int, typer.Option(min=1)] = 4, columns: Annotated[int, typer.Option(min=1)] = 6,
    crossover: Annotated[int, typer.Option(min=0, help="How many styles, from the coarsest, a row keeps.")] = 4,
    truncation: Truncation = 1.0, seed: Seed = None, output: Output = None,
) -> None:  # fmt: skip
    """Mix the coarse styles of some seeds with the fine ones of others (StyleGAN)."""
    from pipelines.baselines.registry import load_baseline
    from studio import lab

    first = _seed(seed)
    sheet = lab.style_mixing(
        load_baseline(model), label, rows=range(first, first + rows),
        columns=range(first + rows, first + rows + columns), crossover=crossover, truncation=truncation,
    )  # fmt: skip
    _keep(sheet, output, "mix", model=model, label=label, seed=first, crossover=crossover, truncation=truncation)


def traverse(
    model: Model, label: Classes = None, image: Annotated[
        str | None, typer.Option(help="Begin at this picture: a file, or like:ID of the library.")
    ] = None,
    dimension: Annotated[list[int] | None, typer.Option(help="A latent. May be repeated.")] = None,
    count: Annotated[int, typer.Option(min=1, help="Latents, those that tell most first.")] = 8,
    steps: Annotated[int, typer.Option(min=2)] = 7, reach: Annotated[float, typer.Option(min=0.1)] = 2.5,
    seed: Seed = None, output: Output = None, home: Home = None,
) -> None:  # fmt: skip
    """Turn one latent at a time (VAE)."""
    from pipelines.baselines.registry import load_baseline
    from studio import lab

    opened, first = load_baseline(model), _seed(seed)
    start = None if image is None else lab.picture_for(opened, picture_path(image, home))
    sheet = lab.traversal(
        opened, dimensions=dimension or count, steps=steps, reach=reach, seed=first, label=label, image=start
    )
    _keep(sheet, output, "traverse", model=model, label=label, seed=first, dimensions=dimension or count, reach=reach)


def reconstruct(
    model: Model, image: Annotated[list[str], typer.Argument(help="Pictures: files, or like:ID of the library.")],
    label: Classes = None, output: Output = None, home: Home = None,
) -> None:  # fmt: skip
    """Show what comes back of pictures (VAE)."""
    from pipelines.baselines.registry import load_baseline
    from studio import lab

    opened = load_baseline(model)
    sheet = lab.reconstruction(opened, [lab.picture_for(opened, picture_path(one, home)) for one in image], label)
    _keep(sheet, output, "reconstruct", model=model, label=label)


def morph(
    model: Model, first: Picture, second: Picture, steps: Annotated[int, typer.Option(min=2)] = 9,
    projection_steps: Scale = 300,
    as_film: Annotated[bool, typer.Option("--film", help="Write an MP4 instead.")] = False,
    rate: Annotated[float, typer.Option(min=1, help="Pictures a second of the film.")] = 12.0, seed: Seed = None,
    output: Output = None, home: Home = None,
) -> None:  # fmt: skip
    """Change one picture into another: through a VAE's latents, or the styles that a StyleGAN finds for them."""
    from pipelines.baselines.registry import load_baseline
    from studio import lab
    from studio.lab.sheet import film

    opened, source = load_baseline(model), _seed(seed)
    pictures = [lab.picture_for(opened, picture_path(one, home)) for one in (first, second)]
    terminal = Terminal()
    with _bars(terminal) as bars:
        found = bars.add_task("Searching", total=2 * projection_steps, visible=False)

        def told(step: "ProjectionStep") -> None:
            bars.update(found, advance=1, visible=True)

        sheet = lab.morph(
            opened, *pictures, steps=steps, projection_steps=projection_steps, seed=source, told=told
        )  # fmt: skip
    if as_film:
        facts = {"command": "morph", "model": model, "seed": source, "steps": steps}
        _write(film(sheet.rows[0][1:-1], rate), output or FOLDER / "morph.mp4", facts)
    else:
        _keep(sheet, output, "morph", model=model, seed=source, steps=steps)


def compare(
    prompt: Annotated[str, typer.Option("--prompt", help="What is to be drawn: a red bell at night.")],
    model: Annotated[
        list[str] | None, typer.Option("--model", "-m", help="A family. May be repeated; left out: the embedded ones.")
    ] = None,
    preset: Annotated[str, typer.Option("--preset", "-p", help="Whose diffusion; 'none' leaves it out.")] = "tiny",
    seed: Seed = None, output: Output = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
) -> None:  # fmt: skip
    """Put one request through every family that can answer it."""
    from studio.lab import compare as lab_compare

    terminal, source = Terminal(is_quiet=as_json), _seed(seed)
    entrants = lab_compare.entrants(model or [], None if preset == "none" else preset)
    answers = []
    with _bars(terminal) as bars:
        task = bars.add_task("Drawing", total=len(entrants))
        for answer in lab_compare.compare(prompt, entrants, seed=source):
            answers.append(answer)
            bars.advance(task)
    rows = [
        {"family": a.name, "seed": a.seed, "seconds": a.seconds, "parameters": a.num_parameters,
         "peak_bytes": a.peak_bytes, "refusal": a.refusal}
        for a in answers
    ]  # fmt: skip
    path: Path | None = None
    if any(answer.image is not None for answer in answers):
        path = output or FOLDER / "compare.png"
        _draw(lab_compare.sheet_of(answers), path, {"command": "compare", "prompt": prompt, "families": rows})
    if as_json:
        typer.echo(json.dumps({"prompt": prompt, "file": str(path) if path else None, "families": rows}, indent=2))
    else:
        terminal.out.print(_table(rows))
        if path:
            terminal.say(str(path))
    if path is None:
        raise typer.Exit(1)


def lab_app(helpful: Callable[[Callable[..., Any]], Callable[..., Any]]) -> typer.Typer:
    """Return the commands; `helpful` turns errors meant for the person into a line."""
    app = typer.Typer(
        help="Classic generators (VAE, BigGAN, StyleGAN) by hand, and beside diffusion.", no_args_is_help=True
    )
    for command in (sample, sweep, interpolate, walk, nearby, mix, traverse, reconstruct, morph, compare):
        app.command(command.__name__)(helpful(command))
    return app


def _seed(seed: int | None) -> int:
    return draw_seed() if seed is None else seed


def _several(seeds: list[int] | None, count: int) -> list[int]:
    first = draw_seed()
    return seeds or list(range(first, first + count))


def _keep(sheet: "Sheet", output: Path | None, command: str, **facts: Any) -> None:
    path = output or FOLDER / f"{command}.png"
    _draw(sheet, path, {"command": command, **facts})
    Terminal().say(f"{path} (seed {facts['seed']})" if "seed" in facts else str(path))


def _draw(sheet: "Sheet", path: Path, facts: dict[str, Any]) -> None:
    from studio.lab.sheet import lay_out

    _save(lay_out(sheet), path, facts)


def _write(media: "Media", path: Path, facts: dict[str, Any]) -> None:
    _save(media, path, facts)
    Terminal().say(str(path))


def _save(media: "Media", path: Path, facts: dict[str, Any]) -> None:
    from encoders.files import write_media

    path.parent.mkdir(parents=True, exist_ok=True)
    write_media(path, media, {RECIPE_KEY: json.dumps(facts, ensure_ascii=False)})


def _bars(terminal: Terminal) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=terminal.err, transient=True, disable=terminal.is_quiet)


def _table(rows: list[dict[str, Any]]) -> Table:
    table = Table(
        "Family", "Seed", "Seconds", "Parameters", "Peak memory", "", box=None, header_style="bold", pad_edge=False
    )
    for row in rows:
        if row["refusal"]:
            table.add_row(row["family"], "-", "-", "-", "-", f"cannot answer: {row['refusal']}")
            continue
        peak = "not known" if row["peak_bytes"] is None else f"{row['peak_bytes'] / 2**20:,.0f} MiB"
        table.add_row(
            row["family"], str(row["seed"]), f"{row['seconds']:.3f}", f"{row['parameters'] / 1e6:.2f}M", peak, ""
        )
    return table

"""Compare families of generators on the world: `python -m training.baselines.evaluate --model runs/vae --model ...`.

One table over all of them, a preset's diffusion decoder and real renders. All pictures are brought to one size, the
smallest that a family makes; distances are between the features of a stated network.
"""

import argparse
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from encoders.base import Encoder
from encoders.media import Image
from encoders.registry import load_encoder
from pipelines.baselines.contestants import BaselineContestant, Contestant, open_baseline, open_diffusion
from pipelines.baselines.registry import embedded_baselines
from pipelines.baselines.stylegan2 import StyleGAN2
from pipelines.baselines.stylegan2_projection import ProjectionOptions
from pipelines.baselines.vae import VAE
from pipelines.presets import preset_folder
from training.baselines.metrics import psnr, ssim
from training.baselines.scoring import (
    HEADINGS,
    Costs,
    Scored,
    Yardstick,
    cells,
    draw_scenes,
    drawn,
    features_of,
    gigaflops,
    judged,
    reads_captions,
    renders,
)
from training.checkpointing import write_atomically
from training.features import Progress as ProgressCallback
from training.features import no_progress
from training.world.pictures import REFERENCE_SIZE

REAL = "real renders"


@dataclass(frozen=True)
class EvaluateOptions:
    """What is compared, by how much."""

    models: tuple[str, ...]
    output: Path
    preset: str | None = "tiny"  # whose diffusion decoder comes along; None: nobody's
    samples: int = 500
    unseen: int = 100  # requests of combinations that were held out of all training
    reconstructions: int = 100
    projections: int = 4
    projection_steps: int = 300
    truncations: tuple[float, ...] = (1.0,)  # every baseline is measured at each
    features: str | None = None  # KIND:FOLDER; None: the tiny preset's ImageBind
    clip: Path | None = None  # a CLIP's folder, for the caption score
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (("samples", 10), ("unseen", 1), ("reconstructions", 1), ("projections", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"--{name} is at least {least}, not {getattr(self, name)}.")


@dataclass(frozen=True)
class Report:
    """All figures, and by what they were measured."""

    features: str
    captions: str | None
    size: int
    rows: tuple[Scored, ...]
    again: tuple[Mapping[str, Any], ...]  # how near given pictures come back, by model

    def table(self) -> str:
        """The rows as a table in Markdown, with a line that names what they rest on."""
        lines = ["| " + " | ".join(HEADINGS.values()) + " |", "|" + " --- |" * len(HEADINGS)]
        lines += ["| " + " | ".join(cells(row)) + " |" for row in self.rows]
        lines.append(
            f"\nPictures at {self.size}x{self.size}. Features: {self.features}. Caption score: {self.captions or 'none'}. "
            "Things, colours and backgrounds are read by the judge, whose own accuracy is the row of the real renders."
        )
        for each in self.again:
            told = ", ".join(f"{key} {value:.4g}" for key, value in each.items() if isinstance(value, float))
            lines.append(f"\n{each['name']}: {each['what']}, {each['pictures']} held-out renders: {told}.")
        return "\n".join(lines)


def evaluate(options: EvaluateOptions, progress: ProgressCallback = no_progress) -> Report:
    """Measure every family; the report also goes to `<output>.json` and `<output>.md`."""
    baselines = [open_baseline(model) for model in options.models]
    contestants: list[Contestant] = [each.at(t) for each in baselines for t in options.truncations]
    size = min([REFERENCE_SIZE, *(each.baseline.image_size for each in baselines)])
    if options.preset is not None:
        contestants.append(open_diffusion(options.preset))
    features, told = _features(options)
    captions, caption_name = _captions(options, features, told)
    yardstick = Yardstick.make(options.samples, size, features, captions, seed=options.seed)
    unseen = draw_scenes(options.unseen, "held_out", options.seed)
    again = renders(yardstick.scenes, options.seed + 2, size)
    rows = [yardstick.score(REAL, again, None, judged(renders(unseen, options.seed + 3, size), unseen)["every"])]
    for contestant in contestants:
        rows.append(_measure(contestant, yardstick, unseen, options, progress))
    report = Report(told, caption_name, size, tuple(rows), tuple(_again(baselines, options, features, progress)))
    options.output.parent.mkdir(parents=True, exist_ok=True)
    facts = {"options": asdict(options), **asdict(report)}
    write_atomically(options.output.with_suffix(".json"), json.dumps(facts, indent=2, default=str) + "\n")
    write_atomically(options.output.with_suffix(".md"), report.table() + "\n")
    return report


def _measure(
    contestant: Contestant, yardstick: Yardstick, unseen: Sequence[Any], options: EvaluateOptions,
    progress: ProgressCallback,
) -> Scored:  # fmt: skip
    pictures: list[Image] = []
    spent: list[float] = []
    total = len(yardstick.scenes) + len(unseen)
    for picture, seconds in drawn(contestant, [*yardstick.scenes, *unseen], yardstick.size, options.seed):
        pictures.append(picture)
        spent.append(seconds)
        progress(contestant.name, len(pictures), total)
    known, new = pictures[: len(yardstick.scenes)], pictures[len(yardstick.scenes) :]
    costs = Costs(contestant.num_parameters, sorted(spent)[len(spent) // 2], gigaflops(contestant, yardstick.scenes[0]))
    return yardstick.score(contestant.name, known, costs, judged(new, unseen)["every"])


def _again(
    baselines: Sequence[BaselineContestant], options: EvaluateOptions, features: Encoder, progress: ProgressCallback
) -> Iterator[Mapping[str, Any]]:
    """How near a VAE's reconstructions and a StyleGAN's projections come to held-out renders."""
    for each in baselines:
        model = each.baseline
        count = options.reconstructions if isinstance(model, VAE) else options.projections
        given = renders(draw_scenes(count, "held_out", options.seed + 4), options.seed + 4, model.image_size)
        if isinstance(model, VAE):
            made = list(model.reconstruct(given))
            yield {"name": each.name, "what": "reconstruction", **_nearness(given, made, features)}
        elif isinstance(model, StyleGAN2) and given:
            made = []
            for image in given:
                made.append(_projected(model, image, options))
                progress(f"{each.name}, projection", len(made), len(given))
            yield {"name": each.name, "what": "projection into W", **_nearness(given, made, features)}


def _projected(model: StyleGAN2, image: Image, options: EvaluateOptions) -> Image:
    search = model.project(
        image,
        options=ProjectionOptions(num_steps=options.projection_steps),
        generator=torch.Generator().manual_seed(options.seed),
    )
    *_, last = search
    return last.image


def _nearness(given: Sequence[Image], made: Sequence[Image], features: Encoder) -> dict[str, Any]:
    pairs = list(zip(given, made, strict=True))
    apart = (features_of(given, features) - features_of(made, features)).norm(dim=1)
    return {
        "pictures": len(pairs),
        "SSIM": sum(ssim(a.pixels, b.pixels) for a, b in pairs) / len(pairs),
        "PSNR": sum(psnr(a.pixels, b.pixels) for a, b in pairs) / len(pairs),
        "feature distance": float(apart.mean()),
    }


def _features(options: EvaluateOptions) -> tuple[Encoder, str]:
    if options.features is None:
        return load_encoder("imagebind", preset_folder("tiny") / "imagebind"), "the tiny preset's ImageBind, pooled"
    kind, _, folder = options.features.partition(":")
    if not folder:
        raise ValueError(f"--features is KIND:FOLDER, such as clip:models/vit, not {options.features!r}.")
    return load_encoder(kind, folder), f"{kind} of {Path(folder).name}, pooled"


def _captions(options: EvaluateOptions, features: Encoder, told: str) -> tuple[Encoder | None, str | None]:
    if options.clip is not None:
        return load_encoder("clip", options.clip), f"CLIP score by {options.clip.name}"
    return (features, f"by {told}, no CLIP") if reads_captions(features) else (None, None)


def follow(run: Callable[[ProgressCallback], Report]) -> Report:
    """Run an evaluation under progress bars."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bars:
        tasks: dict[str, Any] = {}

        def show(what: str, done: int, of: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=of)
            bars.update(tasks[what], completed=done)

        return run(show)


def main(argv: list[str] | None = None) -> None:
    """Read the command line, evaluate, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add(
        "--model",
        action="append",
        default=[],
        metavar="FOLDER",
        help="a baseline; may be repeated; left out: the embedded ones",
    )
    add("--preset", default="tiny", help="whose diffusion decoder comes along; 'none' leaves it out")
    add("--output", type=Path, default=Path("runs/lab/evaluation"), help="report: OUTPUT.json and OUTPUT.md")
    add("--samples", type=int, default=500, help="pictures of each family")
    add("--unseen", type=int, default=100, help="besides, of combinations held out of all training")
    add("--reconstructions", type=int, default=100, help="held-out renders through a VAE")
    add("--projections", type=int, default=4, help="held-out renders projected into a StyleGAN; 0: none")
    add("--projection-steps", type=int, default=300)
    add("--truncation", type=float, action="append", default=[], help="of the baselines' latents; may be repeated")
    add("--features", metavar="KIND:FOLDER", help="another feature network: clip, imagebind, clap")
    add("--clip", type=Path, help="a CLIP's folder, for the CLIP score")
    add("--seed", type=int, default=0)
    arguments = vars(parser.parse_args(argv))
    preset = arguments.pop("preset")
    try:
        options = EvaluateOptions(
            models=tuple(arguments.pop("model")) or embedded_baselines(),
            preset=None if preset == "none" else preset,
            truncations=tuple(arguments.pop("truncation")) or (1.0,),
            **arguments,
        )
        report = follow(lambda progress: evaluate(options, progress))
    except ValueError as error:
        parser.exit(1, f"{error}\n")
    print(report.table())


if __name__ == "__main__":
    main()

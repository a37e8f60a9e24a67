"""What the trainings of all baselines share: options, the command line, the log, sample grids, the recipe."""

import argparse
import json
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from accelerate import PartialState
from rich.console import Console
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from encoders.media import Image
from training.baselines.pictures import PicturePool, open_pictures
from training.checkpointing import latest_checkpoint, write_atomically
from training.config import WORLD
from training.features import Progress
from training.foundation.command import save_grid
from training.loop import Step
from training.stage import CHECKPOINTS, follow

RECIPE, DATA = "recipe.json", "data.json"
PREVIEW_COLUMNS, PREVIEW_ROWS = 8, 4
SHOWN_REFUSALS = 10


@dataclass(frozen=True)
class TrainOptions:
    """What every training of a baseline is told."""

    output: Path
    data: str = WORLD  # or a folder of pictures; its subfolders are classes
    size: int = 32  # height and width of the pictures, in pixels
    steps: int = 4000
    batch_size: int = 32
    seed: int = 0
    minutes: float | None = None
    resume: bool = False
    num_pictures: int = 24_000  # drawn from the world; a folder is used whole
    workers: int = 0
    checkpoint_every: int = 500
    preview_every: int = 500
    log_every: int = 10
    precision: str = "no"

    def __post_init__(self) -> None:
        names = ("size", "steps", "batch_size", "num_pictures", "checkpoint_every", "preview_every", "log_every")
        for name in names:
            if getattr(self, name) <= 0:
                raise ValueError(f"--{name.replace('_', '-')} is {getattr(self, name)}; wanted more than 0.")

    @property
    def checkpoints(self) -> Path:
        """Where the training's own state is kept."""
        return self.output / CHECKPOINTS


OptionsT = TypeVar("OptionsT", bound=TrainOptions)


def open_data(options: TrainOptions, progress: Progress) -> PicturePool:
    """Open the pictures, and name on the terminal those that could not be read.

    Raises FileExistsError if there is a training that is not to be resumed, ValueError if it has seen other pictures.
    """
    if not options.resume and latest_checkpoint(options.checkpoints) is not None:
        raise FileExistsError(
            f"{options.output} holds a training already: resume it (--resume) or choose another output folder."
        )
    pool = open_pictures(
        options.data, options.size, count=options.num_pictures, seed=options.seed, workers=options.workers,
        progress=progress,
    )  # fmt: skip
    _check_same(options, pool)
    if pool.refused and PartialState().is_main_process:
        console = Console(stderr=True, highlight=False)
        console.print(f"{len(pool.refused)} files were left out, {len(pool):,} pictures are used:", markup=False)
        for each in pool.refused[:SHOWN_REFUSALS]:
            console.print(f"  {each.name}: {each.reason}", markup=False, soft_wrap=True)
        if len(pool.refused) > SHOWN_REFUSALS:
            console.print(f"  and {len(pool.refused) - SHOWN_REFUSALS} others, all of them in {RECIPE}.", markup=False)
    return pool


def _check_same(options: TrainOptions, pool: PicturePool) -> None:
    """Keep the pictures' fingerprint with a new training, and hold a resumed one to it."""
    path = options.output / DATA
    if options.resume and latest_checkpoint(options.checkpoints) is not None:
        if not path.exists():
            raise ValueError(
                f"{path} is missing, which tells what pictures the checkpoints beside it were trained on: "
                "put it back, or choose another output folder."
            )
        if json.loads(path.read_text())["sha256"] != pool.fingerprint:
            raise ValueError(
                f"{options.output} was trained on other pictures than are given now. Give the same, or another output."
            )
    elif PartialState().is_main_process:
        options.output.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps({"sha256": pool.fingerprint}) + "\n")


def shown_classes(pool: PicturePool) -> Tensor:
    """The classes of the sample grids: those of the pool's first pictures, again and again if there are fewer."""
    places = torch.arange(PREVIEW_ROWS * PREVIEW_COLUMNS) % len(pool)
    return pool.classes[places]


def record(
    steps: Iterator[Step], options: TrainOptions, show: Callable[[], Tensor], save: Callable[[], None]
) -> Iterator[Step]:
    """Pass steps on; write `log.jsonl`, `tensorboard/` and `samples-<step>.png`, and at the end the finished model.

    `show` returns pictures (N, 3, H, W) in [-1, 1] of where the training stands. A resume cuts off what lies behind its
    checkpoint.
    """
    if not PartialState().is_main_process:
        yield from steps
        return
    found = latest_checkpoint(options.checkpoints) if options.resume else None
    done = int(found.name.removeprefix("step-")) if found is not None else 0
    log = _Log(options, done)
    try:
        for step in steps:
            log.add(step)
            if step.number % options.preview_every == 0 and not step.is_last:
                log.show(step.number, show())
            done = step.number
            yield step
        save()
        log.show(done, show())
    finally:
        log.close()


class _Log:
    """log.jsonl, TensorBoard and sample grids of one run."""

    def __init__(self, options: TrainOptions, done: int) -> None:
        self.options = options
        options.output.mkdir(parents=True, exist_ok=True)
        path = options.output / "log.jsonl"
        lines = path.read_text().splitlines() if done and path.is_file() else []
        kept = [line for line in lines if json.loads(line).get("step", 0) <= done]
        header = json.dumps({"options": asdict(options), "time": time.time()}, default=str)
        write_atomically(path, "\n".join([*kept, header]) + "\n")
        self.file = path.open("a")
        self.board = SummaryWriter(str(options.output / "tensorboard"), purge_step=done + 1)

    def add(self, step: Step) -> None:
        """Write a line for each `log_every` steps."""
        if step.number % self.options.log_every and not step.is_last:
            return
        losses = {name: round(value, 6) for name, value in step.losses.items()}
        line = {"step": step.number, "losses": losses, "steps_per_second": round(step.rate, 3), "time": time.time()}
        self.file.write(json.dumps(line) + "\n")
        self.file.flush()
        for name, value in step.losses.items():
            self.board.add_scalar(name, value, step.number)

    def show(self, number: int, pictures: Tensor) -> None:
        """Save pictures as a grid, beside the log and in TensorBoard."""
        pixels = to_uint8(pictures)
        path = self.options.output / f"samples-{number:06d}.png"
        save_grid(pixels, path, columns=PREVIEW_COLUMNS)
        self.board.add_images("samples", pixels, number, dataformats="NHWC")

    def close(self) -> None:
        """Close the files."""
        self.file.close()
        self.board.close()


def to_uint8(pictures: Tensor) -> Any:
    """(N, 3, H, W) around [-1, 1] -> uint8 (N, H, W, 3)."""
    values = ((pictures.detach().float().cpu().clamp(-1, 1) + 1) / 2).contiguous()
    return np.stack([Image(picture).to_uint8() for picture in values])


def write_recipe(family: str, options: TrainOptions, pool: PicturePool, **facts: Any) -> None:
    """Write what is needed to make the model again beside it."""
    target = latest_checkpoint(options.checkpoints)
    assert target is not None
    told = {name: value for name, value in asdict(options).items() if name not in ("output", "resume", "data")}
    recipe = {
        "family": family,
        "steps": int(target.name.removeprefix("step-")),
        "options": told,
        "data": {"name": pool.name, "pictures": len(pool), "size": pool.size, "sha256": pool.fingerprint,
                 "labels": pool.labels, "refused": [asdict(each) for each in pool.refused]},
        "versions": {"python": platform.python_version(), **{n: version(n) for n in ("torch", "accelerate", "numpy")}},
        **facts,
    }  # fmt: skip
    write_atomically(options.output / RECIPE, json.dumps(recipe, indent=2, ensure_ascii=False) + "\n")


def train_parser(description: str, defaults: TrainOptions) -> argparse.ArgumentParser:
    """Build the command line that every family has."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    add = parser.add_argument
    add("--data", default=defaults.data, metavar="world|FOLDER", help="the procedural world, or a folder of pictures")
    add("--output", type=Path, required=True, help="folder of the checkpoints, the log and the trained model")
    add("--size", type=int, default=defaults.size, help="height and width of the pictures, in pixels")
    add("--steps", type=int, default=defaults.steps, help="steps in all")
    add("--batch-size", type=int, default=defaults.batch_size, help="pictures a step, over all processes")
    add("--seed", type=int, default=defaults.seed, help="seed of the weights, the pictures and their order")
    add("--minutes", type=float, default=defaults.minutes, help="stop, with a checkpoint, after this long")
    add("--resume", action="store_true", help="go on from the newest checkpoint in --output")
    add("--num-pictures", type=int, default=defaults.num_pictures, help="pictures drawn from the world")
    add("--precision", choices=("no", "bf16"), default=defaults.precision, help="bf16: autocast")
    add("--workers", type=int, default=defaults.workers, help="processes that render the world's pictures")
    add("--checkpoint-every", type=int, default=defaults.checkpoint_every, metavar="STEPS")
    add("--preview-every", type=int, default=defaults.preview_every, metavar="STEPS")
    return parser


def command(
    parser: argparse.ArgumentParser,
    kind: type[OptionsT],
    run: Callable[[OptionsT, Progress], Iterator[Step]],
    argv: list[str] | None,
) -> None:
    """Read the command line into options and train under progress bars; errors for the person end it with a line."""
    arguments = parser.parse_args(argv)
    names = {field.name for field in fields(kind)}
    try:
        options = kind(**{name: value for name, value in vars(arguments).items() if name in names})
        follow(lambda progress: run(options, progress), options.steps, options.output)
    except (ValueError, FileExistsError) as error:
        parser.exit(1, f"{error}\n")

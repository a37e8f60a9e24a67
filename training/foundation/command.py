"""What every foundation trainer shares: its options, its progress bar and log, and grids of samples as it goes."""

import argparse
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image as PILImage
from torch import nn
from tqdm import tqdm

from training.loop import BatchOf, LoopOptions, LossOf, fit
from training.stopping import ending_with_a_line

Preview = Callable[[Path], None]  # writes a picture of where the training stands


def parser(description: str, *, steps: int, batch_size: int) -> argparse.ArgumentParser:
    """Build the options that every foundation trainer has."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    made.add_argument(
        "--output", type=Path, required=True, help="folder for checkpoints, log, samples and the finished part"
    )
    made.add_argument("--steps", type=int, default=steps, help="optimiser steps in all")
    made.add_argument("--batch-size", type=int, default=batch_size, help="scenes a step")
    made.add_argument("--minutes", type=float, default=None, help="stop after this long; --resume goes on")
    made.add_argument("--learning-rate", type=float, default=None, help="instead of the part's own")
    made.add_argument("--seed", type=int, default=0, help="seed of weights and data")
    made.add_argument("--workers", type=int, default=1, help="processes that render data")
    made.add_argument("--resume", action="store_true", help="go on from the newest checkpoint in --output")
    made.add_argument(
        "--init-from", type=Path, default=None, help="a finished part to start from, instead of random weights"
    )
    made.add_argument("--preview-every", type=int, default=1000, help="steps between sample pictures")
    return made


def options_of(arguments: argparse.Namespace, defaults: LoopOptions) -> LoopOptions:
    """Take the loop's options from the command line."""
    return replace(
        defaults,
        steps=arguments.steps,
        minutes=arguments.minutes,
        seed=arguments.seed,
        workers=arguments.workers,
        learning_rate=arguments.learning_rate or defaults.learning_rate,
    )


def run(
    model: nn.Module,
    batch_of: BatchOf,
    loss_of: LossOf,
    options: LoopOptions,
    arguments: argparse.Namespace,
    preview: Preview,
) -> None:
    """Train to the end (or to --minutes), with a progress bar, `log.jsonl`, and `samples-<step>.png` at intervals."""
    arguments.output.mkdir(parents=True, exist_ok=True)
    steps = fit(model, batch_of, loss_of, options, arguments.output, resume=arguments.resume)
    with (
        ending_with_a_line(),
        (arguments.output / "log.jsonl").open("a") as log,
        tqdm(total=options.steps, mininterval=5, dynamic_ncols=True) as bar,
    ):
        for step in steps:
            bar.n = step.number
            if step.number % 50 == 0 or step.is_last:
                row = {name: round(value, 5) for name, value in step.losses.items()}
                bar.set_postfix(row)
                log.write(json.dumps({"step": step.number, "rate": round(step.rate, 3), **row}) + "\n")
                log.flush()
            if step.number % arguments.preview_every == 0 and not step.is_last:
                model.eval()
                with torch.no_grad():
                    preview(arguments.output / f"samples-{step.number:06d}.png")
    model.eval()
    with torch.no_grad():
        preview(arguments.output / "samples-final.png")


def save_grid(images: np.ndarray, path: Path, *, columns: int, scale: int = 2) -> None:
    """Save (N, H, W, 3) uint8 images as one picture, row by row."""
    rows = [np.concatenate(list(images[start : start + columns]), axis=1) for start in range(0, len(images), columns)]
    width = max(row.shape[1] for row in rows)
    sheet = np.concatenate([np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0))) for row in rows])
    picture = PILImage.fromarray(sheet)
    picture.resize((picture.width * scale, picture.height * scale), PILImage.Resampling.NEAREST).save(path)

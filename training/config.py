"""The options of the three alignment stages, and the command line that reads them."""

import argparse
import os
from dataclasses import dataclass, field
from pathlib import Path

from training.loop import LoopOptions
from training.losses import DISTANCES, Distance

WORLD = "world"  # the name of the procedural world as training data


def default_cache() -> Path:
    """Where frozen features are kept for all stages: found by content, and safe to delete at any time."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "multimodal-studio" / "features"


@dataclass(frozen=True)
class StageOptions:
    """What every stage is told."""

    output: Path
    preset: str = "tiny"
    data: str = WORLD  # or the path of a manifest
    init_from: Path | None = None  # an earlier stage's output; the preset's own trained parts otherwise
    fresh: bool = False  # start from untrained parts, even where the preset has trained ones
    resume: bool = False
    steps: int = 3000
    batch_size: int = 32
    learning_rate: float = 1e-3
    seed: int = 0
    minutes: float | None = None
    precision: str = "no"
    num_samples: int = 12000  # drawn from the world; a manifest is used whole
    checkpoint_every: int = 250
    preview_every: int = 250
    cache: Path = field(default_factory=default_cache)
    distance: Distance = "euclidean"
    distance_weight: float = 1.0

    @property
    def loop(self) -> LoopOptions:
        """The training loop's options; embeddings of new tokens and learned queries are not decayed."""
        return LoopOptions(
            steps=self.steps,
            learning_rate=self.learning_rate,
            warmup_steps=max(1, min(100, self.steps // 20)),
            seed=self.seed,
            precision=self.precision,
            checkpoint_every=self.checkpoint_every,
            minutes=self.minutes,
            undecayed=("input_rows", "output_rows", "query_embs", "bias"),
        )


def stage_parser(description: str, defaults: StageOptions) -> argparse.ArgumentParser:
    """Build the command line that every stage has."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    add = parser.add_argument
    add("--preset", default=defaults.preset, help="a preset's name, or a folder that from_pretrained reads")
    add("--data", default=defaults.data, metavar="world|MANIFEST.jsonl", help="the procedural world, or your own data")
    add("--output", type=Path, required=True, help="folder of the checkpoints, the log and the trained model")
    add("--init-from", type=Path, help="start from an earlier stage's output instead of the preset's own parts")
    add("--fresh", action="store_true", help="start from untrained projections, rows and adapter")
    add("--resume", action="store_true", help="go on from the newest checkpoint in --output")
    add("--steps", type=int, default=defaults.steps, help="optimiser steps in all")
    add("--batch-size", type=int, default=defaults.batch_size, help="samples a step, over all processes")
    add("--learning-rate", type=float, default=defaults.learning_rate)
    add("--seed", type=int, default=defaults.seed, help="seed of the new weights and of the order of the data")
    add("--minutes", type=float, help="stop, with a checkpoint, after training this long; --resume goes on")
    add("--precision", choices=("no", "bf16"), default=defaults.precision, help="bf16: autocast")
    add("--num-samples", type=int, default=defaults.num_samples, help="samples drawn from the world")
    add("--checkpoint-every", type=int, default=defaults.checkpoint_every, metavar="STEPS")
    add("--preview-every", type=int, default=defaults.preview_every, metavar="STEPS")
    add("--cache", type=Path, default=defaults.cache, help="folder of cached frozen features")
    return parser


def add_distance(parser: argparse.ArgumentParser, defaults: StageOptions) -> None:
    """Add the options of the distance between signals and a decoder's conditions."""
    parser.add_argument("--distance", choices=DISTANCES, default=defaults.distance)
    parser.add_argument("--distance-weight", type=float, default=defaults.distance_weight)


def stage_options(arguments: argparse.Namespace) -> StageOptions:
    """Read a parsed command line; raise ValueError for numbers that make no sense."""
    names = StageOptions.__dataclass_fields__
    options = StageOptions(**{name: value for name, value in vars(arguments).items() if name in names})
    for name in ("steps", "batch_size", "learning_rate", "num_samples", "checkpoint_every", "preview_every"):
        if getattr(options, name) <= 0:
            raise ValueError(f"--{name.replace('_', '-')} is {getattr(options, name)}; wanted more than 0.")
    return options

"""Train the judge of the procedural world: one small network a modality.

    python -m training.foundation.judge --output runs/judge                    image, audio and video in turn
    python -m training.foundation.judge --output runs/judge --modality video   one of them

The judge is an instrument, so it learns every combination of the world, held-out ones too; it is measured on renders of
held-out scenes with seeds that it never saw (training/world/judge_accuracy.py), and only evaluation ever uses it.
"""

import random
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import torch
import torch.nn.functional as F
from einops import rearrange
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from training.foundation.command import options_of, parser, run, save_grid
from training.loop import Batch, LoopOptions
from training.world.judge import (
    WEIGHTS,
    JudgedModality,
    JudgeNetwork,
    answers,
    load_judge,
    prepare_audio,
    prepare_images,
)
from training.world.judge_accuracy import print_accuracy, render
from training.world.scene import Kind, draw_scene
from training.world.wear import wear_images, wear_spectrograms

LOOP = LoopOptions(steps=0, learning_rate=2e-3, precision="bf16", ema_decay=0.995, decay_fraction=0.4)


@dataclass(frozen=True)
class Recipe:
    """How one modality's judge is trained: which kinds of scenes, how many at a time, how many times."""

    kinds: tuple[Kind, ...]
    batch_size: int
    steps: int


RECIPES: Mapping[JudgedModality, Recipe] = {
    "image": Recipe(("one", "two", "two"), batch_size=64, steps=2500),
    "audio": Recipe(("audio",), batch_size=32, steps=400),
    "video": Recipe(("video",), batch_size=32, steps=1000),
}


def batch_of(modality: JudgedModality, batch_size: int, seed: int, step: int) -> dict[str, Tensor]:
    """Worn renders {"media": (B, ...)}, ready for the network, and their right answers {question: (B,)}."""
    rng = random.Random(f"judge {modality} {seed} {step}")
    scenes = [draw_scene(rng, rng.choice(RECIPES[modality].kinds)) for _ in range(batch_size)]
    seeds = [rng.getrandbits(31) for _ in scenes]
    rendered = torch.from_numpy(render(scenes, modality, seeds, side="train" if step % 3 else "held_out"))
    media = _prepare_worn(rendered, modality, torch.Generator().manual_seed(rng.getrandbits(31)))
    right_answers = [answers(scene, modality) for scene in scenes]
    return {"media": media} | {
        question: torch.tensor([each[question] for each in right_answers]) for question in right_answers[0]
    }


def _prepare_worn(rendered: Tensor, modality: JudgedModality, generator: torch.Generator) -> Tensor:
    if modality == "audio":
        return wear_spectrograms(prepare_audio(rendered), generator)
    if modality == "image":
        return wear_images(prepare_images(rendered), generator)
    frames = prepare_images(rearrange(rendered, "b t h w c -> (b t) h w c"))
    return wear_images(rearrange(frames, "(b t) c h w -> b t c h w", b=len(rendered)), generator)


def loss_of(network: nn.Module, batch: Batch) -> Mapping[str, Tensor]:
    """Cross-entropy summed over the questions; a question that a scene leaves open counts for nothing."""
    losses = {}
    for question, logits in network(batch["media"]).items():
        answer = batch[question]
        losses[question] = F.cross_entropy(logits.float(), answer, ignore_index=-1, reduction="sum") / len(answer)
    return {"loss": torch.stack(list(losses.values())).sum()} | losses


def train(modality: JudgedModality, arguments: Namespace) -> None:
    """Train one network and put its weights (fp16) where the judge looks for them."""
    recipe = RECIPES[modality]
    steps, batch_size = arguments.steps or recipe.steps, arguments.batch_size or recipe.batch_size
    options = Namespace(**vars(arguments) | {"steps": steps, "output": arguments.output / modality})
    torch.manual_seed(arguments.seed)
    network = JudgeNetwork(modality).to(memory_format=torch.channels_last)
    if arguments.init_from:
        network.load_state_dict({name: value.float() for name, value in load_file(arguments.init_from).items()})

    def batch(step: int) -> dict[str, Tensor]:
        return batch_of(modality, batch_size, arguments.seed, step)

    run(network, batch, loss_of, options_of(options, LOOP), options, lambda path: _show(batch(0)["media"], path))
    weights: dict[str, Any] = {name: value.half().contiguous() for name, value in network.state_dict().items()}
    WEIGHTS.mkdir(exist_ok=True)
    save_file(weights, WEIGHTS / f"{modality}.safetensors")
    load_judge.cache_clear()


def _show(media: Tensor, path: Path) -> None:
    """Save a picture of what the network learns from: worn images, first frames of worn videos, or spectrograms."""
    stills = media[:, 0] if media.ndim == 5 else media
    if stills.shape[1] == 1:
        stills = (stills / 3).flip(-2).repeat(1, 3, 1, 1)
    save_grid(rearrange(((stills.clamp(-1, 1) + 1) * 127.5).byte(), "b c h w -> b h w c").numpy(), path, columns=8)


def main() -> None:
    """The command line: see the top of this file."""
    options = parser(__doc__ or "", steps=0, batch_size=0)
    options.add_argument("--modality", choices=get_args(JudgedModality), help="one network only")
    arguments = options.parse_args()
    for modality in (arguments.modality,) if arguments.modality else RECIPES:
        train(modality, arguments)
        print_accuracy(modality)


if __name__ == "__main__":
    main()

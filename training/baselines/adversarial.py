"""The loop of a generator and a discriminator: phases in turn under accelerate, an average, exact resume.

Like the loop of one loss (training/loop.py), everything random is a pure function of (seed, step, phase), so that a
resumed run continues bit for bit where the checkpoint left it.
"""

import copy
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from training.baselines.trainer import TrainOptions
from training.checkpointing import latest_checkpoint, load_checkpoint, save_checkpoint
from training.loop import Step
from training.stopping import agreed, asked_to_stop, stopped

Batch = Mapping[str, Tensor]
BatchOf = Callable[[int, int], Batch]  # step, number of the phase -> batch, of which each process takes its share
Side = Literal["generator", "discriminator"]
SIDES: tuple[Side, ...] = ("generator", "discriminator")


@dataclass(frozen=True)
class AdamOptions:
    """How one side learns."""

    learning_rate: float
    beta1: float = 0.0
    beta2: float = 0.99

    def beside(self, every: int) -> "AdamOptions":
        """As it must be where a regulariser takes a step of its own at each `every`-th (Karras et al. 2020, appendix B)."""
        share = every / (every + 1)
        return AdamOptions(self.learning_rate * share, self.beta1**share, self.beta2**share)


@dataclass(frozen=True)
class GameOptions:
    """What a training is made of; `steps` may grow between a stop and a resume, the rest may not."""

    steps: int
    generator: AdamOptions
    discriminator: AdamOptions
    ema_decay: float = 0.999
    seed: int = 0
    checkpoint_every: int = 500
    minutes: float | None = None  # stop (with a checkpoint) after this long; a resume goes on
    precision: str = "no"  # or "bf16": autocast, but for phases that are exact


@dataclass(frozen=True)
class AdversarialOptions(TrainOptions):
    """What every training of two sides is told besides."""

    ema_decay: float = 0.999

    def game_of(self, generator: AdamOptions, discriminator: AdamOptions) -> GameOptions:
        """Return the loop's options, with how each side learns."""
        return GameOptions(
            self.steps,
            generator,
            discriminator,
            ema_decay=self.ema_decay,
            seed=self.seed,
            checkpoint_every=self.checkpoint_every,
            minutes=self.minutes,
            precision=self.precision,
        )


def check_classifier_steps(classifier_steps: int, steps: int) -> None:
    """Raise ValueError if so many steps of learning the classes leave none to the game."""
    if not 0 <= classifier_steps < steps:
        raise ValueError(
            f"--classifier-steps is from 0 to below --steps, {steps}, not {classifier_steps}: the game needs some too."
        )


@dataclass(frozen=True)
class Phase:
    """One optimiser step of a side, taken at each `every`-th step from `first` on, before `end`; its losses hold "loss".

    An exact one (a penalty of gradients) is computed in single precision, whatever the others are in. `pace` multiplies
    the side's learning rate.
    """

    name: str
    side: Side
    losses: Callable[[Batch], Mapping[str, Tensor]]
    every: int = 1
    is_exact: bool = False
    first: int = 0
    end: int | None = None
    pace: float = 1.0

    def is_due(self, step: int) -> bool:
        """Tell whether it has its turn in a step, counted from 0."""
        return step % self.every == 0 and self.first <= step and (self.end is None or step < self.end)


@dataclass(eq=False)
class Game:
    """Two networks, their phases, and what else a training remembers, as buffers; `average` is the generator's."""

    generator: nn.Module
    discriminator: nn.Module
    phases: tuple[Phase, ...]
    memory: nn.Module = field(default_factory=nn.Module)
    after: Callable[[int], Mapping[str, float]] = lambda step: {}  # called after every step (from 1); figures to log
    average: nn.Module = field(init=False)

    def __post_init__(self) -> None:
        self.average = copy.deepcopy(self.generator).eval().requires_grad_(False)

    def side(self, name: Side) -> nn.Module:
        """Return one of the two."""
        return self.generator if name == "generator" else self.discriminator


def play(game: Game, batch_of: BatchOf, options: GameOptions, folder: Path, *, resume: bool = False) -> Iterator[Step]:
    """Train both sides and yield every step; checkpoints go to `folder`; `game.average` follows the generator.

    Raises FileExistsError when `folder` holds a checkpoint and `resume` is false, ValueError for another model's, and
    Stopped, after the step that was under way and its checkpoint, when a signal asks for an end.
    """
    found = latest_checkpoint(folder)
    if not resume and found is not None:
        raise FileExistsError(
            f"{folder} holds a training already: resume it (--resume) or choose another output folder."
        )
    accelerator = Accelerator()
    for module in (game.generator, game.discriminator, game.average, game.memory):
        module.to(accelerator.device)
    adams = {"generator": options.generator, "discriminator": options.discriminator}
    optimizers: dict[Side, torch.optim.Optimizer] = {
        name: torch.optim.Adam(
            game.side(name).parameters(), lr=adams[name].learning_rate, betas=(adams[name].beta1, adams[name].beta2)
        )
        for name in SIDES
    }
    start = _restore(found, game, optimizers) if found is not None else 0
    began, done, stopping = time.monotonic(), start, 0
    with asked_to_stop() as asked:
        for number in range(start, options.steps):
            game.generator.train()
            game.discriminator.train()
            figures: dict[str, float] = {}
            for index, phase in enumerate(game.phases):
                if phase.is_due(number):
                    optimizer = optimizers[phase.side]
                    for group in optimizer.param_groups:
                        group["lr"] = adams[phase.side].learning_rate * phase.pace
                    figures |= _take(phase, index, number, game, optimizer, batch_of, options, accelerator)
            _follow(game.average, game.generator, min(options.ema_decay, (1 + number) / (10 + number)))
            done = number + 1
            figures |= game.after(done)
            figures["loss"] = sum(value for name, value in figures.items() if name.endswith("_loss"))
            spent = time.monotonic() - began
            late = options.minutes is not None and spent > options.minutes * 60
            stopping, out_of_time = agreed(accelerator, asked.number, late)
            is_last = done == options.steps or bool(stopping or out_of_time)
            if accelerator.is_main_process and (is_last or done % options.checkpoint_every == 0):
                save_checkpoint(folder, done, _tensors(game, optimizers), {"options": asdict(options)})
            yield Step(done, figures, options.generator.learning_rate, (done - start) / max(spent, 1e-9), is_last)
            if is_last:
                break
    if stopping:
        raise stopped(accelerator, stopping, done, folder)


def _take(
    phase: Phase, index: int, number: int, game: Game, optimizer: torch.optim.Optimizer, batch_of: BatchOf,
    options: GameOptions, accelerator: Accelerator,
) -> dict[str, float]:  # fmt: skip
    """Take one phase's step, and return its losses by "<phase>_<name>"."""
    torch.manual_seed(((options.seed * 1_000_003 + number) * 61 + index) * 31 + accelerator.process_index)
    for name in SIDES:
        game.side(name).requires_grad_(name == phase.side)
    rank, world = accelerator.process_index, accelerator.num_processes
    batch = {name: value[rank::world].to(accelerator.device) for name, value in batch_of(number, index).items()}
    halves = options.precision == "bf16" and not phase.is_exact
    with torch.autocast(accelerator.device.type, torch.bfloat16, enabled=halves):
        losses = phase.losses(batch)
    accelerator.backward(losses["loss"])
    if world > 1:  # the networks are not wrapped: a penalty of gradients would not survive that
        for parameter in game.side(phase.side).parameters():
            if parameter.grad is not None:
                parameter.grad = accelerator.reduce(parameter.grad, "mean")
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return {f"{phase.name}_{name}": float(value.detach()) for name, value in losses.items()}


@torch.no_grad()
def _follow(average: nn.Module, network: nn.Module, decay: float) -> None:
    """Move averaged parameters towards the network's; buffers are the network's own."""
    pairs = list(zip(average.parameters(), network.parameters(), strict=True))
    torch._foreach_lerp_([a for a, _ in pairs], [p.detach() for _, p in pairs], 1 - decay)
    for kept, buffer in zip(average.buffers(), network.buffers(), strict=True):
        kept.copy_(buffer)


def _tensors(game: Game, optimizers: Mapping[Side, torch.optim.Optimizer]) -> dict[str, dict[str, Tensor]]:
    """All that a training is, by group, for a checkpoint."""
    groups = {
        "generator": game.generator.state_dict(),
        "discriminator": game.discriminator.state_dict(),
        "average": game.average.state_dict(),
        "memory": game.memory.state_dict(),
    }
    for side, optimizer in optimizers.items():
        groups[f"{side}_optimizer"] = {
            f"{name}.{key}": torch.as_tensor(value)
            for name, parameter in game.side(side).named_parameters()
            for key, value in optimizer.state[parameter].items()
        }
    return {
        group: {name: value.clone() for name, value in values.items()} for group, values in groups.items() if values
    }


def _restore(target: Path, game: Game, optimizers: Mapping[Side, torch.optim.Optimizer]) -> int:
    """Load a checkpoint into a game and its optimisers; return how many steps it has done."""
    groups, facts = load_checkpoint(target)
    modules = {"generator": game.generator, "discriminator": game.discriminator, "average": game.average,
               "memory": game.memory}  # fmt: skip
    for name, module in modules.items():
        saved, wanted = groups.get(name, {}), module.state_dict()
        odd = sorted(saved.keys() ^ wanted.keys()) + [
            k for k in wanted if k in saved and saved[k].shape != wanted[k].shape
        ]
        if odd:
            raise ValueError(f"{target} was made by another model: {len(odd)} tensors differ, such as {odd[:3]}.")
        module.load_state_dict(saved)
    for side, optimizer in optimizers.items():
        for name, parameter in game.side(side).named_parameters():
            for key in ("step", "exp_avg", "exp_avg_sq"):
                value = groups.get(f"{side}_optimizer", {}).get(f"{name}.{key}")
                if value is not None:
                    optimizer.state[parameter][key] = value if key == "step" else value.to(parameter.device)
    return int(facts["step"])

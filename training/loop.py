"""The one training loop: a generator of steps under accelerate, with an average of the weights and exact resume.

Everything random is a pure function of (seed, step): the batch, and through `torch.manual_seed` whatever the loss
draws. A resumed run therefore continues bit for bit where the checkpoint left it. Who asks a run to end, by a signal or
by its minutes, gets a checkpoint of the step that was under way.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from training.checkpointing import latest_checkpoint, load_checkpoint, save_checkpoint
from training.stopping import agreed, asked_to_stop, stopped

Batch = Mapping[str, Any]
BatchOf = Callable[[int], Batch]  # step -> batch; leading dimensions are the batch
LossOf = Callable[[nn.Module, Batch], Mapping[str, Tensor]]  # must hold "loss"


@dataclass(frozen=True)
class LoopOptions:
    """What a training is made of; `steps` may grow between a stop and a resume, the rest may not."""

    steps: int
    learning_rate: float
    warmup_steps: int = 100
    decay_fraction: float = 0.2  # the last part of the steps, in which the rate falls linearly to 2% of itself
    weight_decay: float = 0.01
    beta2: float = 0.99
    clip_norm: float = 1.0
    ema_decay: float = 0.999
    precision: str = "no"  # or "bf16": autocast
    seed: int = 0
    workers: int = 0  # processes that prepare batches
    checkpoint_every: int = 500
    minutes: float | None = None  # stop (with a checkpoint) after this long; a resume goes on
    undecayed: tuple[str, ...] = ()  # endings of the names of parameters without weight decay


@dataclass(frozen=True)
class Step:
    """One finished step: its number (from 1), losses, learning rate, and steps per second of this run so far."""

    number: int
    losses: dict[str, float]
    learning_rate: float
    rate: float
    is_last: bool


class _Steps(Dataset[Batch]):
    """The batches by step, so that worker processes can prepare them ahead."""

    def __init__(self, batch_of: BatchOf, start: int, stop: int) -> None:
        self.batch_of, self.start, self.stop = batch_of, start, stop

    def __len__(self) -> int:
        return self.stop - self.start

    def __getitem__(self, index: int) -> Batch:
        return self.batch_of(self.start + index)


def learning_rate_at(step: int, options: LoopOptions) -> float:
    """The rate of a step (from 0): linear warm-up, constant, linear decay."""
    decay_steps = max(1, round(options.steps * options.decay_fraction))
    warm = min(1.0, (step + 1) / max(1, options.warmup_steps))
    return options.learning_rate * warm * max(0.02, min(1.0, (options.steps - step) / decay_steps))


def fit(
    model: nn.Module, batch_of: BatchOf, loss_of: LossOf, options: LoopOptions, folder: Path, *, resume: bool = False
) -> Iterator[Step]:
    """Train the parameters of `model` that require a gradient, and yield every step; checkpoints go to `folder`.

    When the generator ends, `model` holds the averaged (EMA) weights. Raises FileExistsError when `folder` already
    holds a checkpoint and `resume` is false, so that no run is overwritten by mistake, and Stopped, after the step that
    was under way and its checkpoint, when a signal asks for an end.
    """
    if not resume and latest_checkpoint(folder) is not None:
        raise FileExistsError(
            f"{folder} holds a training already: resume it (--resume) or choose another output folder."
        )
    accelerator = Accelerator()
    # accelerate's own precision holds for a whole process, which may train several models, each at its own.
    autocast = torch.autocast(accelerator.device.type, torch.bfloat16, enabled=options.precision == "bf16")
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    optimizer = torch.optim.AdamW(
        _groups(trained, options),
        lr=options.learning_rate,
        betas=(0.9, options.beta2),
        weight_decay=options.weight_decay,
        fused=True,
    )
    average = {name: p.detach().clone().float().to(accelerator.device) for name, p in trained.items()}
    wrapped, prepared = accelerator.prepare(model, optimizer)
    start = 0
    if resume and (found := latest_checkpoint(folder)) is not None:
        start = _restore(found, trained, average, optimizer)
    loader = DataLoader(
        _Steps(batch_of, start, options.steps),
        batch_size=None,
        num_workers=options.workers,
        prefetch_factor=4 if options.workers else None,
        multiprocessing_context="fork" if options.workers else None,
    )
    began, done, stopping = time.monotonic(), start, 0
    with asked_to_stop() as asked:
        for number, batch in enumerate(loader, start=start):
            torch.manual_seed(options.seed * 1_000_003 + number * 31 + accelerator.process_index)
            rate = learning_rate_at(number, options)
            for group in optimizer.param_groups:
                group["lr"] = rate
            wrapped.train()
            with autocast:
                losses = loss_of(wrapped, _share(batch, accelerator))
            accelerator.backward(losses["loss"])
            norm = accelerator.clip_grad_norm_(list(trained.values()), options.clip_norm)
            prepared.step()
            optimizer.zero_grad(set_to_none=True)
            with torch.no_grad():
                decay = min(options.ema_decay, (1 + number) / (10 + number))
                torch._foreach_lerp_(list(average.values()), [p.detach().float() for p in trained.values()], 1 - decay)
            done = number + 1
            spent = time.monotonic() - began
            late = options.minutes is not None and spent > options.minutes * 60
            stopping, out_of_time = agreed(accelerator, asked.number, late)
            is_last = done == options.steps or bool(stopping or out_of_time)
            if accelerator.is_main_process and (is_last or done % options.checkpoint_every == 0):
                _save(folder, done, trained, average, optimizer, options)
            values = {name: float(value.detach()) for name, value in losses.items()} | {"grad_norm": float(norm)}
            yield Step(done, values, rate, (done - start) / max(spent, 1e-9), is_last)
            if is_last:
                break
    if stopping:
        raise stopped(accelerator, stopping, done, folder)
    with torch.no_grad():
        for name, parameter in trained.items():
            parameter.copy_(average[name])


def _groups(trained: Mapping[str, nn.Parameter], options: LoopOptions) -> list[dict[str, Any]]:
    kept = [parameter for name, parameter in trained.items() if name.endswith(options.undecayed)]
    decayed = [parameter for name, parameter in trained.items() if not name.endswith(options.undecayed)]
    return [{"params": decayed}, {"params": kept, "weight_decay": 0.0}] if kept else [{"params": decayed}]


def _share(batch: Batch, accelerator: Accelerator) -> Batch:
    """This process's part of a batch, on its device."""
    rank, world = accelerator.process_index, accelerator.num_processes
    return {
        name: value[rank::world].to(accelerator.device) if isinstance(value, Tensor) else value[rank::world]
        for name, value in batch.items()
    }


def _save(
    folder: Path,
    step: int,
    trained: Mapping[str, Tensor],
    average: Mapping[str, Tensor],
    optimizer: torch.optim.Optimizer,
    options: LoopOptions,
) -> None:
    moments = {
        f"{name}.{key}": torch.as_tensor(value)
        for name, parameter in trained.items()
        for key, value in optimizer.state[parameter].items()
    }
    save_checkpoint(
        folder, step, {"weights": trained, "average": average, "optimizer": moments}, {"options": asdict(options)}
    )


def _restore(
    target: Path, trained: Mapping[str, Tensor], average: dict[str, Tensor], optimizer: torch.optim.Optimizer
) -> int:
    groups, facts = load_checkpoint(target)
    if groups["weights"].keys() != trained.keys():
        odd = sorted(groups["weights"].keys() ^ trained.keys())
        raise ValueError(f"{target} was made by another model: {len(odd)} names differ, such as {odd[:3]}.")
    with torch.no_grad():
        for name, parameter in trained.items():
            parameter.copy_(groups["weights"][name])
            average[name].copy_(groups["average"][name])
            state = optimizer.state[parameter]
            for key in ("step", "exp_avg", "exp_avg_sq"):
                value = groups["optimizer"][f"{name}.{key}"]
                state[key] = value.clone() if key == "step" else value.to(parameter.device).clone()
    return int(facts["step"])


def averaged_weights(folder: Path) -> dict[str, Tensor]:
    """The averaged weights of the newest checkpoint in `folder`. Raises FileNotFoundError when there is none."""
    found = latest_checkpoint(folder)
    if found is None:
        raise FileNotFoundError(f"{folder} holds no checkpoint.")
    return load_checkpoint(found)[0]["average"]

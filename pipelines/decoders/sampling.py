"""The sampling that all diffusers decoders share: one sample at a time, its own seed, its steps reported."""

import inspect
from collections.abc import Callable, Mapping
from functools import cache
from itertools import count
from typing import Any

import numpy.typing as npt
import torch
from torch import Tensor

from encoders.media import Audio, Image, Media
from pipelines.decoders.base import MAX_SEED, DecodeOptions, DecoderConfig, DecodeStep, StepCallback, draw_seed

Preview = Callable[[Tensor], Image | None]
CALLBACK = "callback_on_step_end"


def decode_rows(
    pipeline: Any,
    condition: Mapping[str, Tensor],
    options: DecodeOptions,
    config: DecoderConfig,
    make: Callable[[Mapping[str, Tensor], Mapping[str, Any]], Media],
    *,
    callback: StepCallback | None,
    preview: Preview | None = None,
) -> list[Media]:
    """Make `count` samples for each row of a condition; sample number i over all of them has the seed `seed + i`.

    `make(condition of one row, call arguments)` runs the pipeline on a batch of one: the kernels then see the same
    shapes at any count, and a seed gives the same bytes.
    """
    if options.start is not None and "image" not in call_arguments(pipeline):
        raise ValueError(f"A {type(pipeline).__name__} cannot begin with a picture; leave it out.")
    seed = draw_seed() if options.seed is None else options.seed
    num_steps = options.num_inference_steps or config.num_inference_steps
    guidance_scale = config.guidance_scale if options.guidance_scale is None else options.guidance_scale
    rows = [row for row in range(len(next(iter(condition.values())))) for _ in range(options.count)]
    samples: list[Media] = []
    for number, row in enumerate(rows):
        one = {name: value[row : row + 1] for name, value in condition.items()}
        arguments = {
            **config.call,
            "num_inference_steps": num_steps,
            "guidance_scale": guidance_scale,
            "generator": torch.Generator().manual_seed((seed + number) % (MAX_SEED + 1)),
            "output_type": "np",
        }
        if callback is not None:
            every = options.preview_every
            arguments |= step_callback(pipeline, _reporter(pipeline, number, num_steps, callback, preview, every))
        try:
            samples.append(make(one, arguments))
        except BaseException:
            pipeline.maybe_free_model_hooks()  # an offloaded network is not to stay where it was stopped
            raise
    return samples


def _reporter(
    pipeline: Any, number: int, num_steps: int, callback: StepCallback, preview: Preview | None, every: int
) -> Callable[[Tensor], None]:
    """Return what is told the latents of each step of sample `number`, and tells the callback of it."""
    steps = count(1)
    total = cache(lambda: num_reports(pipeline, num_steps))  # once the pipeline has set its scheduler

    def report(latents: Tensor) -> None:
        step = next(steps)
        is_shown = every and step % every == 0 and step < total()
        callback(DecodeStep(number, step, total(), preview(latents) if preview and is_shown else None))

    return report


def step_callback(pipeline: Any, report: Callable[[Tensor], None]) -> dict[str, Any]:
    """Name the pipeline's callback argument, current or older, so that it calls report(latents) after each step."""
    if CALLBACK in call_arguments(pipeline):

        def on_step_end(_: Any, step: int, timestep: Any, values: dict[str, Any]) -> dict[str, Any]:
            report(values["latents"])
            return values

        return {CALLBACK: on_step_end}
    return {"callback": lambda step, timestep, latents: report(latents), "callback_steps": 1}


def num_reports(pipeline: Any, num_steps: int) -> int:
    """How many steps a running pipeline reports: some schedulers take more than they are asked for.

    The current callback follows every one of them, the older one those that the pipelines' progress bars count: the
    last of each `order` steps, after those that warm up.
    """
    total, order = len(pipeline.scheduler.timesteps), pipeline.scheduler.order
    if CALLBACK in call_arguments(pipeline):
        return total
    warmup = total - num_steps * order
    return sum(step == total or (step > warmup and step % order == 0) for step in range(1, total + 1))


def to_audio(samples: npt.NDArray[Any], rate: int) -> Audio:
    """(samples,) or (channels, samples), an output of a pipeline that nobody else holds -> Audio, cut to [-1, 1]."""
    return Audio(torch.atleast_2d(torch.from_numpy(samples)).float().clamp_(-1, 1).contiguous(), rate)


def call_arguments(pipeline: Any) -> Mapping[str, inspect.Parameter]:
    """Return the arguments that calling a pipeline takes, by name."""
    return _parameters(type(pipeline).__call__)


@cache
def _parameters(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(function).parameters


def check_condition(
    condition: Mapping[str, Tensor],
    shapes: Mapping[str, tuple[int, ...]],
    optional: Mapping[str, tuple[int, ...]] | None = None,
) -> None:
    """Raise ValueError unless a condition has the names and shapes (B, ...) that a decoder takes."""
    given = {name: tuple(value.shape[1:]) for name, value in condition.items()}
    wanted = {**{name: shape for name, shape in (optional or {}).items() if name in given}, **shapes}
    if given != wanted:
        raise ValueError(f"This decoder takes the conditions {wanted}, not {given}.")

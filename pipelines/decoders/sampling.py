"""The sampling that all diffusers decoders share: one sample at a time, its own seed, its steps reported."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from encoders.media import Image, Media
from pipelines.decoders.base import MAX_SEED, DecodeOptions, DecoderConfig, DecodeStep, StepCallback, draw_seed

Preview = Callable[[Tensor], Image | None]


def decode_rows(
    pipeline: Any,
    condition: Mapping[str, Tensor],
    options: DecodeOptions,
    config: DecoderConfig,
    make: Callable[[Mapping[str, Tensor], Mapping[str, Any]], Media],
    *,
    callback: StepCallback | None,
    preview: Preview,
) -> list[Media]:
    """Make `count` samples for each row of a condition; sample number i over all of them has the seed `seed + i`.

    `make(condition of one row, call arguments)` runs the pipeline on a batch of one: the kernels then see the same
    shapes at any count, and a seed gives the same bytes.
    """
    seed = draw_seed() if options.seed is None else options.seed
    num_steps = options.num_inference_steps or config.num_inference_steps
    guidance_scale = config.guidance_scale if options.guidance_scale is None else options.guidance_scale
    num_rows = next(iter(condition.values())).shape[0]
    samples: list[Media] = []
    for row in range(num_rows):
        one = {name: value[row : row + 1] for name, value in condition.items()}
        for _ in range(options.count):
            number = len(samples)

            def report(step: int, latents: Tensor, number: int = number) -> None:
                if callback is not None:
                    total = len(pipeline.scheduler.timesteps)  # some schedulers take a few more than they are asked for
                    shown = options.preview_every and (step + 1) % options.preview_every == 0 and step + 1 < total
                    callback(DecodeStep(number, step + 1, total, preview(latents) if shown else None))

            arguments = {
                **config.call,
                **step_callback(pipeline, report),
                "num_inference_steps": num_steps,
                "guidance_scale": guidance_scale,
                "generator": torch.Generator().manual_seed((seed + number) % (MAX_SEED + 1)),
                "output_type": "np",
            }
            samples.append(make(one, arguments))
    return samples


def step_callback(pipeline: Any, report: Callable[[int, Tensor], None]) -> dict[str, Any]:
    """Name the pipeline's callback argument, current or older, so that it calls report(step, latents)."""
    if "callback_on_step_end" in call_arguments(pipeline):

        def on_step_end(_: Any, step: int, timestep: Any, values: dict[str, Any]) -> dict[str, Any]:
            report(step, values["latents"])
            return values

        return {"callback_on_step_end": on_step_end}
    return {"callback": lambda step, timestep, latents: report(step, latents), "callback_steps": 1}


def call_arguments(pipeline: Any) -> frozenset[str]:
    """Return the names of the arguments that calling a pipeline takes."""
    return frozenset(inspect.signature(pipeline.__call__).parameters)


def check_condition(condition: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Raise ValueError unless a condition has the names and shapes (B, ...) that a decoder takes."""
    given = {name: tuple(value.shape[1:]) for name, value in condition.items()}
    if given != dict(shapes):
        raise ValueError(f"This decoder takes the conditions {dict(shapes)}, not {given}.")

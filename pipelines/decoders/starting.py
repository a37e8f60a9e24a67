"""Image to image: a decoder that begins with a picture, in diffusers' own pipeline for it, made of the same parts."""

from collections.abc import Mapping
from typing import Any

from diffusers import AutoPipelineForImage2Image
from PIL.Image import Resampling
from PIL.Image import fromarray as picture_from_array

from encoders.media import Image
from pipelines.decoders.base import DecodeOptions
from pipelines.decoders.sampling import call_arguments
from pipelines.quiet import quiet


def starting_pipeline(pipeline: Any) -> Any:
    """Return the pipeline that begins with a picture, around the parts of another. Raises ValueError if there is none."""
    try:
        with quiet():
            found = AutoPipelineForImage2Image.from_pipe(pipeline)
    except ValueError as error:
        raise _cannot_start(pipeline) from error
    found.set_progress_bar_config(disable=True)
    if not {"image", "strength", "prompt_embeds"} <= set(call_arguments(found)):
        raise _cannot_start(pipeline)
    return found


def start_arguments(pipeline: Any, options: DecodeOptions, num_steps: int, call: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a pipeline of `starting_pipeline` is called with besides: the picture, scaled and cut to its size.

    Of the decoder's own call arguments, those of them that this pipeline takes too.
    """
    assert options.start is not None, "the caller looked"
    if num_taken(num_steps, options.strength) < 1:
        least = next(steps for steps in range(1, 1001) if int(steps * options.strength) >= 1)
        raise ValueError(
            f"Of {num_steps} steps a strength of {options.strength:g} takes none; "
            f"ask for {least} steps or more, or for more strength."
        )
    kept = {name: value for name, value in call.items() if name in call_arguments(pipeline)}
    network = pipeline.components.get("unet") or pipeline.components["transformer"]
    side = network.config.sample_size * pipeline.vae_scale_factor
    width, height = int(call.get("width", side)), int(call.get("height", side))
    return {**kept, "image": _fitted(options.start, width, height), "strength": options.strength}


def num_taken(num_steps: int, strength: float) -> int:
    """Return how many of the steps are left for a picture to be changed in."""
    return min(int(num_steps * strength), num_steps)


def _fitted(image: Image, width: int, height: int) -> Any:
    """Scale a picture until it covers the size, and keep its middle."""
    picture = picture_from_array(image.to_uint8())
    scale = max(width / picture.width, height / picture.height)
    size = max(width, round(picture.width * scale)), max(height, round(picture.height * scale))
    scaled = picture.resize(size, Resampling.BICUBIC)
    left, top = (size[0] - width) // 2, (size[1] - height) // 2
    return scaled.crop((left, top, left + width, top + height))


def _cannot_start(pipeline: Any) -> ValueError:
    return ValueError(
        f"A {type(pipeline).__name__} cannot begin with a picture; leave it out, or choose another model."
    )

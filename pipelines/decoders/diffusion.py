"""A decoder around any diffusers pipeline that takes `prompt_embeds`: images, videos and sounds."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from encoders.media import Image, Media, Video
from encoders.modality import Modality
from pipelines.decoders.base import DecodeOptions, DecoderConfig, StepCallback
from pipelines.decoders.captions import plain_captions
from pipelines.decoders.conditions import LONG_CAPTION, NEGATIVE, encode, is_mask
from pipelines.decoders.dropping import check_can_encode, drop_text_encoders
from pipelines.decoders.placement import move
from pipelines.decoders.previews import preview
from pipelines.decoders.sampling import call_arguments, check_condition, decode_rows, to_audio
from pipelines.decoders.starting import num_taken, start_arguments, starting_pipeline
from pipelines.quiet import quiet

NEGATIVE_TEXT = re.compile(r"negative_prompt(_\d)?")
SILENCE = 0.1  # of the longest vector: a shorter one stands for no word


class PromptEmbedsDecoder:
    """Make media with a diffusers pipeline, from embeddings that stand for its encoded prompt.

    The condition's names and shapes are what the pipeline's own `encode_prompt` returns. Masks among them need not be
    given: a projection writes zeros where it has nothing to say, and so do captions. A `negative_prompt` among the
    config's call arguments is encoded once. Each sample is made alone, with its own CPU generator, so that a seed gives
    the same bytes at any count.
    """

    def __init__(self, pipeline: Any, modality: Modality, config: DecoderConfig, *, can_move: bool = True) -> None:
        """`can_move`: `to` moves the pipeline; an offloaded one it leaves to its hooks."""
        if "prompt_embeds" not in call_arguments(pipeline):
            raise ValueError(f"{type(pipeline).__name__} takes no prompt_embeds; choose a pipeline that does.")
        self.pipeline = pipeline
        self.pipeline.set_progress_bar_config(disable=True)
        self.modality = modality
        self.config = config
        self._can_move = can_move
        self._device = pipeline._execution_device
        self._length = config.condition_length
        given, self._negative = self._encode([LONG_CAPTION], with_negative=True)
        self._length = given["prompt_embeds"].shape[1]
        self._dtypes = {name: value.dtype for name, value in given.items()}
        shapes = {name: tuple(value.shape[1:]) for name, value in given.items()}
        self.condition_shapes: Mapping[str, tuple[int, ...]] = {n: s for n, s in shapes.items() if not is_mask(n)}
        self._mask_shapes = {n: s for n, s in shapes.items() if is_mask(n)}
        # Some pipelines default to "", and then refuse the embeddings.
        self._no_texts = {name: None for name in call_arguments(pipeline) if NEGATIVE_TEXT.fullmatch(name)}

    @property
    def unconditional(self) -> Mapping[str, Tensor]:
        """The conditions that guidance leads away from: name -> (1, ...)."""
        zeros = {
            name: torch.zeros(1, *shape, dtype=self._dtypes[name]) for name, shape in self.condition_shapes.items()
        }
        return {name: self._negative.get(name, zeros[name]) for name in self.condition_shapes}

    def condition(self, captions: Sequence[str]) -> dict[str, Tensor]:
        """Encode B captions: name -> (B, ...), with masks where the pipeline has them, on the CPU."""
        check_can_encode(self.pipeline)
        return self._encode(plain_captions(self.pipeline, captions))[0]

    @torch.no_grad()
    def decode(
        self, condition: Mapping[str, Tensor], options: DecodeOptions, callback: StepCallback | None = None
    ) -> list[Media]:
        """Make `count` samples for each row; sample number i over all of them has the seed `seed + i`."""
        check_condition(condition, self.condition_shapes, self._mask_shapes)
        pipeline, config = self.pipeline, self.config
        if options.start is not None:
            pipeline = starting_pipeline(pipeline)
            num_steps = options.num_inference_steps or config.num_inference_steps
            config = replace(config, call=start_arguments(pipeline, options, num_steps, config.call))
            callback = callback and _told(callback, num_taken(num_steps, options.strength))

        def make(one: Mapping[str, Tensor], arguments: Mapping[str, Any]) -> Media:
            return self._media(pipeline(**{**arguments, **self._conditions(one)}))

        return decode_rows(pipeline, condition, options, config, make, callback=callback, preview=self._preview)

    def drop_text_encoder(self) -> None:
        """Free the text encoders; what guidance leads away from is kept."""
        drop_text_encoders(self.pipeline)

    def to(self, device: torch.device | str) -> "PromptEmbedsDecoder":
        """Move the pipeline to a device, unless it is offloaded."""
        move(self.pipeline, device, can_move=self._can_move)
        self._device = self.pipeline._execution_device
        return self

    def _encode(
        self, captions: Sequence[str], *, with_negative: bool = False
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        limit = self.config.condition_length
        arguments = {**self.config.call, **({"max_sequence_length": limit} if limit is not None else {})}
        with quiet():  # of the notice that a caption was cut
            return encode(self.pipeline, captions, arguments, self._length, with_negative=with_negative)

    def _conditions(self, condition: Mapping[str, Tensor]) -> dict[str, Tensor | None]:
        """Name the pipeline's arguments: the conditions, their masks, and the same for what guidance leads away from."""
        masks = {name: _mask(condition["prompt_embeds"]) for name in self._mask_shapes}
        given: dict[str, Tensor | None] = {
            name: value.to(self._device, self._dtypes[name]) for name, value in {**masks, **condition}.items()
        }
        given |= {NEGATIVE + name: value.to(self._device) for name, value in self._negative.items()}
        return given | self._no_texts

    def _preview(self, latents: Tensor) -> Image | None:
        return None if self.modality is Modality.AUDIO else preview(self.pipeline.vae, latents)

    def _media(self, output: Any) -> Media:
        if self.modality is Modality.VIDEO:
            frames = torch.from_numpy(np.asarray(output.frames)[0]).float().clamp_(0, 1)
            return Video(rearrange(frames, "t h w c -> t c h w").contiguous(), self.config.rate)
        if self.modality is Modality.AUDIO:
            return to_audio(output.audios[0], _sampling_rate(self.pipeline))
        pixels = torch.from_numpy(output.images[0]).float().clamp_(0, 1)
        return Image(rearrange(pixels, "h w c -> c h w").contiguous())


def _told(callback: StepCallback, num_steps: int) -> StepCallback:
    """Return a callback that is told how many steps are really taken."""
    return lambda step: callback(replace(step, num_steps=num_steps))


def _mask(embeddings: Tensor) -> Tensor:
    """(B, N, D) -> (B, N): 1 where a vector says something."""
    lengths = torch.linalg.vector_norm(embeddings.float(), dim=-1)
    return torch.ge(lengths, SILENCE * lengths.amax(dim=-1, keepdim=True))


def _sampling_rate(pipeline: Any) -> int:
    """Samples per second, of the vocoder where there is one, else of the autoencoder."""
    part = pipeline.vocoder if "vocoder" in pipeline.components else pipeline.vae
    return int(part.config.sampling_rate)

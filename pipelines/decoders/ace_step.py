"""A decoder around ACE-Step 1.5, whose condition is its text encoder's states; it makes music."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from encoders.media import Media
from encoders.modality import Modality
from pipelines.decoders.base import DecodeOptions, DecoderConfig, StepCallback
from pipelines.decoders.captions import plain_captions
from pipelines.decoders.dropping import check_can_encode, drop_text_encoders
from pipelines.decoders.placement import move
from pipelines.decoders.sampling import check_condition, decode_rows, to_audio

LENGTH = 256  # of the states: what the pipeline's own calls allow a prompt
DURATION = 10.0  # seconds, where the config names none


class AceStepDecoder:
    """Make music with an ACE-Step pipeline, without words sung; each sample is made alone, with its own CPU generator.

    Calling the pipeline takes a prompt only, which its `encode_prompt` makes states of: while a sample is made,
    `encode_prompt` answers with the states that were given. What a caption leaves over of them is zero.
    """

    def __init__(self, pipeline: Any, modality: Modality, config: DecoderConfig, *, can_move: bool = True) -> None:
        """`can_move`: `to` moves the pipeline; an offloaded one it leaves to its hooks."""
        self.pipeline = pipeline
        self.pipeline.set_progress_bar_config(disable=True)
        self.modality = modality
        self.config = config
        self._can_move = can_move
        self._call = {"audio_duration": DURATION, **config.call}
        self._length = config.condition_length or LENGTH
        states, _, self._lyrics, self._lyrics_mask = self._encode([""])
        self.condition_shapes: Mapping[str, tuple[int, ...]] = {"prompt_embeds": (self._length, states.shape[-1])}

    @property
    def unconditional(self) -> Mapping[str, Tensor]:
        """Zeros: guidance leads away from a vector that the pipeline has learned, no caption's."""
        return {name: torch.zeros(1, *shape) for name, shape in self.condition_shapes.items()}

    def condition(self, captions: Sequence[str]) -> dict[str, Tensor]:
        """Encode B captions: prompt_embeds (B, length, D), zero behind a caption's end, on the CPU."""
        check_can_encode(self.pipeline)
        states, mask, _, _ = self._encode(plain_captions(self.pipeline, captions))
        silent = states * mask.unsqueeze(-1).to(states.dtype)
        return {"prompt_embeds": functional.pad(silent, (0, 0, 0, self._length - silent.shape[1])).cpu()}

    @torch.no_grad()
    def decode(
        self, condition: Mapping[str, Tensor], options: DecodeOptions, callback: StepCallback | None = None
    ) -> list[Media]:
        """Make `count` sounds for each row; sample number i over all of them has the seed `seed + i`."""
        check_condition(condition, self.condition_shapes)

        def make(one: Mapping[str, Tensor], arguments: Mapping[str, Any]) -> Media:
            given = self._states(one["prompt_embeds"])
            self.pipeline.encode_prompt = lambda **_: given
            try:
                output = self.pipeline(prompt="", **{**self._call, **arguments})
            finally:
                del self.pipeline.encode_prompt  # the class's own is back
            return to_audio(output.audios[0], self.pipeline.vae.config.sampling_rate)

        return decode_rows(self.pipeline, condition, options, self.config, make, callback=callback)

    def drop_text_encoder(self) -> None:
        """Free the text encoder; what it makes of no words sung is kept."""
        drop_text_encoders(self.pipeline)

    def to(self, device: torch.device | str) -> "AceStepDecoder":
        """Move the pipeline to a device, unless it is offloaded."""
        move(self.pipeline, device, can_move=self._can_move)
        return self

    @torch.no_grad()
    def _encode(self, captions: Sequence[str]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Run the pipeline's `encode_prompt`: the states of the captions and of no words, each with its mask."""
        encoded: tuple[Tensor, Tensor, Tensor, Tensor] = self.pipeline.encode_prompt(
            prompt=list(captions),
            lyrics=[self._call.get("lyrics", "")] * len(captions),
            device=self.pipeline._execution_device,
            audio_duration=self._call["audio_duration"],
            max_text_length=self._length,
        )
        return encoded

    def _states(self, states: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(1, length, D) -> what `encode_prompt` returns for it: the states, which of them say something, and the words."""
        device, dtype = self.pipeline._execution_device, self._lyrics.dtype
        mask = states.abs().amax(dim=-1) > 0
        return states.to(device, dtype), mask.to(device), self._lyrics.to(device), self._lyrics_mask.to(device)

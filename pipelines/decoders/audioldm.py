"""A decoder around AudioLDM, whose condition is one unit vector per sound, given to its UNet as a class label."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from encoders.media import Media
from encoders.modality import Modality
from pipelines.decoders.base import DecodeOptions, DecoderConfig, StepCallback
from pipelines.decoders.captions import plain_captions
from pipelines.decoders.dropping import check_can_encode, drop_text_encoders
from pipelines.decoders.placement import move
from pipelines.decoders.sampling import check_condition, decode_rows, to_audio
from pipelines.quiet import quiet

ON_UNIT = 1e-3  # how far from one a length may be and the vector is left as it is, to the bit


class ClassLabelsDecoder:
    """Make sounds with an AudioLDM pipeline; each sample is made alone, with its own CPU generator."""

    def __init__(self, pipeline: Any, modality: Modality, config: DecoderConfig, *, can_move: bool = True) -> None:
        """`can_move`: `to` moves the pipeline; an offloaded one it leaves to its hooks."""
        self.pipeline = pipeline
        self.pipeline.set_progress_bar_config(disable=True)
        self.modality = modality
        self.config = config
        self._can_move = can_move
        self.unconditional: Mapping[str, Tensor] = self.condition([config.call.get("negative_prompt") or ""])
        self.condition_shapes: Mapping[str, tuple[int, ...]] = {
            name: tuple(value.shape[1:]) for name, value in self.unconditional.items()
        }

    @torch.no_grad()
    def condition(self, captions: Sequence[str]) -> dict[str, Tensor]:
        """Encode B captions: prompt_embeds (B, D), unit norm, on the CPU."""
        check_can_encode(self.pipeline)
        device, plain = self.pipeline._execution_device, plain_captions(self.pipeline, captions)
        with quiet():  # of the notice that a caption was cut
            return {"prompt_embeds": self.pipeline._encode_prompt(plain, device, 1, False).cpu()}

    @torch.no_grad()
    def decode(
        self, condition: Mapping[str, Tensor], options: DecodeOptions, callback: StepCallback | None = None
    ) -> list[Media]:
        """Make `count` sounds for each row; sample number i over all of them has the seed `seed + i`."""
        check_condition(condition, self.condition_shapes)

        def make(one: Mapping[str, Tensor], arguments: Mapping[str, Any]) -> Media:
            given = {
                "prompt_embeds": _unit(one["prompt_embeds"]),
                "negative_prompt_embeds": self.unconditional["prompt_embeds"],
                "negative_prompt": None,
            }
            output = self.pipeline(**{**arguments, **given})
            return to_audio(output.audios[0], self.pipeline.vocoder.config.sampling_rate)

        return decode_rows(self.pipeline, condition, options, self.config, make, callback=callback)

    def drop_text_encoder(self) -> None:
        """Free the text encoder; the unconditional condition is kept."""
        drop_text_encoders(self.pipeline)

    def to(self, device: torch.device | str) -> "ClassLabelsDecoder":
        """Move the pipeline to a device, unless it is offloaded."""
        move(self.pipeline, device, can_move=self._can_move)
        return self


def _unit(vectors: Tensor) -> Tensor:
    """(B, D) -> (B, D) of unit length, all the UNet knows: a projection's are near that, the text encoder's on it."""
    lengths = vectors.norm(dim=-1, keepdim=True)
    return torch.where((lengths - 1).abs() < ON_UNIT, vectors, nn.functional.normalize(vectors, dim=-1))

"""A decoder around AudioLDM, whose condition is one unit vector per sound, given to its UNet as a class label."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from encoders.media import Audio, Media
from encoders.modality import Modality
from pipelines.decoders.base import DecodeOptions, DecoderConfig, StepCallback
from pipelines.decoders.sampling import check_condition, decode_rows


@dataclass(frozen=True)
class DroppedTextEncoder:
    """What is left of a freed text encoder: its dtype, which AudioLDM asks for even when it is given embeddings."""

    dtype: torch.dtype


class ClassLabelsDecoder:
    """Make sounds with an AudioLDM pipeline; each sample is made alone, with its own CPU generator."""

    def __init__(self, pipeline: Any, modality: Modality, config: DecoderConfig) -> None:
        self.pipeline = pipeline
        self.pipeline.set_progress_bar_config(disable=True)
        self.modality = modality
        self.config = config
        self.unconditional: Mapping[str, Tensor] = self.condition([""])
        self.condition_shapes: Mapping[str, tuple[int, ...]] = {
            name: tuple(value.shape[1:]) for name, value in self.unconditional.items()
        }

    @torch.no_grad()
    def condition(self, captions: Sequence[str]) -> dict[str, Tensor]:
        """Encode B captions: prompt_embeds (B, D), unit norm, on the CPU."""
        if isinstance(self.pipeline.text_encoder, DroppedTextEncoder):
            raise ValueError("This decoder's text encoder was dropped; load the decoder again to encode captions.")
        return {"prompt_embeds": self.pipeline._encode_prompt(list(captions), self.pipeline.device, 1, False).cpu()}

    @torch.no_grad()
    def decode(
        self, condition: Mapping[str, Tensor], options: DecodeOptions, callback: StepCallback | None = None
    ) -> list[Media]:
        """Make `count` sounds for each row; sample number i over all of them has the seed `seed + i`."""
        check_condition(condition, self.condition_shapes)

        def make(one: Mapping[str, Tensor], arguments: Mapping[str, Any]) -> Media:
            # The UNet knows unit vectors only; a projection's vector is near that, not on it.
            output = self.pipeline(
                prompt_embeds=nn.functional.normalize(one["prompt_embeds"], dim=-1),
                negative_prompt_embeds=self.unconditional["prompt_embeds"],
                **arguments,
            )
            waveform = torch.from_numpy(output.audios[:1])
            return Audio(waveform.float().clamp(-1, 1).contiguous(), self.pipeline.vocoder.config.sampling_rate)

        return decode_rows(
            self.pipeline, condition, options, self.config, make, callback=callback, preview=lambda latents: None
        )

    def drop_text_encoder(self) -> None:
        """Free the text encoder; the unconditional condition is kept."""
        self.pipeline.text_encoder = DroppedTextEncoder(self.pipeline.text_encoder.dtype)

    def to(self, device: torch.device | str) -> "ClassLabelsDecoder":
        """Move the pipeline to a device."""
        self.pipeline.to(device)
        return self

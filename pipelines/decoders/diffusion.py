"""A decoder around any diffusers pipeline that takes `prompt_embeds`: images and videos."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from encoders.media import Image, Media, Video
from encoders.modality import Modality
from pipelines.decoders.base import DecodeOptions, DecoderConfig, StepCallback
from pipelines.decoders.sampling import call_arguments, check_condition, decode_rows

# What `encode_prompt` returns, in order, by a condition that only that family of pipelines takes.
RETURNS = {
    "pooled_prompt_embeds": (
        "prompt_embeds", "negative_prompt_embeds", "pooled_prompt_embeds", "negative_pooled_prompt_embeds",
    ),
    "prompt_attention_mask": (
        "prompt_embeds", "prompt_attention_mask", "negative_prompt_embeds", "negative_prompt_attention_mask",
    ),
    "prompt_embeds": ("prompt_embeds", "negative_prompt_embeds"),
}  # fmt: skip

LATTE_LENGTH = 120  # the length to which LattePipeline.encode_prompt pads


class PromptEmbedsDecoder:
    """Make images or videos with a diffusers pipeline, from embeddings that stand for its encoded prompt.

    The condition's shape is read off the pipeline's own text encoder. Each sample is made alone, with its own CPU
    generator, so that a seed gives the same bytes at any count.
    """

    def __init__(self, pipeline: Any, modality: Modality, config: DecoderConfig) -> None:
        if "prompt_embeds" not in call_arguments(pipeline):
            raise ValueError(f"{type(pipeline).__name__} takes no prompt_embeds; choose a pipeline that does.")
        self.pipeline = pipeline
        self.pipeline.set_progress_bar_config(disable=True)
        self.modality = modality
        self.config = config
        encoded = self._encode([""])
        self._constants = {name: encoded[f"negative_{name}"] for name in encoded if not name.startswith("negative_")}
        # A mask says which positions are real; every position that a projection makes is.
        self.condition_shapes: Mapping[str, tuple[int, ...]] = {
            name: tuple(value.shape[1:]) for name, value in self._constants.items() if not name.endswith("_mask")
        }

    @property
    def unconditional(self) -> Mapping[str, Tensor]:
        """The conditions of the empty caption: name -> (1, ...)."""
        return {name: self._constants[name] for name in self.condition_shapes}

    def condition(self, captions: Sequence[str]) -> dict[str, Tensor]:
        """Encode B captions: name -> (B, ...), on the CPU."""
        if self.pipeline.text_encoder is None:
            raise ValueError("This decoder's text encoder was dropped; load the decoder again to encode captions.")
        encoded = self._encode(captions)
        return {name: encoded[name] for name in self.condition_shapes}

    @torch.no_grad()
    def decode(
        self, condition: Mapping[str, Tensor], options: DecodeOptions, callback: StepCallback | None = None
    ) -> list[Media]:
        """Make `count` samples for each row; sample number i over all of them has the seed `seed + i`."""
        check_condition(condition, self.condition_shapes)

        def make(one: Mapping[str, Tensor], arguments: Mapping[str, Any]) -> Media:
            return self._media(self.pipeline(**self._conditions(one), **arguments))

        return decode_rows(
            self.pipeline, condition, options, self.config, make, callback=callback, preview=self._preview
        )

    def drop_text_encoder(self) -> None:
        """Free the text encoders; the unconditional conditions are kept."""
        for name in self.pipeline.components:
            if name.startswith("text_encoder"):
                setattr(self.pipeline, name, None)

    def to(self, device: torch.device | str) -> "PromptEmbedsDecoder":
        """Move the pipeline to a device."""
        self.pipeline.to(device)
        return self

    def _conditions(self, condition: Mapping[str, Tensor]) -> dict[str, Tensor | None]:
        """Name the pipeline's arguments: the conditions, their masks, and the same for the empty caption."""
        given: dict[str, Tensor | None] = {}
        for name, constant in self._constants.items():
            value = condition.get(name, torch.ones_like(constant))
            given[name] = value.to(self.pipeline.device, constant.dtype)
            given[f"negative_{name}"] = constant.to(self.pipeline.device)
        if "negative_prompt" in call_arguments(self.pipeline):
            given["negative_prompt"] = None  # some pipelines default to "" and then refuse the embeddings
        return given

    def _preview(self, latents: Tensor) -> Image:
        """Decode latents (1, C, [F,] H, W) into a picture of the sample so far, of its middle frame if it moves."""
        vae = self.pipeline.vae
        frame = latents[:, :, latents.shape[2] // 2] if latents.ndim == 5 else latents
        decoded = vae.decode(frame.to(vae.dtype) / vae.config.scaling_factor).sample[0]
        return Image((decoded.float().cpu() / 2 + 0.5).clamp(0, 1))

    def _media(self, output: Any) -> Media:
        if self.modality is Modality.VIDEO:
            frames = torch.from_numpy(np.asarray(output.frames)[0])
            return Video(rearrange(frames, "t h w c -> t c h w").float().clamp(0, 1).contiguous(), self.config.rate)
        pixels = torch.from_numpy(output.images[0])
        return Image(rearrange(pixels, "h w c -> c h w").float().clamp(0, 1).contiguous())

    @torch.no_grad()
    def _encode(self, captions: Sequence[str]) -> dict[str, Tensor]:
        """Run the pipeline's `encode_prompt`: name -> (B, ...), with the negative conditions of the empty caption."""
        wanted = inspect.signature(self.pipeline.encode_prompt).parameters
        if "mask_feature" in wanted:
            return self._encode_masked(captions)
        known = {
            "prompt": list(captions),
            "device": self.pipeline.device,
            "num_images_per_prompt": 1,
            "do_classifier_free_guidance": True,
            "negative_prompt": [""] * len(captions),
            "clean_caption": False,
            "max_sequence_length": self.config.condition_length,
        }
        arguments = {name: value for name, value in known.items() if name in wanted and value is not None}
        encoded = self.pipeline.encode_prompt(**arguments)
        arguments_of_call = call_arguments(self.pipeline)
        names = next(names for marker, names in RETURNS.items() if marker in arguments_of_call)
        length = self.config.condition_length
        return {
            name: (value if "pooled" in name else value[:, :length]).cpu()
            for name, value in zip(names, encoded, strict=True)
        }

    def _encode_masked(self, captions: Sequence[str]) -> dict[str, Tensor]:
        """Encode for Latte, which masks nothing in its transformer: what a caption leaves over is zero.

        So it makes a batch of captions itself (one alone it shortens, which no fixed condition can follow); the empty
        caption it leaves as it is.
        """
        texts = [caption.lower().strip() for caption in captions]
        options = {
            "padding": "max_length",
            "max_length": self.config.condition_length or LATTE_LENGTH,
            "truncation": True,
        }
        tokens = self.pipeline.tokenizer([*texts, ""], return_tensors="pt", **options).to(self.pipeline.device)
        encoded = self.pipeline.text_encoder(tokens.input_ids, attention_mask=tokens.attention_mask)[0].cpu()
        mask = tokens.attention_mask[:-1, :, None].cpu()
        return {
            "prompt_embeds": encoded[:-1] * mask,
            "negative_prompt_embeds": encoded[-1:].expand(len(texts), -1, -1),
        }

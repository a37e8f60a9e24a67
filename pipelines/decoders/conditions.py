"""The conditions of a diffusers pipeline, as its own text encoders make them: names and shapes are found, not written."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import torch
from einops import repeat
from torch import Tensor
from torch.nn import functional

from pipelines.decoders.sampling import call_arguments

Conditions = dict[str, Tensor]
Arguments = Mapping[str, Any]

NEGATIVE = "negative_"
LATTE_LENGTH = 120  # the length to which LattePipeline.encode_prompt pads
# A caption longer than any text encoder takes: pipelines that pad to the longest of a batch show their length by it.
LONG_CAPTION = "word " * 1024
# What `encode_prompt` returns, in order. Where it names no negative ones, they come first in the same batch.
RETURNS = (
    ("prompt_embeds", "negative_prompt_embeds", "pooled_prompt_embeds", "negative_pooled_prompt_embeds"),
    ("prompt_embeds", "prompt_attention_mask", "negative_prompt_embeds", "negative_prompt_attention_mask"),
    ("prompt_embeds", "attention_mask", "generated_prompt_embeds"),
    ("prompt_embeds", "negative_prompt_embeds"),
)


def is_mask(name: str) -> bool:
    """Tell whether a condition only says which positions of the embeddings are real."""
    return name.endswith("mask")


@torch.no_grad()
def encode(
    pipeline: Any, captions: Sequence[str], arguments: Arguments, length: int | None, *, with_negative: bool = False
) -> tuple[Conditions, Conditions]:
    """Encode B captions as calling the pipeline with `arguments` would: two of name -> (B, ...), on the CPU.

    The second is of what the pipeline steers away from, under the same names; it is empty where the pipeline has a
    way of its own. Embeddings are cut or filled up with zeros to `length`, and a caption's are zero where its mask says
    that it has ended, which changes nothing for who looks at the mask.
    """
    special = SPECIAL.get(type(pipeline).__name__)
    if special is not None:
        given, negative = special(pipeline, captions, length)
    else:
        given, negative = _encode_prompt(pipeline, captions, arguments, with_negative=with_negative)
    return _silence(_fit(given, length)), _fit(negative, length)


def _encode_prompt(
    pipeline: Any, captions: Sequence[str], arguments: Arguments, *, with_negative: bool
) -> tuple[Conditions, Conditions]:
    called, wanted = call_arguments(pipeline), inspect.signature(pipeline.encode_prompt).parameters
    values = {name: arguments.get(name, called[name].default) for name in wanted if name in called}
    values |= {name: 1 for name in wanted if name.startswith("num_")}  # num_images_per_prompt, num_videos_per_prompt
    values |= {
        "prompt": list(captions),
        "device": pipeline._execution_device,
        "do_classifier_free_guidance": with_negative,
        "clean_caption": arguments.get("clean_caption", False),  # would want a parser of HTML
    }
    if isinstance(values.get("negative_prompt"), str):
        values["negative_prompt"] = [values["negative_prompt"]] * len(captions)  # as the captions are given
    made = pipeline.encode_prompt(**{name: value for name, value in values.items() if name in wanted})
    names = next((n for n in RETURNS if called.keys() >= set(n) and len(n) == len(made)), None)
    if names is None:
        raise ValueError(
            f"{type(pipeline).__name__}.encode_prompt returns {len(made)} things, of which it is not known what they are."
        )
    named = dict(zip(names, made, strict=True))
    negative = {name.removeprefix(NEGATIVE): value for name, value in named.items() if name.startswith(NEGATIVE)}
    given = {name: value for name, value in named.items() if not name.startswith(NEGATIVE)}
    if not with_negative:
        return given, {}
    if not negative:
        halves = {name: value.chunk(2) for name, value in given.items()}
        return {name: half[1] for name, half in halves.items()}, {name: half[0] for name, half in halves.items()}
    return given, negative


def _encode_latte(pipeline: Any, captions: Sequence[str], length: int | None) -> tuple[Conditions, Conditions]:
    """Encode for Latte, whose transformer looks at no mask: what a caption leaves over is zero.

    So it makes a batch of captions itself (one alone it shortens, which no fixed condition can follow); the empty
    caption it leaves as it is.
    """
    texts = [*(caption.lower().strip() for caption in captions), ""]
    encoded, mask = _encode_text(pipeline, texts, length or LATTE_LENGTH)
    empty = repeat(encoded[-1], "n d -> b n d", b=len(captions))
    return {"prompt_embeds": encoded[:-1] * mask[:-1, :, None]}, {"prompt_embeds": empty}


def _encode_stable_audio(pipeline: Any, captions: Sequence[str], length: int | None) -> tuple[Conditions, Conditions]:
    """Encode for Stable Audio: its `encode_prompt` also projects, and would project again what the call is given.

    It steers away from zeros, which no embedding given to it can say: its projections of the duration are zero too.
    """
    encoded, mask = _encode_text(pipeline, captions, length or pipeline.tokenizer.model_max_length)
    return {"prompt_embeds": encoded, "attention_mask": mask}, {}


SPECIAL: dict[str, Callable[[Any, Sequence[str], int | None], tuple[Conditions, Conditions]]] = {
    "LattePipeline": _encode_latte,
    "StableAudioPipeline": _encode_stable_audio,
}


def _encode_text(pipeline: Any, texts: Sequence[str], length: int) -> tuple[Tensor, Tensor]:
    """B texts -> the text encoder's states (B, length, D), and their mask (B, length)."""
    tokens = pipeline.tokenizer(
        list(texts), padding="max_length", max_length=length, truncation=True, return_tensors="pt"
    ).to(pipeline._execution_device)
    encoded = pipeline.text_encoder(tokens.input_ids, attention_mask=tokens.attention_mask)[0]
    return encoded.cpu(), tokens.attention_mask.cpu()


def _fit(conditions: Conditions, length: int | None) -> Conditions:
    """Cut or fill up sequences to a length."""
    fitted = {name: value.cpu() for name, value in conditions.items()}
    if length is not None:
        for name, value in fitted.items():
            if name == "prompt_embeds" or is_mask(name):
                fill = [0] * (2 * (value.ndim - 2)) + [0, max(0, length - value.shape[1])]
                fitted[name] = functional.pad(value[:, :length], fill)
    return fitted


def _silence(conditions: Conditions) -> Conditions:
    """Set to zero what a mask leaves out."""
    masks = [value.unsqueeze(-1) for name, value in conditions.items() if is_mask(name)]
    embeddings = conditions["prompt_embeds"]
    return {**conditions, "prompt_embeds": prod((mask.to(embeddings.dtype) for mask in masks), start=embeddings)}

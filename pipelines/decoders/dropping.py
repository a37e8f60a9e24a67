"""The freeing of a pipeline's text encoders, which making media from conditions does not need."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

TEXT_PARTS = ("text_encoder", "language_model")  # and text_encoder_2, ...; AudioLDM2 writes with a language model


@dataclass(frozen=True)
class DroppedPart:
    """What is left of a freed part: its dtype and config, which pipelines ask for even when they are given embeddings."""

    dtype: torch.dtype
    config: Any


def drop_text_encoders(pipeline: Any) -> None:
    """Free every text encoder of a pipeline."""
    for name in text_parts(pipeline):
        part = getattr(pipeline, name)
        setattr(pipeline, name, DroppedPart(part.dtype, part.config))


def check_can_encode(pipeline: Any) -> None:
    """Raise ValueError if captions can no longer be encoded."""
    if not text_parts(pipeline):
        raise ValueError("This decoder's text encoder was dropped; load the decoder again to encode captions.")


def text_parts(pipeline: Any) -> list[str]:
    """Name the components that are there to read captions."""
    parts = pipeline.components.items()
    return [name for name, part in parts if name.startswith(TEXT_PARTS) and isinstance(part, nn.Module)]

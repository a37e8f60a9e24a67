"""The any-to-any model: language core, projections, decoders, conversations and presets."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from encoders.options import EncoderOptions
    from pipelines.any_to_any import AnyToAnyOutput, AnyToAnyPipeline
    from pipelines.assembly import assemble
    from pipelines.conversation import Conversation
    from pipelines.core_options import CoreOptions
    from pipelines.decoders.base import DecodeOptions, DecoderConfig
    from pipelines.decoders.placement import Placement
    from pipelines.load_options import LoadOptions
    from pipelines.options import GenerationOptions

__all__ = [
    "AnyToAnyOutput", "AnyToAnyPipeline", "Conversation", "CoreOptions", "DecodeOptions", "DecoderConfig",
    "EncoderOptions", "GenerationOptions", "LoadOptions", "Placement", "assemble",
]  # fmt: skip

# Loaded when they are asked for, since torch takes seconds.
PUBLIC = {
    "AnyToAnyOutput": "pipelines.any_to_any",
    "AnyToAnyPipeline": "pipelines.any_to_any",
    "Conversation": "pipelines.conversation",
    "CoreOptions": "pipelines.core_options",
    "DecodeOptions": "pipelines.decoders.base",
    "DecoderConfig": "pipelines.decoders.base",
    "EncoderOptions": "encoders.options",
    "GenerationOptions": "pipelines.options",
    "LoadOptions": "pipelines.load_options",
    "Placement": "pipelines.decoders.placement",
    "assemble": "pipelines.assembly",
}


def __getattr__(name: str) -> Any:
    if name not in PUBLIC:
        raise AttributeError(f"module 'pipelines' has no attribute {name!r}")
    return getattr(import_module(PUBLIC[name]), name)

"""The any-to-any model: language core, projections, decoders, conversations and presets."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipelines.any_to_any import AnyToAnyOutput, AnyToAnyPipeline
    from pipelines.conversation import Conversation
    from pipelines.decoders.base import DecodeOptions
    from pipelines.options import GenerationOptions

__all__ = ["AnyToAnyOutput", "AnyToAnyPipeline", "Conversation", "DecodeOptions", "GenerationOptions"]

# Loaded when they are asked for, since torch takes seconds.
PUBLIC = {
    "AnyToAnyOutput": "pipelines.any_to_any",
    "AnyToAnyPipeline": "pipelines.any_to_any",
    "Conversation": "pipelines.conversation",
    "DecodeOptions": "pipelines.decoders.base",
    "GenerationOptions": "pipelines.options",
}


def __getattr__(name: str) -> Any:
    if name not in PUBLIC:
        raise AttributeError(f"module 'pipelines' has no attribute {name!r}")
    return getattr(import_module(PUBLIC[name]), name)

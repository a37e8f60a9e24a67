"""The decoders: diffusers pipelines that make media from conditions."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipelines.decoders.loading import load_decoder

__all__ = ["load_decoder"]


def __getattr__(name: str) -> Any:
    """Load what loads decoders when it is asked for: torch takes seconds, and a preset wants a `Placement` alone."""
    if name not in __all__:
        raise AttributeError(f"module 'pipelines.decoders' has no attribute {name!r}")
    return getattr(import_module("pipelines.decoders.loading"), name)

"""Multimodal Studio: what a person uses. `from studio import Studio` loads nothing heavy until it is needed."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from studio.errors import StudioError
    from studio.studio import Studio

__all__ = ["Studio", "StudioError"]

_HOMES = {"Studio": "studio.studio", "StudioError": "studio.errors"}


def __getattr__(name: str) -> Any:
    """Import a public name on first use (PEP 562), so that `import studio` stays light."""
    if name not in _HOMES:
        raise AttributeError(f"module 'studio' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)

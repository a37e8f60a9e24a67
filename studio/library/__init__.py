"""The library: what a person owns and what the studio made, taken in, described, indexed, and mended."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from studio.library.library import Item, Library, Stats

__all__ = ["Item", "Library", "Stats"]


def __getattr__(name: str) -> Any:
    """Import a public name on first use (PEP 562), so that importing a module of this package loads no other."""
    if name not in __all__:
        raise AttributeError(f"module 'studio.library' has no attribute {name!r}")
    from studio.library import library

    return getattr(library, name)

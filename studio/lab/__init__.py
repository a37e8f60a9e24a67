"""The lab: what classic generators can show of themselves, beside each other and beside diffusion."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from studio.lab.explore import (
        PROJECTION_STEPS,
        SHARES,
        Sheet,
        interpolation,
        latent_walk,
        morph,
        nearby,
        picture_for,
        point_of,
        reconstruction,
        samples,
        style_mixing,
        traversal,
        truncation_sweep,
    )

__all__ = [
    "PROJECTION_STEPS",
    "SHARES",
    "Sheet",
    "interpolation",
    "latent_walk",
    "morph",
    "nearby",
    "picture_for",
    "point_of",
    "reconstruction",
    "samples",
    "style_mixing",
    "traversal",
    "truncation_sweep",
]


def __getattr__(name: str) -> Any:
    """Import a public name on first use (PEP 562), so that importing a module of this package loads no other."""
    if name not in __all__:
        raise AttributeError(f"module 'studio.lab' has no attribute {name!r}")
    from studio.lab import explore

    return getattr(explore, name)

"""Ways between latents or styles: straight, or along the sphere on which normal latents nearly lie."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

Way = Literal["linear", "spherical"]
WAYS: tuple[Way, ...] = ("linear", "spherical")
NEARLY_STRAIGHT = 1e-4  # radians, below which an arc is its chord


def between(first: Tensor, second: Tensor, share: float, way: Way = "linear") -> Tensor:
    """The point a share of the way from one (..., width) to the other; on a sphere lengths change evenly too.

    Raises ValueError for another way.
    """
    if way not in WAYS:
        raise ValueError(f"A way is {' or '.join(WAYS)}, not {way!r}.")
    straight: Tensor = first.lerp(second, share)
    if way == "linear":
        return straight
    lengths = [value.norm(dim=-1, keepdim=True) for value in (first, second)]
    a, b = (value / length.clamp(min=1e-12) for value, length in zip((first, second), lengths, strict=True))
    angle = (a * b).sum(dim=-1, keepdim=True).clamp(-1, 1).acos()
    turned = (a * ((1 - share) * angle).sin() + b * (share * angle).sin()) / angle.sin().clamp(min=1e-12)
    is_straight = (angle < NEARLY_STRAIGHT) | (angle > torch.pi - NEARLY_STRAIGHT)
    return torch.where(is_straight, straight, turned * lengths[0].lerp(lengths[1], share))


def walk(points: Sequence[Tensor], steps: int, way: Way = "linear", *, closed: bool = False) -> list[Tensor]:
    """Points from each to the next in `steps` steps, the first and the last included; `closed`: back to the first.

    Raises ValueError for fewer than two points or one step.
    """
    if len(points) < 2 or steps < 1:
        raise ValueError(f"A walk wants two points or more and a step, not {len(points)} and {steps}.")
    ends = [*points[1:], points[0]] if closed else list(points[1:])
    way_points = [
        between(start, end, step / steps, way)
        for start, end in zip(points, ends, strict=False)
        for step in range(steps)
    ]
    return way_points if closed else [*way_points, points[-1]]

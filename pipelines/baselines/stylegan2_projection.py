"""Find the style whose image is nearest to a given one (Karras et al. 2020, appendix D)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import cos, pi, sqrt
from typing import Literal

import torch
from einops import repeat
from torch import Tensor
from torch.nn import functional as F

from encoders.media import Image
from pipelines.baselines.base import to_image
from pipelines.baselines.stylegan2_model import StyleGAN2Network, noise_of

# What two images are compared by: (1, colours, H, W) in [-1, 1] -> a tensor of any shape.
FeatureFunction = Callable[[Tensor], Tensor]

NUM_SAMPLED = 10_000  # latents behind the average style and its spread
CHUNK = 1_000
RAMP_UP, RAMP_DOWN, NOISE_END = 0.05, 0.25, 0.75  # shares of the steps


@dataclass(frozen=True)
class ProjectionOptions:
    """How to search: in "w" all layers share one style, in "w+" each has its own (nearer, and less of a face to edit).

    Early steps add noise of `noise_scale` times the spread of styles, so that the search leaves poor valleys.
    """

    num_steps: int = 1000
    learning_rate: float = 0.1
    noise_scale: float = 0.05
    space: Literal["w", "w+"] = "w"

    def __post_init__(self) -> None:
        if self.num_steps < 1:
            raise ValueError(f"num_steps is at least 1, not {self.num_steps}.")
        if self.space not in ("w", "w+"):
            raise ValueError(f"space is 'w' or 'w+', not {self.space!r}.")


@dataclass(frozen=True, eq=False)
class ProjectionStep:
    """One step of `num_steps` (from 1): its styles (num_ws, w_dim), their distance, and the image that it is of."""

    step: int
    num_steps: int
    distance: float
    ws: Tensor
    image: Image


def pixels(image: Tensor) -> Tensor:
    """Compare by the pixels themselves: the distance is the mean squared difference of values in [-1, 1]."""
    return image


def project(
    network: StyleGAN2Network,
    target: Tensor,
    classes: Tensor,
    options: ProjectionOptions,
    *,
    features: FeatureFunction = pixels,
    generator: torch.Generator,
) -> Iterator[ProjectionStep]:
    """Yield the steps of a search for the styles of (1, colours, H, W), with the stored noise; stop whenever you like.

    The distance is the mean squared difference of `features`. The last steps add no noise to their styles.
    """
    device = target.device
    centre, spread = _styles(network, classes, generator, device)
    rows = network.config.num_ws if options.space == "w+" else 1
    w = repeat(centre, "d -> 1 n d", n=rows).clone().requires_grad_()
    optimiser = torch.optim.Adam([w], lr=options.learning_rate)
    wanted = features(target).detach()
    for step in range(options.num_steps):
        done = step / options.num_steps
        optimiser.param_groups[0]["lr"] = options.learning_rate * _ramp((step + 1) / options.num_steps, done)
        noise = torch.randn(w.shape, generator=generator, device=generator.device).to(device)
        strength = spread * options.noise_scale * max(0.0, 1 - done / NOISE_END) ** 2
        with torch.enable_grad():
            ws = (w + noise * strength).expand(1, network.config.num_ws, -1)
            made = network.synthesis(ws, noise_of("const"))
            distance = F.mse_loss(features(made), wanted)
        (w.grad,) = torch.autograd.grad(distance, [w])
        yield ProjectionStep(step + 1, options.num_steps, distance.item(), ws[0].detach().clone(), to_image(made))
        optimiser.step()


@torch.no_grad()
def _styles(
    network: StyleGAN2Network, classes: Tensor, generator: torch.Generator, device: torch.device
) -> tuple[Tensor, float]:
    """Return the average style (w_dim) of a class, and the root of the mean squared distance from it."""
    found = []
    for _ in range(NUM_SAMPLED // CHUNK):
        z = torch.randn(CHUNK, network.config.z_dim, generator=generator, device=generator.device).to(device)
        found.append(network.mapping.style(z, classes.expand(CHUNK, -1)))
    styles = torch.cat(found)
    centre = styles.mean(dim=0)
    return centre, sqrt(float((styles - centre).square().sum(dim=1).mean()))


def _ramp(reached: float, done: float) -> float:
    """The share of the learning rate: up at the start, down by half a cosine at the end."""
    down = 0.5 - 0.5 * cos(min(1.0, (1 - done) / RAMP_DOWN) * pi)
    return down * min(1.0, reached / RAMP_UP)

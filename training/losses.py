"""The losses of the alignment stages, each a function of tensors alone."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional

Distance = Literal["euclidean", "mse", "cosine", "smooth"]
IGNORED = -100  # the label of a position that teaches nothing, torch's default

_DISTANCES: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "euclidean": lambda given, wanted: torch.linalg.vector_norm(given - wanted, dim=-1).mean(),
    "mse": functional.mse_loss,
    "cosine": lambda given, wanted: (1 - functional.cosine_similarity(given, wanted, dim=-1)).mean(),
    "smooth": functional.smooth_l1_loss,
}
DISTANCES = tuple(_DISTANCES)


def token_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """(P, vocabulary), (P,) -> scalar; positions labelled IGNORED do not count, and nothing to learn costs 0."""
    if not bool((labels != IGNORED).any()):
        return logits.sum() * 0.0
    return functional.cross_entropy(logits.float(), labels, ignore_index=IGNORED)


def condition_distance(given: Tensor, wanted: Tensor, kind: Distance = "euclidean", *, unit: float = 1.0) -> Tensor:
    """(B, Q, D) or (B, D), the same -> scalar: how far projected signals lie from the decoder's own condition.

    "euclidean" is NExT-GPT's: the mean over vectors of sqrt(sum_d (given - wanted)^2). Lengths are measured in `unit`s.
    """
    if given.shape != wanted.shape:
        raise ValueError(f"The projection gives {tuple(given.shape)}, the decoder wants {tuple(wanted.shape)}.")
    if kind not in _DISTANCES:
        raise ValueError(f"No distance {kind!r}; there are: {', '.join(DISTANCES)}.")
    return _DISTANCES[kind](given.float() / unit, wanted.float() / unit)


@dataclass(frozen=True, eq=False)
class Lens:
    """The directions in which conditions differ from caption to caption, and how much each counts: centred PCA.

    A plain distance is ruled by what varies most, of captions the background; the one word that names the thing may then
    stay unlearned. Seen through the lens all directions vary alike, the faintest excepted.
    """

    directions: Tensor  # (length of a flattened condition, components)
    scales: Tensor  # (components,)

    @classmethod
    def of(cls, values: Tensor, max_components: int = 256, floor: float = 1e-3) -> "Lens":
        """(N, ...) conditions, at least two -> their lens; `floor` is the least variance in full, as a share of the most."""
        flat = values.flatten(1).float()
        flat = flat - flat.mean(0)
        variances, mixes = torch.linalg.eigh(flat @ flat.T / len(flat))  # as many samples as may be, few of the length
        kept = min(max_components, int((variances > floor / 10 * variances[-1]).sum()))  # fainter ones are rounding
        variances, mixes = variances[-kept:], mixes[:, -kept:]
        directions = torch.nn.functional.normalize(flat.T @ mixes, dim=0)
        weights = variances / (variances + floor * variances[-1])
        return cls(directions, (weights / weights.sum() / variances).sqrt())

    def unexplained(self, given: Tensor, wanted: Tensor) -> Tensor:
        """(B, ...), the same -> scalar: 0 for the very conditions, 1 on average for their mean."""
        seen = ((given - wanted).float().flatten(1) @ self.directions) * self.scales
        return seen.square().sum(dim=1).mean()


def compare_conditions(
    made: Mapping[str, Tensor],
    wanted: Mapping[str, Tensor],
    kind: Distance,
    units: Mapping[str, float],
    lenses: Mapping[str, Lens],
) -> dict[str, Tensor]:
    """Compare a decoder's conditions, by name, with those wanted: their mean "distance" and, with lenses, "unexplained"."""
    by_name = [condition_distance(made[name], wanted[name], kind, unit=units.get(name, 1.0)) for name in made]
    found = {"distance": torch.stack(by_name).mean()}
    if lenses:
        found["unexplained"] = torch.stack([lenses[name].unexplained(made[name], wanted[name]) for name in made]).mean()
    return found


def denoising_loss(
    predict: Callable[[Tensor, Tensor], Tensor], scheduler: Any, latents: Tensor, noise: Tensor, times: Tensor
) -> Tensor:
    """Score a frozen denoiser, `predict(noisy latents, times (B,))`, by its mean squared error.

    latents, noise (B, ...); `scheduler` is a diffusers DDPMScheduler, which also says what the denoiser predicts.
    """
    noisy = scheduler.add_noise(latents, noise, times)
    given = predict(noisy, times).float()
    return functional.mse_loss(given, denoising_target(scheduler, latents, noise, times))


def denoising_target(scheduler: Any, latents: Tensor, noise: Tensor, times: Tensor) -> Tensor:
    """(B, ...) -> (B, ...): what a denoiser of this scheduler is trained to predict.

    The noise (Ho et al. 2020), the velocity (Salimans and Ho 2022), or the latents themselves.
    """
    kind = scheduler.config["prediction_type"]
    if kind == "epsilon":
        return noise
    if kind == "v_prediction":
        velocity: Tensor = scheduler.get_velocity(latents, noise, times)
        return velocity
    if kind == "sample":
        return latents
    raise ValueError(
        f"No denoising loss for a scheduler that predicts {kind!r}; wanted epsilon, v_prediction or sample."
    )

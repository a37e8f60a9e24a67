"""How near made pictures come to real ones, and how much of them they cover: distances between sets of features.

Features are (N, width) in float64; real ones come first. What the features are of is for the caller to say.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

SSIM_WINDOW, SSIM_STD = 11, 1.5  # of Wang et al. (2004)
SSIM_C1, SSIM_C2 = 0.01**2, 0.03**2


@dataclass(frozen=True)
class Nearness:
    """Precision and recall (Kynkaanniemi et al. 2019), density and coverage (Naeem et al. 2020)."""

    precision: float
    recall: float
    density: float
    coverage: float


def frechet_distance(real: Tensor, made: Tensor) -> float:
    """||m1 - m2||^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)) of two sets' means and covariances (Heusel et al. 2017).

    The trace of the root comes of the eigenvalues of C1 C2, which are those of a symmetric product.
    """
    first, second = torch.cov(real.mT).double(), torch.cov(made.mT).double()
    difference = (real.double().mean(dim=0) - made.double().mean(dim=0)).square().sum()
    values, vectors = torch.linalg.eigh(first)
    root = vectors @ torch.diag(values.clamp(min=0).sqrt()) @ vectors.mT
    between = torch.linalg.eigvalsh(root @ second @ root).clamp(min=0).sqrt().sum()
    return float(difference + first.trace() + second.trace() - 2 * between)


def kernel_distance(real: Tensor, made: Tensor) -> float:
    """The unbiased squared MMD with the kernel (x.y / width + 1)^3 (Binkowski et al. 2018), over all pairs."""
    width = real.shape[1]

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        cubed: Tensor = (a.double() @ b.double().mT / width + 1) ** 3
        return cubed

    def within(a: Tensor) -> Tensor:
        gram = kernel(a, a)
        return (gram.sum() - gram.trace()) / (len(a) * (len(a) - 1))

    return float(within(real) + within(made) - 2 * kernel(real, made).mean())


def nearness(real: Tensor, made: Tensor, *, neighbours: int = 5) -> Nearness:
    """How many made pictures lie among the real ones and the other way round, by balls to the nearest neighbours."""
    real_radius, made_radius = _radius(real, neighbours), _radius(made, neighbours)
    apart = torch.cdist(real.double(), made.double())  # (real, made)
    in_real, in_made = apart <= real_radius[:, None], apart <= made_radius[None]
    return Nearness(
        precision=float(in_real.any(dim=0).double().mean()),
        recall=float(in_made.any(dim=1).double().mean()),
        density=float(in_real.double().sum(dim=0).mean() / neighbours),
        coverage=float((apart.min(dim=1).values <= real_radius).double().mean()),
    )


def diversity(features: Tensor) -> float:
    """The mean distance between two different pictures' features."""
    apart = torch.pdist(features.double())
    return float(apart.mean())


def psnr(first: Tensor, second: Tensor) -> float:
    """Peak signal to noise, in dB, of two pictures (3, H, W) in [0, 1]."""
    error = float((first - second).square().mean())
    return float(-10 * np.log10(max(error, 1e-10)))


def ssim(first: Tensor, second: Tensor) -> float:
    """Structural similarity (Wang et al. 2004) of two pictures (3, H, W) in [0, 1]: Gaussian windows of 11, all inside."""
    places = torch.arange(SSIM_WINDOW, dtype=torch.float64) - SSIM_WINDOW // 2
    row = torch.exp(-places.square() / (2 * SSIM_STD**2))
    window = torch.outer(row, row) / row.sum() ** 2

    def mean(x: Tensor) -> Tensor:
        return F.conv2d(x[:, None], window[None, None])

    a, b = first.double(), second.double()
    mean_a, mean_b = mean(a), mean(b)
    var_a, var_b = mean(a * a) - mean_a**2, mean(b * b) - mean_b**2
    covariance = mean(a * b) - mean_a * mean_b
    likeness = (2 * mean_a * mean_b + SSIM_C1) * (2 * covariance + SSIM_C2)
    return float((likeness / ((mean_a**2 + mean_b**2 + SSIM_C1) * (var_a + var_b + SSIM_C2))).mean())


def _radius(features: Tensor, neighbours: int) -> Tensor:
    """The distance of each from its `neighbours`-th nearest in the same set: (N)."""
    apart = torch.cdist(features.double(), features.double())
    return apart.kthvalue(neighbours + 1, dim=1).values  # the nearest of all is itself

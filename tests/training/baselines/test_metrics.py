"""The distances between sets of features are those that torch-fidelity, prdc and scikit-image compute."""

import numpy as np
import pytest
import scipy.linalg
import torch

from training.baselines.metrics import diversity, frechet_distance, kernel_distance, nearness, psnr, ssim

# Recorded with torch-fidelity 0.4.0, prdc 0.2 and scikit-image on these very numbers.
FRECHET = 1.4129074926247398
KERNEL_OF_160 = 0.6873062461427031
AT_3 = {"precision": 0.925000011920929, "recall": 0.7049999833106995}
AT_5 = {"precision": 0.9625, "recall": 0.775, "density": 1.1675, "coverage": 0.81}
SSIM = 0.826548085875863


@pytest.fixture(scope="module")
def sets() -> tuple[torch.Tensor, torch.Tensor, np.random.Generator]:
    rng = np.random.default_rng(0)
    real = rng.normal(size=(200, 6))
    made = 0.8 * rng.normal(size=(160, 6)) + 0.4
    return torch.from_numpy(real), torch.from_numpy(made), rng


Sets = tuple[torch.Tensor, torch.Tensor, np.random.Generator]


def test_the_frechet_distance_is_torch_fidelitys_and_that_of_scipys_root(sets: Sets) -> None:
    real, made, _ = sets
    assert frechet_distance(real, made) == pytest.approx(FRECHET, rel=1e-8)
    first, second = np.cov(real.numpy().T), np.cov(made.numpy().T)
    root = scipy.linalg.sqrtm(first @ second).real
    wanted = np.square(real.numpy().mean(0) - made.numpy().mean(0)).sum() + np.trace(first + second - 2 * root)
    assert frechet_distance(real, made) == pytest.approx(wanted, rel=1e-8)
    assert frechet_distance(real, real) == pytest.approx(0, abs=1e-9)


def test_the_frechet_distance_stands_fewer_pictures_than_features() -> None:
    few = torch.randn(5, 12, generator=torch.Generator().manual_seed(0))
    assert frechet_distance(few, few) == pytest.approx(0, abs=1e-5)


def test_the_kernel_distance_is_torch_fidelitys(sets: Sets) -> None:
    real, made, _ = sets
    assert kernel_distance(real[:160], made) == pytest.approx(KERNEL_OF_160, rel=1e-8)


def test_precision_and_recall_are_torch_fidelitys_at_three_neighbours(sets: Sets) -> None:
    found = nearness(sets[0], sets[1], neighbours=3)
    assert {"precision": found.precision, "recall": found.recall} == pytest.approx(AT_3, rel=1e-6)


def test_precision_recall_density_and_coverage_are_prdcs_at_five_neighbours(sets: Sets) -> None:
    found = nearness(sets[0], sets[1], neighbours=5)
    assert vars(found) == pytest.approx(AT_5)


def test_diversity_is_the_mean_distance_of_pairs() -> None:
    corners = torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.0, 4.0]])
    assert diversity(corners) == pytest.approx((3 + 4 + 5) / 3)


def test_structural_similarity_is_scikit_images(sets: Sets) -> None:
    rng = np.random.default_rng(0)
    rng.normal(size=(200, 6)), rng.normal(size=(160, 6))
    a = rng.random((3, 24, 20))
    b = np.clip(a + 0.2 * rng.normal(size=a.shape), 0, 1)
    assert ssim(torch.from_numpy(a), torch.from_numpy(b)) == pytest.approx(SSIM, rel=1e-9)
    assert ssim(torch.from_numpy(a), torch.from_numpy(a)) == pytest.approx(1)


def test_psnr_counts_in_decibels() -> None:
    assert psnr(torch.zeros(3, 4, 4), torch.full((3, 4, 4), 0.1)) == pytest.approx(20, abs=1e-4)

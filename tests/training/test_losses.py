"""The losses against torch's own and against the original's formula."""

import pytest
import torch
from diffusers import DDPMScheduler
from torch.nn import functional

from training.losses import (
    DISTANCES,
    IGNORED,
    Lens,
    condition_distance,
    denoising_loss,
    denoising_target,
    token_cross_entropy,
)


def test_ignored_labels_do_not_count() -> None:
    logits = torch.randn(4, 7)
    labels = torch.tensor([1, IGNORED, 3, IGNORED])
    torch.testing.assert_close(
        token_cross_entropy(logits, labels), functional.cross_entropy(logits[[0, 2]], labels[[0, 2]])
    )


def test_nothing_to_learn_costs_nothing_and_keeps_the_graph() -> None:
    logits = torch.randn(2, 7, requires_grad=True)
    loss = token_cross_entropy(logits, torch.full((2,), IGNORED))
    loss.backward()
    assert loss.item() == 0
    assert logits.grad is not None
    assert not logits.grad.any()


def test_euclidean_is_the_mean_length_of_the_differences() -> None:
    given, wanted = torch.randn(3, 5, 8), torch.randn(3, 5, 8)
    lengths = [(given[b, q] - wanted[b, q]).square().sum().sqrt() for b in range(3) for q in range(5)]
    torch.testing.assert_close(condition_distance(given, wanted), torch.stack(lengths).mean())


@pytest.mark.parametrize("kind", DISTANCES)
def test_equal_conditions_are_at_distance_zero_with_a_finite_gradient(kind: str) -> None:
    given = torch.randn(2, 3, 4, requires_grad=True)
    distance = condition_distance(given, given.detach().clone(), kind)  # type: ignore[arg-type]
    distance.backward()
    assert abs(distance.item()) < 1e-6
    assert given.grad is not None
    assert bool(torch.isfinite(given.grad).all())


def test_shapes_that_differ_are_refused() -> None:
    with pytest.raises(ValueError, match=r"gives \(2, 3, 4\), the decoder wants \(2, 5, 4\)"):
        condition_distance(torch.zeros(2, 3, 4), torch.zeros(2, 5, 4))


def test_unknown_distances_are_refused() -> None:
    with pytest.raises(ValueError, match="euclidean"):
        condition_distance(torch.zeros(1, 2), torch.zeros(1, 2), "manhattan")  # type: ignore[arg-type]


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
def test_a_perfect_denoiser_has_no_loss(prediction: str) -> None:
    scheduler = DDPMScheduler(num_train_timesteps=100, prediction_type=prediction)
    latents, noise, times = torch.randn(3, 4, 8, 8), torch.randn(3, 4, 8, 8), torch.tensor([5, 50, 99])
    target = denoising_target(scheduler, latents, noise, times)
    assert denoising_loss(lambda noisy, at: target, scheduler, latents, noise, times).item() == 0


def test_the_velocity_is_that_of_salimans_and_ho() -> None:
    scheduler = DDPMScheduler(num_train_timesteps=100, prediction_type="v_prediction")
    latents, noise, times = torch.randn(2, 4), torch.randn(2, 4), torch.tensor([3, 70])
    alpha = scheduler.alphas_cumprod[times].sqrt().unsqueeze(1)
    sigma = (1 - scheduler.alphas_cumprod[times]).sqrt().unsqueeze(1)
    torch.testing.assert_close(denoising_target(scheduler, latents, noise, times), alpha * noise - sigma * latents)


def test_through_a_lens_the_mean_explains_nothing_and_the_conditions_all() -> None:
    torch.manual_seed(0)
    wanted = torch.randn(64, 4, 8) * torch.tensor([5.0, 1.0, 0.5, 0.2]).view(4, 1) + 3
    lens = Lens.of(wanted)
    assert lens.unexplained(wanted, wanted).item() == 0
    torch.testing.assert_close(
        lens.unexplained(wanted.mean(0).expand_as(wanted), wanted).item(), 1.0, rtol=1e-3, atol=0
    )


def test_a_lens_sees_the_faint_word_that_a_distance_overlooks() -> None:
    torch.manual_seed(0)
    place, thing = torch.randint(4, (256,)), torch.randint(16, (256,))
    wanted = torch.cat([3 * torch.randn(4, 32)[place], 0.5 * torch.randn(16, 8)[thing]], dim=1)
    lens, mean = Lens.of(wanted), wanted.mean(0)
    without_thing = torch.cat([wanted[:, :32], mean[32:].expand(256, -1)], dim=1)
    without_place = torch.cat([mean[:32].expand(256, -1), wanted[:, 32:]], dim=1)
    assert condition_distance(without_thing, wanted) < 0.2 * condition_distance(without_place, wanted)
    assert lens.unexplained(without_thing, wanted) > lens.unexplained(without_place, wanted)

"""Adaptive augmentation: changes that can be told, that can be differentiated twice, and a strength that follows."""

import math

import pytest
import torch

from training.baselines.augment import MAX_STRENGTH, Augmentation, FadingBlur, coloured, moved


def pictures(count: int = 32) -> torch.Tensor:
    return torch.rand(count, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_without_strength_nothing_changes() -> None:
    torch.manual_seed(0)
    images = pictures()
    assert Augmentation()(images) is images
    torch.testing.assert_close(moved(images, 0.0), images, rtol=0, atol=0)
    torch.testing.assert_close(coloured(images, 0.0), images)


def test_a_target_of_nothing_turns_off_what_was_on() -> None:
    on, off = Augmentation(), Augmentation(0)
    on.strength.fill_(0.5)
    off.load_state_dict(on.state_dict())
    images = pictures()
    assert off(images) is images


def test_moved_pictures_are_mirrored_turned_and_shifted_copies() -> None:
    torch.manual_seed(0)
    images = pictures()
    made = moved(images, 1.0)
    assert (made != images).flatten(1).any(dim=1).float().mean() > 0.9
    for before, after in zip(images, made, strict=True):
        inner = after[:, 4:12, 4:12]  # no shift reaches further than 2 pixels, so the middle is whole
        turned = [x.rot90(k, (1, 2)) for x in (before, before.flip(2)) for k in range(4)]
        places = [x[:, 4 + i : 12 + i, 4 + j : 12 + j] for x in turned for i in range(-2, 3) for j in range(-2, 3)]
        assert any(torch.equal(inner, place) for place in places)


def test_colours_keep_the_structure_and_greys_stay_grey() -> None:
    torch.manual_seed(0)
    grey = torch.linspace(-1, 1, 16).expand(64, 3, 16, 16)
    made = coloured(grey, 1.0)
    torch.testing.assert_close(made[:, 0], made[:, 1], rtol=0, atol=1e-5)
    torch.testing.assert_close(made[:, 0], made[:, 2], rtol=0, atol=1e-5)
    slopes = (made[:, 0, 0, -1] - made[:, 0, 0, 0]) / 2
    assert (slopes < 0).any() and (slopes > 0).any()  # some are turned over
    # A change of colour is one matrix for all pixels of a picture: equal pixels stay equal.
    flat = torch.tensor([0.5, -0.2, 0.1]).view(1, 3, 1, 1).expand(8, -1, 4, 4)
    assert coloured(flat, 1.0).flatten(2).var(dim=2).max() < 1e-9


def test_all_of_it_can_be_differentiated_twice() -> None:
    torch.manual_seed(0)
    images = pictures(4).double().requires_grad_()

    def changed(x: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(1)
        return coloured(moved(x, 0.9), 0.9)[:, :, ::5, ::5] ** 2

    small = images[:2, :, :8, :8].detach().clone().requires_grad_()
    assert torch.autograd.gradgradcheck(changed, (small,), fast_mode=True)


def test_the_strength_follows_the_sign_of_the_scores() -> None:
    augmentation = Augmentation(target=0.6, ramp=100)
    augmentation.watch(torch.tensor([3.0, 2.0, 1.0, 5.0]))
    augmentation.watch(torch.full((6,), 0.1))
    augmentation.adapt()
    assert float(augmentation.strength) == pytest.approx(0.1)
    augmentation.watch(torch.tensor([3.0, -2.0]))
    augmentation.adapt()
    assert float(augmentation.strength) == pytest.approx(0.08)
    augmentation.adapt()  # nothing was seen
    assert float(augmentation.strength) == pytest.approx(0.08)
    for _ in range(50):
        augmentation.watch(torch.ones(10))
        augmentation.adapt()
    assert math.isclose(float(augmentation.strength), MAX_STRENGTH, rel_tol=1e-6)
    assert not torch.equal(augmentation(pictures()), pictures())


def test_a_target_of_zero_turns_it_off() -> None:
    augmentation = Augmentation(target=0.0, ramp=10)
    augmentation.watch(torch.ones(10))
    augmentation.adapt()
    assert float(augmentation.strength) == 0
    with pytest.raises(ValueError, match="from 0"):
        Augmentation(target=1.0)


def test_the_blur_takes_detail_away_and_fades() -> None:
    blur = FadingBlur(1.5, first=3, steps=4)
    images = pictures()
    assert blur(images).std() < 0.5 * images.std()
    flat = torch.full((1, 3, 16, 16), 0.25)
    torch.testing.assert_close(blur(flat), flat)
    widths = []
    for step in range(9):
        blur.fade(step)
        widths.append(float(blur.sigma))
    assert widths == [1.5, 1.5, 1.5, 1.5, 1.125, 0.75, 0.375, 0.0, 0.0]
    assert blur(images) is images


def test_the_blur_can_be_differentiated_twice() -> None:
    images = pictures(2).requires_grad_()
    (gradient,) = torch.autograd.grad(FadingBlur(1.0, 0, 1)(images).pow(3).sum(), images, create_graph=True)
    gradient.square().sum().backward()
    assert images.grad is not None and images.grad.abs().sum() > 0

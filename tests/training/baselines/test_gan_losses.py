"""The losses against PyTorch's own, and the regularisers where their value is known."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.baselines.gan_losses import (
    PathLength,
    auxiliary,
    gradient_penalty,
    hinge_discriminator,
    hinge_generator,
    logistic_discriminator,
    logistic_generator,
    orthogonality,
)


def test_the_logistic_losses_are_cross_entropies() -> None:
    torch.manual_seed(0)
    real, fake = torch.randn(6), torch.randn(6)
    cross = F.binary_cross_entropy_with_logits
    torch.testing.assert_close(
        logistic_discriminator(real, fake), cross(real, torch.ones(6)) + cross(fake, torch.zeros(6))
    )
    torch.testing.assert_close(logistic_generator(fake), cross(fake, torch.ones(6)))


def test_the_hinge_leaves_alone_what_is_beyond_one() -> None:
    real, fake = torch.tensor([2.0, 0.5], requires_grad=True), torch.tensor([-3.0, 0.0], requires_grad=True)
    loss = hinge_discriminator(real, fake)
    assert loss.item() == pytest.approx(0.25 + 0.5)
    loss.backward()
    assert real.grad is not None and real.grad.tolist() == [0, -0.5]
    assert fake.grad is not None and fake.grad.tolist() == [0, 0.5]
    assert hinge_generator(fake).item() == pytest.approx(1.5)


def test_the_auxiliary_loss_is_the_mean_of_the_questions_cross_entropies() -> None:
    torch.manual_seed(0)
    logits, first, second = torch.randn(6, 6), torch.randint(3, (6,)), torch.randint(2, (6,))
    classes = torch.cat([torch.eye(3)[first], torch.eye(2)[second], torch.ones(6, 1)], dim=1)
    wanted = (F.cross_entropy(logits[:, :3], first) + F.cross_entropy(logits[:, 3:5], second)) / 2
    torch.testing.assert_close(auxiliary(logits, classes, (3, 2, 1)), wanted)
    assert float(auxiliary(logits[:, :1], classes[:, 5:], (1,))) == 0
    assert float(auxiliary(logits[:, :0], classes[:, :0], ())) == 0


def test_r1_of_a_linear_score_is_the_square_of_its_weights_and_can_be_trained_on() -> None:
    weight = nn.Parameter(torch.randn(3, 4, 4))
    real = torch.randn(5, 3, 4, 4, requires_grad=True)
    penalty = gradient_penalty((real * weight).sum(dim=(1, 2, 3)), real)
    torch.testing.assert_close(penalty, weight.square().sum())
    penalty.backward()
    torch.testing.assert_close(weight.grad, 2 * weight.detach())


def test_the_length_of_a_path_is_known_for_a_generator_that_scales() -> None:
    torch.manual_seed(0)
    lengths, scale = PathLength(share=1.0), nn.Parameter(torch.tensor(3.0))
    ws = torch.randn(64, 2, 48, requires_grad=True)

    def images(ws: Tensor) -> Tensor:  # each style makes one value of a 3x4x4 picture
        return scale * ws.sum(dim=1).unflatten(1, (3, 4, 4))

    made = images(ws)
    penalty = lengths(made, ws)
    # The gradient is scale * noise / sqrt(16) for each of the two styles, its expected square 9 * 48 / 16.
    assert float(lengths.mean) == pytest.approx((9 * 48 / 16) ** 0.5, rel=0.05)
    penalty.backward()
    assert scale.grad is not None and float(scale.grad) != 0
    assert lengths.mean.grad_fn is None


def test_orthogonality_sums_the_products_of_different_rows() -> None:
    torch.manual_seed(0)
    weights = [torch.randn(3, 2, 2, 2), torch.randn(7, 2)]  # a wide one and a tall one
    wanted = sum(
        float(a.flatten() @ b.flatten()) ** 2
        for weight in weights
        for i, a in enumerate(weight)
        for j, b in enumerate(weight)
        if i != j
    )
    assert float(orthogonality(weights)) == pytest.approx(wanted, rel=1e-4)
    assert float(orthogonality([torch.nn.init.orthogonal_(torch.empty(4, 6))])) == pytest.approx(0, abs=1e-5)

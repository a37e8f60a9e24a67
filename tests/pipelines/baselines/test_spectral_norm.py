"""Spectral normalisation is PyTorch's own, under the names of the released weights."""

import pytest
import torch
from torch import nn

from pipelines.baselines.spectral_norm import SpectralNormed, spectral_conv, spectral_linear

EPS = 1e-4


def pair(kind: str) -> tuple[SpectralNormed, nn.Module, torch.Tensor]:
    torch.manual_seed(0)
    if kind == "linear":
        ours, plain, inputs = spectral_linear(5, 4, bias=False, eps=EPS), nn.Linear(5, 4, bias=False), torch.randn(3, 5)
    else:
        ours = spectral_conv(5, 4, 3, bias=True, eps=EPS)
        plain, inputs = nn.Conv2d(5, 4, 3, padding=1), torch.randn(3, 5, 6, 6)
    theirs = nn.utils.spectral_norm(plain, eps=EPS)
    ours.load_state_dict(theirs.state_dict(), strict=True)  # the same names and shapes
    return ours, theirs, inputs


@pytest.mark.parametrize("kind", ["linear", "conv"])
def test_evaluation_uses_the_stored_vectors_as_they_are(kind: str) -> None:
    ours, theirs, inputs = pair(kind)
    with torch.no_grad():
        ours.weight_u.mul_(0.9)  # not unit vectors, and not singular ones
        theirs.load_state_dict(ours.state_dict())
    torch.testing.assert_close(ours.eval()(inputs), theirs.eval()(inputs))


@pytest.mark.parametrize("kind", ["linear", "conv"])
def test_training_steps_the_vectors_and_gives_the_same_gradient(kind: str) -> None:
    ours, theirs, inputs = pair(kind)
    for _ in range(3):
        made, wanted = ours.train()(inputs), theirs.train()(inputs)
        torch.testing.assert_close(made, wanted)
    (made + ours(inputs)).square().sum().backward()  # a second forward has changed the vectors in place
    (wanted + theirs(inputs)).square().sum().backward()
    torch.testing.assert_close(ours.weight_u, theirs.weight_u)
    torch.testing.assert_close(ours.weight_orig.grad, theirs.weight_orig.grad)


def test_after_many_steps_the_largest_singular_value_is_1() -> None:
    layer = spectral_linear(6, 6, bias=False, eps=1e-12)
    nn.init.normal_(layer.weight_orig)
    for _ in range(300):
        layer(torch.zeros(1, 6))
    torch.testing.assert_close(torch.linalg.matrix_norm(layer.eval().normed_weight(), ord=2), torch.tensor(1.0))

"""The layers of StyleGAN2 against SciPy's filters and the formula of modulated convolution."""

import numpy as np
import pytest
import torch
from scipy.signal import convolve2d
from torch.nn import functional as F

from pipelines.baselines.stylegan2_layers import EqualLinear, StyledConv, ToRGB, doubled, filter_taps, normalised

ROWS = [(1.0, 3.0, 3.0, 1.0), (1.0, 2.0, 5.0, 3.0), (1.0, 2.0, 4.0), (1.0, 1.0)]


def upsampled(plane: torch.Tensor, taps: torch.Tensor, before: int) -> torch.Tensor:
    """Put zeros between the values, pad, and convolve: what `upfirdn` of the originals is defined to be."""
    zeros = np.zeros((2 * plane.shape[0], 2 * plane.shape[1]))
    zeros[::2, ::2] = plane.numpy()
    whole = convolve2d(zeros, 4 * taps.numpy(), mode="full")
    start = len(taps) - 1 - before
    return torch.from_numpy(whole[start : start + len(zeros), start : start + zeros.shape[1]]).float()


@pytest.mark.parametrize("row", ROWS)
def test_doubling_is_zeros_between_and_a_convolution(row: tuple[float, ...]) -> None:
    taps, images = filter_taps(row), torch.randn(2, 3, 5, 6)
    made = doubled(images, taps)
    assert made.shape == (2, 3, 10, 12)
    for at in np.ndindex(2, 3):
        torch.testing.assert_close(made[at], upsampled(images[at], taps, before=(len(row) + 1) // 2))


def test_a_constant_stays_the_same_inside_when_it_is_doubled() -> None:
    made = doubled(torch.ones(1, 1, 6, 6), filter_taps((1, 3, 3, 1)))
    torch.testing.assert_close(made[0, 0, 2:-2, 2:-2], torch.ones(8, 8))


def layer(*, is_up: bool, clamp: float | None = None, row: tuple[float, ...] = ROWS[0]) -> StyledConv:
    torch.manual_seed(0)
    made = StyledConv(3, 4, 5, 12 if is_up else 6, is_up=is_up, taps=filter_taps(row), clamp=clamp)
    torch.nn.init.normal_(made.bias)
    torch.nn.init.ones_(made.noise_strength)
    return made


def by_the_formula(made: StyledConv, features: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    """Modulate and demodulate the weights of each sample, as the paper writes it (equations 1 to 3)."""
    out = []
    for x, style in zip(features, made.affine(w), strict=True):
        weight = made.weight * style[:, None, None]
        weight = weight / (weight.square().sum(dim=(1, 2, 3), keepdim=True) + 1e-8).sqrt()
        if made.is_up:
            # Doubled first and convolved with the kernel turned round: the same sum in the other order, but at the edges.
            x = doubled(x[None], made.resample_filter)[0]
            weight = weight.flip((2, 3))
        out.append(F.conv2d(x[None], weight, padding=1)[0])
    values = torch.stack(out) + made.noise_const * made.noise_strength + made.bias[:, None, None]
    return F.leaky_relu(values, 0.2) * 2**0.5


@pytest.mark.parametrize("is_up", [False, True])
def test_a_styled_convolution_is_the_papers(is_up: bool) -> None:
    made, features, w = layer(is_up=is_up), torch.randn(2, 3, 6, 6), torch.randn(2, 5)
    out = made(features, w, lambda conv: conv.noise_const)
    inside = (..., slice(2, -2), slice(2, -2))
    torch.testing.assert_close(out[inside], by_the_formula(made, features, w)[inside])
    torch.testing.assert_close(out[1:], made(features[1:], w[1:], lambda conv: conv.noise_const))


def test_noise_is_optional_and_the_output_is_clamped() -> None:
    features, w = 5 * torch.randn(1, 3, 6, 6), torch.randn(1, 5)
    silent = layer(is_up=False)(features, w, lambda conv: None)
    noisy = layer(is_up=False)(features, w, lambda conv: conv.noise_const)
    assert not torch.equal(silent, noisy)
    limited = layer(is_up=False, clamp=0.3)(features, w, lambda conv: None)
    torch.testing.assert_close(limited, silent.clamp(-0.3, 0.3))
    assert limited.abs().max().item() == pytest.approx(0.3)


def test_colours_are_not_demodulated_and_are_clamped() -> None:
    made, features, w = ToRGB(3, 3, 5, clamp=None), torch.randn(2, 3, 4, 4), torch.randn(2, 5)
    wanted = torch.einsum("oi,bi,bihw->bohw", made.weight[:, :, 0, 0], made.affine(w) / 3**0.5, features)
    torch.testing.assert_close(made(features, w), wanted)
    made.clamp = 0.1
    torch.testing.assert_close(made(features, w), wanted.clamp(-0.1, 0.1))


def test_equalised_layers_keep_the_variance_whatever_their_multiplier() -> None:
    torch.manual_seed(0)
    for multiplier in (1.0, 0.01):
        made = EqualLinear(400, 300, multiplier=multiplier)(torch.randn(200, 400))
        assert made.std().item() == pytest.approx(1.0, abs=0.02)
    torch.testing.assert_close(normalised(3 * torch.randn(4, 50)).square().mean(dim=1), torch.ones(4))

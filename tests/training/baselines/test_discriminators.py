"""The discriminators: sizes, classes, the spread within a batch, filters, and gradients that R1 can differentiate again."""

import pytest
import torch
from torch.nn import functional as F

from pipelines.baselines.biggan_config import BigGANConfig
from pipelines.baselines.biggan_model import BigGANNetwork, SelfAttention
from pipelines.baselines.stylegan2_config import StyleGAN2Config
from pipelines.baselines.stylegan2_layers import filter_taps
from training.baselines.biggan_discriminator import BigGANDiscriminator, BigGANDownBlock
from training.baselines.stylegan2_discriminator import StyleGAN2Discriminator, smoothed, with_spread

BIGGAN = BigGANConfig(
    ((False, 4, 4), (True, 4, 2), (True, 2, 1)), num_classes=5, z_dim=6, channel_width=8, attention_layer_position=2,
)  # fmt: skip
STYLEGAN = StyleGAN2Config((16, 12, 8), z_dim=8, w_dim=8, num_classes=5, num_mapping_layers=2)


def scores_of(kind: str, images: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    torch.manual_seed(0)
    network = BigGANDiscriminator(BIGGAN) if kind == "biggan" else StyleGAN2Discriminator(STYLEGAN)
    scores: torch.Tensor = network.eval()(images, classes)[0]
    return scores


@pytest.mark.parametrize("kind", ["biggan", "stylegan"])
def test_a_score_depends_on_the_picture_and_its_classes(kind: str) -> None:
    images, classes = torch.rand(4, 3, 16, 16), torch.eye(5)[:4]
    scores = scores_of(kind, images, classes)
    assert scores.shape == (4,)
    assert not torch.isclose(scores, scores_of(kind, images, classes.roll(1, 1))).any()
    assert not torch.isclose(scores, scores_of(kind, images.roll(1, 0), classes)).any()


@pytest.mark.parametrize("kind", ["biggan", "stylegan"])
def test_every_parameter_learns_and_the_gradient_of_the_picture_too(kind: str) -> None:
    torch.manual_seed(0)
    network = BigGANDiscriminator(BIGGAN) if kind == "biggan" else StyleGAN2Discriminator(STYLEGAN)
    for module in network.modules():
        if isinstance(module, SelfAttention):
            torch.nn.init.ones_(module.gamma)
    images = torch.randn(4, 3, 16, 16, requires_grad=True)
    scores, logits = network(images, torch.eye(5)[:4])
    (gradient,) = torch.autograd.grad(scores.sum(), images, create_graph=True)
    (gradient.square().sum() + scores.sum() + logits.square().sum()).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


def test_the_mirrored_discriminator_halves_what_the_generator_doubles() -> None:
    generator, discriminator = BigGANNetwork(BIGGAN), BigGANDiscriminator(BIGGAN)
    kinds = [type(layer).__name__ for layer in discriminator.layers]
    assert [k == "SelfAttention" for k in kinds] == [
        type(layer).__name__ == "SelfAttention" for layer in reversed(generator.generator.layers)
    ]
    features = discriminator.first(torch.rand(1, 3, 16, 16))
    sizes = []
    for layer in discriminator.layers:
        features = layer(features, None, 1.0) if isinstance(layer, SelfAttention) else layer(features)
        sizes.append(tuple(features.shape[1:]))
    assert sizes == [(16, 8, 8), (16, 8, 8), (32, 4, 4), (32, 4, 4)]
    with pytest.raises(ValueError, match="keeps or adds channels, not 8 to 4"):
        BigGANDownBlock(8, 4, is_down=False, eps=1e-4)


def test_the_class_counts_by_its_product_with_the_features() -> None:
    torch.manual_seed(0)
    network, images = BigGANDiscriminator(BIGGAN).eval(), torch.rand(2, 3, 16, 16)
    plain, told = network(images, torch.zeros(2, 5))
    one, other = torch.eye(5)[[1, 1]], torch.eye(5)[[3, 3]]
    together, told_again = network(images, one + other)
    torch.testing.assert_close(together - plain, network(images, one)[0] + network(images, other)[0] - 2 * plain)
    assert torch.equal(told, told_again)  # what it takes the pictures to be does not hang on what was asked for


def test_the_spread_is_the_mean_deviation_within_groups_of_four() -> None:
    torch.manual_seed(0)
    features = torch.randn(8, 3, 4, 4)
    added = with_spread(features)
    assert added.shape == (8, 4, 4, 4)
    torch.testing.assert_close(added[:, :3], features)
    for first in range(2):  # a group is every second picture
        group = features[[first, first + 2, first + 4, first + 6]]
        wanted = (group.var(dim=0, correction=0) + 1e-8).sqrt().mean()
        torch.testing.assert_close(added[first::2, 3], wanted.expand(4, 4, 4))
    alike = with_spread(features[:1].expand(4, -1, -1, -1))
    torch.testing.assert_close(alike[:, 3], torch.full((4, 4, 4), 1e-4))
    with pytest.raises(ValueError, match="a multiple of 4 pictures, not 6"):
        with_spread(torch.randn(6, 3, 4, 4))


@pytest.mark.parametrize("kernel", [1, 3])
def test_a_filtered_strided_convolution_halves_and_keeps_a_flat_picture_flat(kernel: int) -> None:
    taps = filter_taps((1, 3, 3, 1))
    flat = torch.ones(1, 2, 16, 16)
    x = F.conv2d(smoothed(flat, taps, kernel=kernel), torch.full((2, 2, kernel, kernel), 1 / (2 * kernel**2)), stride=2)
    assert x.shape == (1, 2, 8, 8)
    torch.testing.assert_close(x[:, :, 2:-2, 2:-2], torch.ones(1, 2, 4, 4))
    # Its own mirror image: nothing is moved by a part of a pixel.
    edge = torch.rand(1, 2, 16, 16)
    both = [
        F.conv2d(smoothed(e, taps, kernel=kernel), torch.ones(2, 2, kernel, kernel), stride=2)
        for e in (edge, edge.flip(3))
    ]
    torch.testing.assert_close(both[0], both[1].flip(3))

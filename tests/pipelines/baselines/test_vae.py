"""The variational autoencoder: its divergence, sampling by class, reading images, folders."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from encoders.media import Image
from pipelines.baselines import registry
from pipelines.baselines.registry import load_baseline
from pipelines.baselines.vae import VAE
from pipelines.baselines.vae_config import VAEConfig
from pipelines.baselines.vae_model import VAENetwork, VAEPass

TINY = VAEConfig((8, 16), z_dim=6, num_classes=5, class_groups=(3, 2), labels=("bell", "boat", "kite", "red", "blue"))


@pytest.fixture(scope="module")
def vae() -> VAE:
    torch.manual_seed(0)
    network = VAENetwork(TINY)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    network.latent_kl.copy_(torch.tensor([1.0, 5.0, 0.0, 5.0, 2.0, 0.0]))
    return VAE(network)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def same(a: Image, b: Image) -> bool:
    return torch.equal(a.pixels, b.pixels)


def picture(seed: int, size: int = 16) -> Image:
    return Image(torch.rand(3, size, size, generator=seeded(seed)))


def test_the_divergence_is_the_one_between_two_normal_distributions() -> None:
    mean, log_variance = torch.randn(4, 6), torch.randn(4, 6)
    wanted = kl_divergence(Normal(mean, (log_variance / 2).exp()), Normal(torch.zeros(6), torch.ones(6)))
    torch.testing.assert_close(VAEPass(mean, mean, log_variance).divergence, wanted)


def test_latents_are_drawn_from_the_posterior_while_training_and_are_its_mean_afterwards() -> None:
    torch.manual_seed(0)
    network = VAENetwork(TINY)
    images, classes = torch.rand(4, 3, 16, 16), torch.zeros(4, 5)
    first, second = network.eval()(images, classes), network(images, classes)
    assert first.reconstruction.shape == (4, 3, 16, 16)
    torch.testing.assert_close(first.reconstruction, second.reconstruction, rtol=0, atol=0)
    torch.testing.assert_close(first.reconstruction, network.decoder(first.mean, classes), rtol=0, atol=0)
    network.train()
    assert not torch.equal(network(images, classes).reconstruction, network(images, classes).reconstruction)


def test_every_parameter_learns() -> None:
    torch.manual_seed(0)
    network = VAENetwork(TINY).train()
    for step in range(2):  # the second convolution of a block begins at 0, and with it the first one's gradient
        network.zero_grad()
        came = network(torch.rand(4, 3, 16, 16), torch.eye(5)[:4])
        (came.reconstruction.square().mean() + came.divergence.mean()).backward()
        if step == 0:
            torch.optim.SGD(network.parameters(), 0.1).step()
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in network.parameters())


def test_the_same_seed_gives_the_same_bytes_however_many_are_made(vae: VAE) -> None:
    three = vae.sample(3, "boat", 0.6, seeded(5)).images
    one = vae.sample(1, "boat", 0.6, seeded(5)).images
    each = vae.sample(2, "boat", 0.6, [seeded(9), seeded(5)]).images
    assert same(three[0], one[0]) and same(each[1], one[0])
    assert not same(three[0], three[1])
    assert one[0].pixels.shape == (3, 16, 16)


def test_class_truncation_and_latents_all_count(vae: VAE) -> None:
    first = vae.sample(1, ["boat", "red"], 0.6, seeded(5)).images[0]
    assert not same(first, vae.sample(1, ["kite", "red"], 0.6, seeded(5)).images[0])
    assert not same(first, vae.sample(1, ["boat", "red"], 0.5, seeded(5)).images[0])
    assert same(first, vae.sample(1, ["boat", "red"], latents=vae.draw_latents(seeded(5), 0.6)).images[0])


def test_what_is_read_of_an_image_does_not_depend_on_the_others(vae: VAE) -> None:
    both = vae.encode([picture(1), picture(2)])
    assert torch.equal(both[1:], vae.encode([picture(2)]))
    assert not torch.equal(both, vae.encode([picture(1), picture(2)], "red"))
    assert same(vae.reconstruct([picture(1)], "red")[0], vae.decode(vae.encode([picture(1)], "red"), "red")[0])
    with pytest.raises(ValueError, match="reads 16x16 images; resize the one of 8x8 first"):
        vae.encode([picture(1, size=8)])


def test_dimensions_come_by_what_they_tell(vae: VAE) -> None:
    assert vae.told_dimensions() == [1, 3, 4, 0, 2, 5]


def test_a_saved_folder_gives_the_same_images(vae: VAE, tmp_path: Path) -> None:
    again = load_baseline(vae.save_pretrained(tmp_path / "saved"))
    assert isinstance(again, VAE)
    assert again.config == TINY and again.told_dimensions() == vae.told_dimensions()
    assert same(
        vae.sample(1, "kite", generator=seeded(2)).images[0], again.sample(1, "kite", generator=seeded(2)).images[0]
    )
    half = VAE.from_pretrained(vae.save_pretrained(tmp_path / "half", dtype=torch.float16))
    weights = (tmp_path / "half" / "model.safetensors", tmp_path / "saved" / "model.safetensors")
    assert weights[0].stat().st_size < 0.6 * weights[1].stat().st_size
    near = half.sample(1, "kite", generator=seeded(2)).images[0].pixels
    torch.testing.assert_close(near, vae.sample(1, "kite", generator=seeded(2)).images[0].pixels, rtol=0, atol=0.01)


def test_an_embedded_baseline_is_loaded_by_name_or_says_how_to_train_one(
    vae: VAE, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "EMBEDDED", tmp_path)
    with pytest.raises(ValueError, match=r"No vae is embedded\. Train one \(studio train vae --data world"):
        load_baseline("vae")
    vae.save_pretrained(tmp_path / "vae")
    assert registry.embedded_baselines() == ("vae",)
    assert isinstance(load_baseline("vae"), VAE)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"label": "bot"}, "did you mean 'boat'"),
        ({"truncation": -0.1}, "truncation is from 0 to 2, not -0.1"),
        ({"count": 2, "latents": torch.zeros(1, 6)}, r"the shape \(2, 6\), not \(1, 6\)"),
    ],
)
def test_what_cannot_be_sampled_is_named(vae: VAE, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        vae.sample(**arguments)


@pytest.mark.parametrize(
    ("changed", "message"), [({"channels": (8, 12)}, "multiples of 8"), ({"z_dim": 0}, "at least one dimension")]
)
def test_impossible_sizes_are_named(changed: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(TINY, **changed)

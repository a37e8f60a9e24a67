"""BigGAN-deep: released sizes, training, sampling by class and truncation, folders and released files."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from encoders.media import Image
from pipelines.baselines.biggan import BigGAN, truncated_normal
from pipelines.baselines.biggan_config import BigGANConfig
from pipelines.baselines.biggan_model import BigGANNetwork
from pipelines.baselines.registry import load_baseline

TINY = BigGANConfig(
    ((False, 4, 4), (True, 4, 2), (True, 2, 1)), num_classes=3, z_dim=6, class_embed_dim=6, channel_width=8,
    attention_layer_position=2, n_stats=5, output_dim=16, labels=("bell", "boat", "kite"),
)  # fmt: skip


@pytest.fixture(scope="module")
def biggan() -> BigGAN:
    torch.manual_seed(0)
    network = BigGANNetwork(TINY)
    torch.nn.init.normal_(network.generator.layers[2].gamma)
    return BigGAN(network)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def same(a: Image, b: Image) -> bool:
    return torch.equal(a.pixels, b.pixels)


@pytest.mark.parametrize(
    ("resolution", "parameters", "tensors"),
    # Released as models of 50.4, 55.9 and 56.2 million parameters.
    [(128, 50_388_609, 506), (256, 55_880_833, 602), (512, 56_163_905, 698)],
)
def test_released_sizes_have_the_released_numbers_of_parameters(resolution: int, parameters: int, tensors: int) -> None:
    config = BigGANConfig.deep(resolution)
    with torch.device("meta"):
        network = BigGANNetwork(config)
    assert config.image_size == config.output_dim == resolution
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters
    assert len(network.state_dict()) == tensors


def test_every_parameter_learns() -> None:
    torch.manual_seed(0)
    network = BigGANNetwork(TINY).train()
    torch.nn.init.ones_(network.generator.layers[2].gamma)
    images = network(torch.randn(4, 6), torch.eye(3)[[0, 1, 2, 0]], 1.0)
    assert images.shape == (4, 3, 16, 16)
    images.square().mean().backward()
    idle = [name for name, parameter in network.named_parameters() if parameter.grad is None]
    assert not idle
    # A bias before a batch norm is taken out again by it, so it has a gradient of 0; weights have not.
    still = [name for name, p in network.named_parameters() if "weight" in name and not p.grad.abs().sum() > 0]
    assert not still


def test_an_image_is_of_its_size_and_range(biggan: BigGAN) -> None:
    (image,) = biggan.sample(label="boat", truncation=0.5, generator=seeded(1)).images
    assert image.pixels.shape == (3, 16, 16)
    assert biggan.image_size == 16
    assert float(image.pixels.std()) > 0.01
    assert biggan.sample(label="boat", output_type="np", generator=seeded(1)).images[0].shape == (16, 16, 3)


def test_the_same_seed_gives_the_same_bytes_however_many_are_made(biggan: BigGAN) -> None:
    three = biggan.sample(3, "boat", 0.6, seeded(5)).images
    one = biggan.sample(1, "boat", 0.6, seeded(5)).images
    each = biggan.sample(2, "boat", 0.6, [seeded(9), seeded(5)]).images
    assert same(three[0], one[0]) and same(each[1], one[0])
    assert not same(three[0], three[1])


def test_class_truncation_and_latents_all_count(biggan: BigGAN) -> None:
    first = biggan.sample(1, "boat", 0.6, seeded(5)).images[0]
    assert not same(first, biggan.sample(1, "kite", 0.6, seeded(5)).images[0])
    assert not same(first, biggan.sample(1, "boat", 0.5, seeded(5)).images[0])
    z = truncated_normal(6, 0.6, seeded(5))
    assert same(first, biggan.sample(1, "boat", 0.6, latents=z).images[0])
    assert same(first, biggan.sample(1, torch.tensor([0.0, 1.0, 0.0]), 0.6, latents=z).images[0])


def test_drawn_latents_are_normal_and_cut_at_two_truncations() -> None:
    z = truncated_normal(20_000, 0.5, seeded(0))
    assert z.abs().max() <= 1.0
    # The spread of a normal distribution cut at two standard deviations is 0.8796 of what it was.
    assert abs(float(z.std()) - 0.5 * 0.8796) < 0.01


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"label": "bot"}, "did you mean 'boat'"),
        ({"label": 3}, "numbers from 0 to 2, not 3"),
        ({"truncation": 0.0}, "truncation is above 0 and at most 1, not 0.0"),
        ({"truncation": 1.01}, "at most 1, not 1.01"),
        ({"truncation": float("nan")}, "at most 1, not nan"),
        ({"count": 0}, "count is at least 1"),
        ({"count": 2, "latents": torch.zeros(1, 6)}, r"the shape \(2, 6\), not \(1, 6\)"),
        ({"count": 2, "generator": [torch.Generator()]}, "2 samples want one generator, or one each; 1 were given"),
        ({"output_type": "tensor"}, "output_type is one of"),
    ],
)
def test_what_cannot_be_sampled_is_named(biggan: BigGAN, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        biggan.sample(**arguments)


def test_a_saved_folder_gives_the_same_images(biggan: BigGAN, tmp_path: Path) -> None:
    again = BigGAN.from_pretrained(biggan.save_pretrained(tmp_path / "saved"))
    assert again.config == TINY
    wanted = biggan.sample(1, "kite", 0.413, seeded(2)).images[0]
    assert same(wanted, again.sample(1, "kite", 0.413, seeded(2)).images[0])
    assert same(wanted, load_baseline(tmp_path / "saved").sample(1, "kite", 0.413, seeded(2)).images[0])


def test_a_folder_of_something_else_is_refused(biggan: BigGAN, tmp_path: Path) -> None:
    folder = biggan.save_pretrained(tmp_path)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "_class_name": "UNet2DModel"}))
    with pytest.raises(ValueError, match="describes 'UNet2DModel', wanted 'BigGAN'"):
        BigGAN.from_pretrained(folder)
    with pytest.raises(ValueError, match="wanted one of: BigGAN, StyleGAN2, VAE"):
        load_baseline(folder)
    (folder / "config.json").write_text(json.dumps({**config, "depth": 3}))
    with pytest.raises(ValueError, match="unknown fields: depth"):
        BigGAN.from_pretrained(folder)


def released(biggan: BigGAN, folder: Path, name: str) -> Path:
    state = {key: value.clone() for key, value in biggan.network.state_dict().items()}
    config = {key: getattr(TINY, key) for key in ("layers", "num_classes", "z_dim", "class_embed_dim", "channel_width")}
    config |= {"attention_layer_position": 2, "n_stats": 5, "eps": 1e-4, "output_dim": 16}
    (folder / f"{name}config.json").write_text(json.dumps(config))
    torch.save(state, folder / f"{name}pytorch_model.bin")
    return folder / f"{name}pytorch_model.bin"


@pytest.mark.parametrize("name", ["biggan-deep-128-", ""])
def test_released_files_are_read_with_the_config_beside_them(biggan: BigGAN, tmp_path: Path, name: str) -> None:
    again = BigGAN.from_single_file(released(biggan, tmp_path, name))
    assert again.config == replace(TINY, labels=())
    assert same(biggan.sample(1, 1, 0.6, seeded(2)).images[0], again.sample(1, 1, 0.6, seeded(2)).images[0])


def test_released_weights_must_fit_name_by_name(biggan: BigGAN, tmp_path: Path) -> None:
    state = torch.load(released(biggan, tmp_path, ""), weights_only=True)
    del state["generator.bn.bias"]
    state |= {"generator.surprise": torch.zeros(1), "generator.bn.weight": torch.zeros(9)}
    save_file(state, tmp_path / "weights.safetensors")
    with pytest.raises(ValueError, match="does not fit") as refused:
        BigGAN.from_single_file(tmp_path / "weights.safetensors")
    assert "1 missing: generator.bn.bias; 1 extra: generator.surprise; 1 wrong shape: generator.bn.weight" in str(
        refused.value
    )
    with pytest.raises(ValueError, match=r"no file .*config\.json"):
        BigGAN.from_single_file(tmp_path / "x-pytorch_model.bin")


def test_a_thousand_classes_are_imagenets_and_a_fixtures_ten_have_numbers(golden: Path, tmp_path: Path) -> None:
    few = BigGAN.from_single_file(golden / "biggan_deep" / "weights.safetensors")
    assert few.config.labels == ()
    values = json.loads((golden / "biggan_deep" / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**values, "num_classes": 1000}))
    state = load_file(golden / "biggan_deep" / "weights.safetensors")
    state["embeddings.weight"] = torch.randn(values["z_dim"], 1000)
    save_file(state, tmp_path / "weights.safetensors")
    assert BigGAN.from_single_file(tmp_path / "weights.safetensors").config.labels == "imagenet"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"layers": ()}, "at least one layer"),
        ({"layers": ((True, 4, 2), (True, 4, 1))}, "2 channel widths is followed by one that reads 4"),
        ({"layers": ((True, 2, 4),)}, "one of these adds some"),
        ({"n_stats": 1}, "n_stats is at least 2"),
    ],
)
def test_impossible_sizes_are_named(changed: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(TINY, **changed)
    with pytest.raises(ValueError, match="released at 128, 256, 512, not at 64"):
        BigGANConfig.deep(64)

"""StyleGAN2 files of three forms are read as the same network, and what cannot be read says why."""

import argparse
import json
import os
from pathlib import Path

import pytest
import torch
from nvlabs_file import network_pickle
from safetensors.torch import load_file, save_file

from pipelines.baselines.stylegan2 import StyleGAN2
from pipelines.baselines.stylegan2_config import StyleGAN2Config
from pipelines.baselines.stylegan2_model import StyleGAN2Network, noise_of
from pipelines.pretrained.rosinality import nvlabs_names, nvlabs_state
from pipelines.pretrained.stylegan2 import read_stylegan2

ADA = {
    "z_dim": 5, "c_dim": 3, "w_dim": 6, "img_resolution": 16, "img_channels": 3,
    "mapping_kwargs": {"num_layers": 2, "lr_multiplier": 0.1}, "synthesis_kwargs": {"conv_clamp": 0.4},
}  # fmt: skip
SIZES = StyleGAN2Config(
    (8, 6, 4), z_dim=5, w_dim=6, num_classes=3, num_mapping_layers=2, mapping_multiplier=0.1, conv_clamp=0.4, embed_dim=6,
    mapping_dim=6, resample_filter=(0.125, 0.375, 0.375, 0.125),
)  # fmt: skip


def state_of(config: StyleGAN2Config) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return {name: value.clone() for name, value in StyleGAN2Network(config).state_dict().items()}


def test_a_pickle_of_nvidias_form_reads_as_the_fixtures_network(golden: Path, tmp_path: Path) -> None:
    folder = golden / "stylegan2_nvlabs"
    state, recorded = load_file(folder / "weights.safetensors"), load_file(folder / "io.safetensors")
    arguments = json.loads((folder / "config.json").read_text())
    (tmp_path / "ffhq.pkl").write_bytes(network_pickle(state, arguments, trace=str(tmp_path / "trace")))
    network, wanted = read_stylegan2(tmp_path / "ffhq.pkl"), read_stylegan2(folder / "weights.safetensors")
    assert network.config == wanted.config
    assert set(network.state_dict()) == set(state)
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())
    with torch.no_grad():
        made = network(recorded["in.z"], torch.zeros(2, 0), noise_of("const"))
    error = (made - recorded["out.img_const_psi1"]).abs().max() / recorded["out.img_const_psi1"].abs().max()
    assert error < 1e-5
    assert not (tmp_path / "trace").exists()


def test_a_pickle_says_itself_how_it_was_built(tmp_path: Path) -> None:
    (tmp_path / "n.pkl").write_bytes(network_pickle(state_of(SIZES), ADA))
    (tmp_path / "config.json").write_text(json.dumps({"architecture": "orig"}))  # of something else
    assert read_stylegan2(tmp_path / "n.pkl").config == SIZES
    stylegan = StyleGAN2.from_single_file(tmp_path / "n.pkl")
    assert stylegan.sample(1, 2, generator=torch.Generator().manual_seed(0)).images[0].pixels.shape == (3, 16, 16)


@pytest.mark.parametrize(
    ("arguments", "clamp"),
    [
        ({"synthesis_kwargs": {"conv_clamp": 256, "num_fp16_res": 4}}, 256.0),
        ({"synthesis_kwargs": {}}, None),  # StyleGAN2-ADA: no clamp unless asked for
        ({}, 256.0),  # the StyleGAN3 repository: a clamp unless refused
        ({"conv_clamp": None, "num_fp16_res": 0}, None),
        ({"conv_clamp": 16, "channel_base": 99}, 16.0),
    ],
)
def test_the_clamp_is_the_one_of_the_repository_that_built_it(
    tmp_path: Path, arguments: dict[str, object], clamp: float | None
) -> None:
    (tmp_path / "n.pkl").write_bytes(network_pickle(state_of(SIZES), arguments))
    assert read_stylegan2(tmp_path / "n.pkl").config.conv_clamp == clamp


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"synthesis_kwargs": {"architecture": "unet"}}, "architecture='unet'; wanted one of skip, orig, resnet"),
        ({"mapping_kwargs": {"activation": "relu"}}, "activation='relu'; only 'lrelu'"),
        ({"use_noise": False}, "use_noise=False; only True"),
        ({"depth": 3}, "depth=3, an argument that is not known"),
        ({"mapping_kwargs": 3}, "mapping_kwargs=3, which is no mapping"),
        ({"conv_clamp": "256"}, "conv_clamp='256', which is no number"),
    ],
)
def test_a_network_that_ours_is_not_is_refused(tmp_path: Path, arguments: dict[str, object], message: str) -> None:
    (tmp_path / "n.pkl").write_bytes(network_pickle(state_of(SIZES), arguments))
    with pytest.raises(ValueError, match=message):
        read_stylegan2(tmp_path / "n.pkl")


def test_an_alias_free_generator_and_a_discriminator_are_named(tmp_path: Path) -> None:
    save_file({"synthesis.input.freqs": torch.zeros(1)}, tmp_path / "r.safetensors")
    with pytest.raises(ValueError, match="alias-free generator of StyleGAN3; only generators of StyleGAN2"):
        read_stylegan2(tmp_path / "r.safetensors", {})
    save_file({"mapping.fc0.weight": torch.zeros(1)}, tmp_path / "odd.safetensors")
    with pytest.raises(ValueError, match="the shapes of something else"):
        read_stylegan2(tmp_path / "odd.safetensors", {})
    save_file({"b4.conv.weight": torch.zeros(1)}, tmp_path / "d.safetensors")
    with pytest.raises(ValueError, match=r"no StyleGAN2 generator: it has no 'mapping\.fc0\.weight'"):
        read_stylegan2(tmp_path / "d.safetensors", {})


def test_a_bare_state_dict_asks_for_the_arguments_and_must_fit_name_by_name(tmp_path: Path) -> None:
    state, path = state_of(SIZES), tmp_path / "n.safetensors"
    save_file(state, path)
    with pytest.raises(ValueError, match=r"does not say how .* put the constructor's arguments into .*config\.json"):
        read_stylegan2(path)
    assert read_stylegan2(path, ADA).config == SIZES
    (tmp_path / "config.json").write_text(json.dumps(ADA))
    assert read_stylegan2(path).config == SIZES
    del state["synthesis.b8.conv1.bias"]
    save_file({**state, "synthesis.b8.surprise": torch.zeros(1)}, path)
    with pytest.raises(ValueError, match=r"1 missing: synthesis\.b8\.conv1\.bias; 1 extra: synthesis\.b8\.surprise"):
        read_stylegan2(path)


def rosinality_state(golden: Path) -> dict[str, torch.Tensor]:
    return load_file(golden / "stylegan2_rosinality" / "weights.safetensors")


def test_rosinalitys_names_are_all_known_and_each_has_its_own(golden: Path) -> None:
    state = rosinality_state(golden)
    num_mapping = sum(name.startswith("style.") and name.endswith("weight") for name in state)
    names = nvlabs_names(num_mapping, sum(name.startswith("to_rgbs.") and "upsample" in name for name in state))
    assert set(names) == set(state)
    assert len(set(names.values())) == len(names)
    assert "unknown" in nvlabs_state({**state, "unknown": torch.zeros(1)})


def test_a_training_checkpoint_of_rosinality_is_read_with_its_average(golden: Path, tmp_path: Path) -> None:
    average = torch.randn(64)
    content = {"g_ema": rosinality_state(golden), "latent_avg": average, "args": argparse.Namespace(size=32), "d": {}}
    torch.save(content, tmp_path / "550000.pt")
    network = read_stylegan2(tmp_path / "550000.pt")
    assert torch.equal(network.mapping.w_avg, average)
    torch.save(content["g_ema"], tmp_path / "bare.pt")
    # Without one the average is that of many styles, as its own programs make it.
    estimated = read_stylegan2(tmp_path / "bare.pt")
    with torch.no_grad():
        z = torch.randn(20_000, 64, generator=torch.Generator().manual_seed(1))
        wanted = estimated.mapping.style(z, torch.zeros(20_000, 0)).mean(dim=0)
    torch.testing.assert_close(estimated.mapping.w_avg, wanted, atol=0.05 * wanted.norm().item(), rtol=0)
    assert wanted.norm() > 0.5
    assert torch.equal(estimated.mapping.w_avg, read_stylegan2(tmp_path / "bare.pt").mapping.w_avg)


def test_a_checkpoint_lacking_a_tensor_or_having_one_more_is_refused(golden: Path, tmp_path: Path) -> None:
    state = rosinality_state(golden)
    del state["noises.noise_3"]
    save_file({**state, "surprise": torch.zeros(1)}, tmp_path / "r.safetensors")
    with pytest.raises(ValueError, match=r"1 missing: synthesis\.b16\.conv0\.noise_const; 1 extra: surprise"):
        read_stylegan2(tmp_path / "r.safetensors")


class Malicious:
    """A pickle that writes a folder as soon as it is opened carelessly."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_a_malicious_checkpoint_is_refused_and_runs_nothing(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    torch.save({"g_ema": {}, "args": Malicious(trace)}, tmp_path / "x.pt")
    with pytest.raises(ValueError, match=r"asks for more than tensors .* refused\. Ask its publisher"):
        read_stylegan2(tmp_path / "x.pt")
    assert not trace.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1], "holds a list; wanted a state dict"),
        ({"g_ema": [1]}, "holds a list as 'g_ema'; wanted a state dict"),
        ({"g_ema": {"style.1.weight": 3}}, "these entries are no tensors: style.1.weight"),
    ],
)
def test_a_checkpoint_of_something_else_is_named(tmp_path: Path, content: object, message: str) -> None:
    torch.save(content, tmp_path / "x.pt")
    with pytest.raises(ValueError, match=message):
        read_stylegan2(tmp_path / "x.pt")
    with pytest.raises(ValueError, match="there is no file"):
        read_stylegan2(tmp_path / "absent.pt")

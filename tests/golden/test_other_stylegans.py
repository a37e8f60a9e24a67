"""Fixtures of StyleGAN2 with other sizes and architectures, in either layout: computed anew, by the papers' formulas."""

from collections.abc import Callable
from dataclasses import replace
from math import sqrt
from pathlib import Path
from typing import Any

import pytest
import torch
from recording import Recorded, assert_compared_whole, write
from torch import Tensor
from torch.nn import functional as F

from pipelines.baselines.stylegan2_config import StyleGAN2Config
from pipelines.baselines.stylegan2_model import StyleGAN2Network

TAPS = torch.tensor([1.0, 3.0, 3.0, 1.0])
FILTER = torch.outer(TAPS, TAPS) / TAPS.sum() ** 2


def random_state(config: StyleGAN2Config) -> Recorded:
    """Random weights: noise and biases too, a filter as the original has it."""
    with torch.device("meta"):
        shapes = {name: value.shape for name, value in StyleGAN2Network(config).state_dict().items()}
    state = {name: torch.randn(shape) for name, shape in shapes.items()}
    for name, value in state.items():
        if name.endswith("resample_filter"):
            state[name] = FILTER
        elif name.startswith("mapping.fc"):
            state[name] = value / config.mapping_multiplier
        elif name.endswith(("torgb.bias", "noise_strength")):
            state[name] = 0.3 * value
    return state


def linear(state: Recorded, name: str, x: Tensor, multiplier: float = 1.0) -> Tensor:
    weight = state[f"{name}.weight"]
    return x @ weight.T * (multiplier / sqrt(weight.shape[1])) + state[f"{name}.bias"] * multiplier


def unit(x: Tensor) -> Tensor:
    return x / (x.pow(2).mean(dim=1, keepdim=True) + 1e-8).sqrt()


def mapped(state: Recorded, config: StyleGAN2Config, z: Tensor, classes: Tensor | None = None) -> Tensor:
    """(B, z_dim) -> (B, w_dim)."""
    x = unit(z)
    if classes is not None:
        x = torch.cat([x, unit(linear(state, "mapping.embed", classes))], dim=1)
    for number in range(config.num_mapping_layers):
        x = F.leaky_relu(linear(state, f"mapping.fc{number}", x, config.mapping_multiplier), 0.2) * sqrt(2)
    return x


def enlarged(x: Tensor) -> Tensor:
    """Zeros between the values, then the filter, with a gain of four."""
    batch, channels, height, width = x.shape
    spread = torch.zeros(batch, channels, 2 * height, 2 * width)
    spread[..., ::2, ::2] = x
    kernel = 4 * FILTER.expand(channels, 1, 4, 4)
    return F.conv2d(F.pad(spread, (2, 1, 2, 1)), kernel, groups=channels)


def synthesised(state: Recorded, config: StyleGAN2Config, ws: Tensor, noise: str, seen: Recorded) -> Tensor:
    """Every sample with weights of its own, as equations 1 to 3 of StyleGAN2 have it."""

    def limited(x: Tensor) -> Tensor:
        return x if config.conv_clamp is None else x.clamp(-config.conv_clamp, config.conv_clamp)

    def conv(name: str, x: Tensor, w: Tensor) -> Tensor:
        style, made = linear(state, f"{name}.affine", w), []
        for sample, row in zip(x, style, strict=True):
            weight = state[f"{name}.weight"] * row[:, None, None]
            weight = weight / (weight.pow(2).sum(dim=(1, 2, 3), keepdim=True) + 1e-8).sqrt()
            if name.endswith("conv0"):  # scattered, which is a convolution with the kernel as it is stored
                whole = F.conv_transpose2d(sample[None], weight.transpose(0, 1), stride=2)
                kernel = 4 * FILTER.expand(len(weight), 1, 4, 4)
                made.append(F.conv2d(F.pad(whole, (1, 1, 1, 1)), kernel, groups=len(weight)))
            else:
                made.append(F.conv2d(sample[None], weight, padding=1))
        y = torch.cat(made)
        if noise == "const":
            y = y + state[f"{name}.noise_const"] * state[f"{name}.noise_strength"]
        return limited(F.leaky_relu(y + state[f"{name}.bias"][:, None, None], 0.2) * sqrt(2))

    def colours(name: str, x: Tensor, w: Tensor) -> Tensor:
        weight = state[f"{name}.weight"][:, :, 0, 0]
        style = linear(state, f"{name}.affine", w) / sqrt(weight.shape[1])
        made = torch.einsum("bchw,bc,oc->bohw", x, style, weight)
        return limited(made + state[f"{name}.bias"][:, None, None])

    x, image, at = state["synthesis.b4.const"].expand(len(ws), -1, -1, -1), None, 0
    for size in config.sizes:
        name, before = f"synthesis.b{size}", x
        if size > 4:
            x = seen[f"{name}.conv0"] = conv(f"{name}.conv0", x, ws[:, at])
            at += 1
        x = seen[f"{name}.conv1"] = conv(f"{name}.conv1", x, ws[:, at])
        at += 1
        if size > 4 and config.architecture == "resnet":
            around = torch.einsum("bchw,oc->bohw", before, state[f"{name}.skip.weight"][:, :, 0, 0])
            x = (x + enlarged(around / sqrt(before.shape[1]))) / sqrt(2)
        seen[f"{name}.x"] = x
        if config.architecture == "skip" or size == config.image_size:
            own = colours(f"{name}.torgb", x, ws[:, at])
            image = own if image is None else enlarged(image) + own
            seen[f"{name}.img"] = image
    assert image is not None
    return image


def nvlabs(
    folder: Path, config: StyleGAN2Config, arguments: dict[str, Any], *, step: int = 1, psi: float = 0.6
) -> None:
    """Record styles, every block, and images by noise and truncation."""
    state = random_state(config)
    z, classes = torch.randn(2, config.z_dim), torch.eye(config.num_classes)[[0, -1]] if config.num_classes else None
    w = mapped(state, config, z, classes)
    ws = w[:, None].repeat(1, config.num_ws, 1)
    direct, average, seen = torch.randn(2, config.num_ws, config.w_dim), state["mapping.w_avg"], {}
    cutoff = config.num_ws // 2
    cut = torch.cat([(average + psi * (w - average))[:, None].repeat(1, cutoff, 1), ws[:, cutoff:]], dim=1)
    recorded = {
        "in.z": z, "in.ws_direct": direct, "mid.ws_psi1": ws, f"mid.ws_psi{psi}_cutoff{cutoff}": cut,
        f"out.img_const_psi1_ds{step}": synthesised(state, config, ws, "const", seen)[..., ::step, ::step],
        f"out.img_none_psi{psi}_cutoff{cutoff}_ds{step}": synthesised(state, config, cut, "none", {})[..., ::step, ::step],
        "out.img_from_ws": synthesised(state, config, direct, "const", {}),
    }  # fmt: skip
    for size in config.sizes:
        recorded[f"mid.b{size}_x_first2ch"] = seen[f"synthesis.b{size}.x"][:, :2]
        if f"synthesis.b{size}.img" in seen:
            recorded[f"mid.b{size}_img"] = seen[f"synthesis.b{size}.img"]
    if classes is not None:
        recorded["in.c"] = classes
    facts = {
        "z_dim": config.z_dim, "c_dim": config.num_classes, "w_dim": config.w_dim, "img_resolution": config.image_size,
        "img_channels": config.image_channels, "mapping_kwargs": {"num_layers": config.num_mapping_layers},
    }  # fmt: skip
    write(folder, {**facts, **arguments}, state, recorded)


SIZES: dict[str, Any] = {"z_dim": 7, "w_dim": 9, "mapping_dim": 9, "num_mapping_layers": 2}


def skip_of_64_pixels(folder: Path) -> None:
    """Channels by the rule of a base and a maximum, classes, a clamp that takes effect, and styles beyond the average."""
    config = StyleGAN2Config.released(
        64, channel_base=256, channel_max=12, **SIZES, num_classes=3, embed_dim=9, conv_clamp=0.9
    )
    synthesis = {"channel_base": 256, "channel_max": 12, "num_fp16_res": 0, "conv_clamp": 0.9}
    nvlabs(folder, config, {"synthesis_kwargs": synthesis}, step=5, psi=-0.4)


def resnet(folder: Path) -> None:
    """The later repository's form of arguments, and its clamp unless it is told of none."""
    config = StyleGAN2Config((6, 5, 8), **SIZES, architecture="resnet", conv_clamp=256.0)
    nvlabs(folder, config, {"architecture": "resnet", "channel_max": 8})


def resnet_with_a_clamp(folder: Path) -> None:
    config = StyleGAN2Config((8, 6, 4, 3), **SIZES, architecture="resnet", conv_clamp=0.5, image_channels=1)
    nvlabs(folder, config, {"synthesis_kwargs": {"architecture": "resnet", "conv_clamp": 0.5}})


def orig(folder: Path) -> None:
    config = StyleGAN2Config((6, 5, 4), **SIZES, architecture="orig")
    nvlabs(folder, config, {"synthesis_kwargs": {"architecture": "orig", "conv_clamp": None}})


def a_mapping_of_its_own(folder: Path) -> None:
    """A mapping of other widths within, and of another learning rate."""
    sizes = {"z_dim": 7, "w_dim": 9, "mapping_dim": 6, "num_mapping_layers": 3, "num_classes": 2, "embed_dim": 5}
    mapping = {"num_layers": 3, "embed_features": 5, "layer_features": 6, "lr_multiplier": 0.5, "w_avg_beta": 0.9}
    config = StyleGAN2Config((5, 4), **sizes, mapping_multiplier=0.5)  # type: ignore[arg-type]
    nvlabs(folder, config, {"mapping_kwargs": mapping, "synthesis_kwargs": {}})


def a_single_block(folder: Path) -> None:
    nvlabs(folder, StyleGAN2Config((5,), **SIZES, image_channels=2), {"synthesis_kwargs": {}})


def grey_pictures(folder: Path) -> None:
    """One layer of mapping, and channels that grow again."""
    config = StyleGAN2Config((6, 8, 5), z_dim=7, w_dim=7, num_mapping_layers=1, image_channels=1)
    nvlabs(folder, config, {"synthesis_kwargs": {}}, psi=0.25)


def rosinality(folder: Path) -> None:
    """Three doublings, and a mapping whose learning rate is another."""
    sizes = {**SIZES, "z_dim": 10, "w_dim": 10, "mapping_dim": 10, "num_mapping_layers": 3}
    config = StyleGAN2Config((7, 6, 5, 3), **sizes, mapping_multiplier=0.1)
    state, seen = random_state(config), {}
    z, other, direct = torch.randn(2, 10), torch.randn(2, 10), torch.randn(2, config.num_ws, 10)
    w, w_other, average = mapped(state, config, z), mapped(state, config, other), state["mapping.w_avg"]

    def spread(style: Tensor, truncation: float) -> Tensor:
        return (average + truncation * (style - average))[:, None].repeat(1, config.num_ws, 1)

    mix = torch.cat([spread(w, 0.7)[:, :5], spread(w_other, 0.7)[:, 5:]], dim=1)
    recorded = {
        "in.z": z, "in.z2": other, "in.latent_avg": average[None], "in.latent_direct": direct, "mid.w": w,
        "mid.latents": spread(w, 1.0), "out.img_psi1": synthesised(state, config, spread(w, 1.0), "const", seen),
        "out.img_psi0.45_ds3": synthesised(state, config, spread(w, 0.45), "const", {})[..., ::3, ::3],
        "out.img_mix_inject5": synthesised(state, config, mix, "const", {}),
        "out.img_from_latent": synthesised(state, config, direct, "const", {}),
        "mid.conv1_first4ch": seen["synthesis.b4.conv1"][:, :4], "mid.to_rgb1": seen["synthesis.b4.img"],
    }  # fmt: skip
    for level, size in enumerate(config.sizes[1:]):
        recorded[f"mid.to_rgbs.{level}"] = seen[f"synthesis.b{size}.img"]
        recorded[f"mid.convs.{2 * level}_first3ch"] = seen[f"synthesis.b{size}.conv0"][:, :3]
        recorded[f"mid.convs.{2 * level + 1}_ds2"] = seen[f"synthesis.b{size}.conv1"][..., ::2, ::2]
    facts = {
        "size": 32, "style_dim": 10, "n_mlp": 3, "channel_multiplier": 1, "lr_mlp": 0.1,
        "channels": {str(size): width for size, width in zip(config.sizes, config.channels, strict=True)},
    }  # fmt: skip
    write(folder, facts, _in_rosinalitys_layout(state, config), recorded)


def _in_rosinalitys_layout(state: Recorded, config: StyleGAN2Config) -> Recorded:
    made = {"input.input": state["synthesis.b4.const"][None]}
    for number in range(config.num_mapping_layers):
        for part in ("weight", "bias"):
            made[f"style.{number + 1}.{part}"] = state[f"mapping.fc{number}.{part}"]

    def modulated(theirs: str, ours: str) -> None:
        made[f"{theirs}.conv.weight"] = state[f"{ours}.weight"][None]
        for part in ("weight", "bias"):
            made[f"{theirs}.conv.modulation.{part}"] = state[f"{ours}.affine.{part}"]

    places = [("conv1", "synthesis.b4.conv1")]
    for level, size in enumerate(config.sizes[1:]):
        places += [(f"convs.{2 * level + at}", f"synthesis.b{size}.conv{at}") for at in (0, 1)]
        made[f"convs.{2 * level}.conv.blur.kernel"] = made[f"to_rgbs.{level}.upsample.kernel"] = 4 * FILTER
    for number, (theirs, ours) in enumerate(places):
        modulated(theirs, ours)
        made[f"{theirs}.noise.weight"] = state[f"{ours}.noise_strength"][None]
        made[f"{theirs}.activate.bias"] = state[f"{ours}.bias"]
        made[f"noises.noise_{number}"] = state[f"{ours}.noise_const"][None, None]
    for level, size in enumerate(config.sizes):
        theirs = f"to_rgbs.{level - 1}" if level else "to_rgb1"
        modulated(theirs, f"synthesis.b{size}.torgb")
        made[f"{theirs}.bias"] = state[f"synthesis.b{size}.torgb.bias"][None, :, None, None]
    return made


MAKERS = [
    skip_of_64_pixels,
    resnet,
    resnet_with_a_clamp,
    orig,
    a_mapping_of_its_own,
    a_single_block,
    grey_pictures,
    rosinality,
]


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
def test_a_stylegan2_of_other_sizes_is_compared_whole(make: Callable[[Path], None], tmp_path: Path) -> None:
    assert_compared_whole(make, tmp_path)


def test_an_architecture_that_there_is_not_is_named() -> None:
    with pytest.raises(ValueError, match="architecture is one of skip, orig, resnet, not 'unet'"):
        replace(StyleGAN2Config((4, 4)), architecture="unet")  # type: ignore[arg-type]

"""Fixtures of BigGAN-deep with the released 256 and 512 layer lists, and other sizes: computed from the weights anew."""

from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from math import modf
from pathlib import Path

import pytest
import torch
from recording import Recorded, assert_compared_whole, write
from torch import Tensor
from torch.nn import functional as F

from pipelines.baselines.biggan_config import BigGANConfig
from pipelines.baselines.biggan_model import BigGANNetwork


def biggan(folder: Path, config: BigGANConfig, truncations: tuple[str, ...], step: int) -> None:
    """Record images and every layer of a network that is random throughout."""
    with torch.device("meta"):
        shapes = {name: value.shape for name, value in BigGANNetwork(config).state_dict().items()}
    state = {name: _random(name, shape) for name, shape in shapes.items()}
    z, classes = torch.randn(2, config.z_dim), torch.eye(config.num_classes)[[1, 3]]
    classes[1] = torch.rand(config.num_classes).softmax(dim=0)
    recorded = {"in.z": z, "in.class_vector": classes}
    for truncation in truncations:
        seen: Recorded = {}
        image = computed(state, config, z, classes, float(truncation), seen)
        recorded[f"out.image_trunc{truncation}_ds{step}"] = image[..., ::step, ::step]
    recorded |= {f"mid.{name}": seen.pop(name) for name in ("cond_vector", "gen_z")}
    for name, made in seen.items():
        recorded[f"mid.{name}_trunc{truncations[-1]}"] = made[:1, :8, :: made.shape[2] // 4, :: made.shape[3] // 4]
    ours = ("labels", "class_groups")  # fields that the released configs do not have
    write(folder, {name: value for name, value in asdict(config).items() if name not in ours}, state, recorded)


def _random(name: str, shape: torch.Size) -> Tensor:
    if name.endswith("running_vars"):
        return 0.5 + torch.rand(shape)
    if name.endswith(("weight_u", "weight_v")):  # no singular pair, but near the direction of one for a positive weight
        return F.normalize(1 + torch.rand(shape), dim=0)
    if name.endswith("weight_orig"):
        return torch.randn(shape) / shape[1:].numel() ** 0.5 + 1 / (shape[0] * shape[1:].numel()) ** 0.5
    return 0.3 * torch.randn(shape)


def computed(
    state: Recorded, config: BigGANConfig, z: Tensor, classes: Tensor, truncation: float, seen: Recorded
) -> Tensor:
    """The generator, from its tensors alone."""

    def weight(name: str) -> Tensor:
        matrix = state[f"{name}.weight_orig"].flatten(1)
        return state[f"{name}.weight_orig"] / (state[f"{name}.weight_u"] @ matrix @ state[f"{name}.weight_v"])

    def conv(name: str, x: Tensor) -> Tensor:
        kernel = weight(name)
        return F.conv2d(x, kernel, state.get(f"{name}.bias"), padding=kernel.shape[-1] // 2)

    def norm(name: str, x: Tensor) -> Tensor:
        means, variances = state[f"{name}.running_means"], state[f"{name}.running_vars"]
        share, row = modf(truncation / (1.0 / (config.n_stats - 1)))
        at = int(row)
        mean, var = means[at], variances[at]
        if share:  # the shares are exchanged in the original
            mean, var = (share * table[at] + (1 - share) * table[at + 1] for table in (means, variances))
        x = (x - mean[:, None, None]) / (var[:, None, None] + config.eps).sqrt()
        if f"{name}.weight" in state:
            return x * state[f"{name}.weight"][:, None, None] + state[f"{name}.bias"][:, None, None]
        scale, offset = (condition @ weight(f"{name}.{part}").T for part in ("scale", "offset"))
        return x * (1 + scale[..., None, None]) + offset[..., None, None]

    def block(name: str, x: Tensor, is_up: bool, num_out: int) -> Tensor:
        grow = partial(F.interpolate, scale_factor=2) if is_up else torch.nn.Identity()
        y = conv(f"{name}.conv_0", norm(f"{name}.bn_0", x).relu())
        y = conv(f"{name}.conv_1", grow(norm(f"{name}.bn_1", y).relu()))
        y = conv(f"{name}.conv_2", norm(f"{name}.bn_2", y).relu())
        return conv(f"{name}.conv_3", norm(f"{name}.bn_3", y).relu()) + grow(x[:, :num_out])

    def attention(name: str, x: Tensor) -> Tensor:
        query = conv(f"{name}.snconv1x1_theta", x).flatten(2)
        key, value = (F.max_pool2d(conv(f"{name}.snconv1x1_{part}", x), 2).flatten(2) for part in ("phi", "g"))
        found = value @ (query.mT @ key).softmax(dim=-1).mT
        return x + state[f"{name}.gamma"] * conv(f"{name}.snconv1x1_o_conv", found.unflatten(2, x.shape[2:]))

    condition = seen["cond_vector"] = torch.cat([z, classes @ state["embeddings.weight"].T], dim=1)
    seen["gen_z"] = F.linear(condition, weight("generator.gen_z"), state["generator.gen_z.bias"])
    x, number = seen["gen_z"].view(len(z), 4, 4, -1).permute(0, 3, 1, 2), 0
    for position, (is_up, _, num_out) in enumerate(config.layers):
        if position == config.attention_layer_position:
            x = seen[f"layer{number}"] = attention(f"generator.layers.{number}", x)
            number += 1
        x = seen[f"layer{number}"] = block(f"generator.layers.{number}", x, is_up, num_out * config.channel_width)
        number += 1
    return conv("generator.conv_to_rgb", norm("generator.bn", x).relu())[:, :3].tanh()


SMALL = {"num_classes": 6, "z_dim": 6, "class_embed_dim": 6, "channel_width": 4, "labels": ()}


def released_256(folder: Path) -> None:
    biggan(folder, replace(BigGANConfig.deep(256), **SMALL), ("0.58", "1.0"), 4)


def released_512(folder: Path) -> None:
    biggan(folder, replace(BigGANConfig.deep(512), **SMALL), ("0.4", "0.71"), 8)


def own_sizes(folder: Path) -> None:
    """Attention before any doubling, widths that no bottleneck divides evenly, and a table of other rows."""
    layers = ((False, 4, 3), (False, 3, 3), (True, 3, 2), (True, 2, 2), (True, 2, 1))
    config = BigGANConfig(
        layers, num_classes=5, z_dim=7, class_embed_dim=7, channel_width=10, attention_layer_position=1, eps=1e-5,
        n_stats=21, output_dim=32,
    )  # fmt: skip
    biggan(folder, config, ("0.85", "0.02", "0.33"), 3)


@pytest.mark.parametrize("make", [released_256, released_512, own_sizes], ids=lambda make: make.__name__)
def test_a_biggan_of_other_sizes_is_compared_whole(make: Callable[[Path], None], tmp_path: Path) -> None:
    assert_compared_whole(make, tmp_path)

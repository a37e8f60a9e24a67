"""StyleGAN2, in NVIDIA's layout and in rosinality's: styles, every block, and images by truncation, noise and mixing."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from parity import Compared, as_recorded
from safetensors.torch import load_file
from torch import Tensor, nn

from pipelines.baselines.stylegan2_model import StyleGAN2Network, mixed, noise_of
from pipelines.pretrained.rosinality import nvlabs_names
from pipelines.pretrained.stylegan2 import read_stylegan2

PREFIX = ("stylegan2_nvlabs", "stylegan2_rosinality")
NUMBER = r"-?[0-9.]*[0-9]"
WS = re.compile(rf"mid\.ws_psi(?P<psi>{NUMBER})(?:_cutoff(?P<cutoff>\d+))?")
IMAGE = re.compile(rf"out\.img_(?P<noise>const|none)_psi(?P<psi>{NUMBER})(?:_cutoff(?P<cutoff>\d+))?(?:_ds\d+)?")
MIXED = re.compile(r"out\.img_mix_inject(?P<at>\d+)(?:_ds\d+)?")
TRUNCATED = re.compile(rf"out\.img_psi(?P<psi>{NUMBER})(?:_ds\d+)?")
PLACE = re.compile(r"mid\.(?P<place>(?:conv|to_rgb)s?[.\d]*\d|b\d+_(?:x|img))(?:_first\d+ch)?(?:_ds\d+)?")
MIXING_TRUNCATION = 0.7


@torch.no_grad()
def compare(folder: Path) -> Iterator[Compared]:
    """Run the recorded latents; which layout it is, the names of the weights say."""
    recorded = load_file(folder / "io.safetensors")
    network = read_stylegan2(folder / "weights.safetensors").eval()
    is_rosinality = any(name.startswith("style.") for name in load_file(folder / "weights.safetensors"))
    rows = _rosinality(network, recorded) if is_rosinality else _nvlabs(network, recorded)
    for name, made in rows:
        yield name, as_recorded(made, recorded[name], name), recorded[name]


def _nvlabs(network: StyleGAN2Network, recorded: dict[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    z = recorded["in.z"]
    ws = network.mapping(z, recorded.get("in.c", torch.zeros(len(z), 0)))
    blocks = _watch(network, {f"b{size}": f"synthesis.b{size}" for size in network.config.sizes})
    network.synthesis(ws, noise_of("const"))
    seen = {f"{name}_{part}": made[at] for name, made in blocks.items() for at, part in enumerate(("x", "img"))}
    yield from _places(seen, recorded)
    for name in recorded:
        if match := WS.fullmatch(name):
            yield name, _truncated(network, ws, match)
        elif match := IMAGE.fullmatch(name):
            yield name, network.synthesis(_truncated(network, ws, match), noise_of(match["noise"]))
    if "out.img_from_ws" in recorded:
        yield "out.img_from_ws", network.synthesis(recorded["in.ws_direct"], noise_of("const"))


def _rosinality(network: StyleGAN2Network, recorded: dict[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    if "in.latent_avg" in recorded:
        network.mapping.w_avg.copy_(recorded["in.latent_avg"].flatten())
    given = [recorded[name] for name in ("in.z", "in.z2") if name in recorded]
    ws, *rest = (network.mapping(z, torch.zeros(len(z), 0)) for z in given)
    ends = (".weight", ".conv.weight")
    names = nvlabs_names(0, len(network.config.sizes) - 1)
    places = {a.removesuffix(ends[1]): b.removesuffix(ends[0]) for a, b in names.items() if a.endswith(ends[1])}
    # Colours are recorded as accumulated so far, which ours are at the end of a block.
    of_blocks = {name: place.removesuffix(".torgb") for name, place in places.items() if name.startswith("to_rgb")}
    seen = _watch(network, {**places, **of_blocks})
    network.synthesis(ws, noise_of("const"))
    yield from _places({n: made[1] if isinstance(made, tuple) else made for n, made in seen.items()}, recorded)
    plain = {"mid.w": ws[:, 0], "mid.latents": ws}
    yield from ((name, made) for name, made in plain.items() if name in recorded)
    for name in recorded:
        if match := TRUNCATED.fullmatch(name):
            yield name, network.synthesis(network.mapping.truncated(ws, float(match["psi"])), noise_of("const"))
        elif match := MIXED.fullmatch(name):
            pair = [network.mapping.truncated(styles, MIXING_TRUNCATION) for styles in (ws, *rest)]
            yield name, network.synthesis(mixed(*pair, int(match["at"])), noise_of("const"))
    if "out.img_from_latent" in recorded:
        yield "out.img_from_latent", network.synthesis(recorded["in.latent_direct"], noise_of("const"))


def _truncated(network: StyleGAN2Network, ws: Tensor, match: re.Match[str]) -> Tensor:
    cutoff = int(match["cutoff"]) if match["cutoff"] else None
    return network.mapping.truncated(ws, float(match["psi"]), cutoff)


def _watch(network: StyleGAN2Network, places: dict[str, str]) -> dict[str, Any]:
    """Return a dict that the outputs of modules will be in after the first run, by the names given to them."""
    seen: dict[str, Any] = {}
    for name, place in places.items():

        def keep(_module: nn.Module, _inputs: Any, made: Any, name: str = name) -> None:
            seen.setdefault(name, made)

        network.get_submodule(place).register_forward_hook(keep)
    return seen


def _places(seen: dict[str, Tensor], recorded: dict[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    for name in recorded:
        match = PLACE.fullmatch(name)
        if match and match["place"] in seen:
            yield name, seen[match["place"]]

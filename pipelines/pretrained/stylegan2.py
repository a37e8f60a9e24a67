"""Read StyleGAN2 generators: NVIDIA's pickles and state dicts, and those in rosinality's layout."""

import argparse
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from encoders.json_file import read_json
from encoders.weights import floats, load_strictly, plain_tensors, read_weights, unpickled
from pipelines.baselines.stylegan2_config import ARCHITECTURES, FIRST_SIZE, StyleGAN2Config
from pipelines.baselines.stylegan2_model import StyleGAN2Network
from pipelines.pretrained.nvlabs_pickle import read_nvlabs_pickle
from pipelines.pretrained.rosinality import nvlabs_state

CONFIG_NAME = "config.json"
TRAINING_CHECKPOINT = (".pt", ".pth")
AVERAGE = "latent_avg"
NUM_AVERAGED, AVERAGE_SEED = 4096, 0  # latents behind an average style that a checkpoint does not have

# NVIDIA's constructor arguments: what must hold, what says nothing that the weights or float32 do not say.
WANTED = {"activation": "lrelu", "use_noise": True}
SAID_BY_WEIGHTS = frozenset({
    "z_dim", "c_dim", "w_dim", "img_resolution", "img_channels", "num_layers", "embed_features", "layer_features",
    "channel_base", "channel_max", "resample_filter", "w_avg_beta", "num_fp16_res", "fp16_channels_last", "use_fp16",
    "fused_modconv_default",
})  # fmt: skip
# The StyleGAN3 repository's synthesis clamps unless told otherwise, that of StyleGAN2-ADA does not; the arguments of the
# former's synthesis stand beside the others, those of the latter have a mapping of their own.
FLAT_CLAMP = 256.0


def read_stylegan2(path: Path, arguments: Mapping[str, Any] | None = None) -> StyleGAN2Network:
    """Read a `.pkl` of NVIDIA's, or a state dict in NVIDIA's or rosinality's layout.

    A pickle says itself how the network was built. For NVIDIA's state dicts `arguments` are the constructor's, or
    `config.json` beside the file holds them; rosinality's need none. Raises ValueError if something does not fit.
    """
    if path.suffix == ".pkl":
        pickled = read_nvlabs_pickle(path)
        return _network(floats(dict(pickled.state)), _settings(pickled.arguments, str(path)), str(path))
    state = _read_state(path)
    if arguments is None and path.with_name(CONFIG_NAME).is_file():
        arguments = read_json(path.with_name(CONFIG_NAME))
    if any(name.startswith("style.") for name in state):
        return _read_rosinality(state, arguments or {}, str(path))
    if arguments is None:
        raise ValueError(
            f"{path} does not say how its network was built, as conv_clamp; put the constructor's arguments into "
            f"{path.with_name(CONFIG_NAME)}, or give them as `arguments`."
        )
    return _network(state, _settings(arguments, str(path)), str(path))


def _read_state(path: Path) -> dict[str, Tensor]:
    """Return a state dict as float32, and under `latent_avg` the average style of a rosinality checkpoint."""
    if path.suffix not in TRAINING_CHECKPOINT:
        return floats(read_weights(path))
    if not path.is_file():
        raise ValueError(f"A part of this model is missing: there is no file {path}.")
    # Training checkpoints also hold the command line's options, which are a mapping and no more.
    content = unpickled(path, allowed=[argparse.Namespace])
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds a {type(content).__name__}; wanted a state dict, or one as 'g_ema'.")
    state = content.get("g_ema", content)
    if not isinstance(state, dict):
        raise ValueError(f"{path} holds a {type(state).__name__} as 'g_ema'; wanted a state dict.")
    if AVERAGE in content:
        state = {**state, AVERAGE: content[AVERAGE]}
    return floats(plain_tensors(state, path))


def _read_rosinality(state: dict[str, Tensor], arguments: Mapping[str, Any], source: str) -> StyleGAN2Network:
    average = state.pop(AVERAGE, None)
    renamed = nvlabs_state(state)
    w_dim = renamed["mapping.fc0.weight"].shape[0] if "mapping.fc0.weight" in renamed else 0
    renamed["mapping.w_avg"] = torch.zeros(w_dim) if average is None else average.flatten()
    network = _network(renamed, {"mapping_multiplier": float(arguments.get("lr_mlp", 0.01))}, source)
    if average is None:
        z = torch.randn(NUM_AVERAGED, network.config.z_dim, generator=torch.Generator().manual_seed(AVERAGE_SEED))
        with torch.no_grad():
            network.mapping.track_average(network.mapping.style(z, torch.zeros(NUM_AVERAGED, 0)), decay=0.0)
    return network


def _network(state: Mapping[str, Tensor], settings: Mapping[str, Any], source: str) -> StyleGAN2Network:
    """Build the network whose sizes a state dict has, and load it strictly."""
    if "synthesis.input.freqs" in state:
        raise ValueError(f"{source} is an alias-free generator of StyleGAN3; only generators of StyleGAN2 are read.")
    try:
        config = StyleGAN2Config(**_sizes(state), **settings)
    except KeyError as error:
        raise ValueError(f"{source} is no StyleGAN2 generator: it has no {error}.") from error
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{source} is no StyleGAN2 generator: its tensors have the shapes of something else."
        ) from error
    with torch.device("meta"):
        network = StyleGAN2Network(config)
    load_strictly(network, state, source, assign=True)
    return network


def _sizes(state: Mapping[str, Tensor]) -> dict[str, Any]:
    channels: list[int] = []
    while (name := f"synthesis.b{FIRST_SIZE << len(channels)}.conv1.weight") in state:
        channels.append(len(state[name]))
    num_layers = sum(re.fullmatch(r"mapping\.fc\d+\.weight", name) is not None for name in state)
    mapping_dim, num_in = state["mapping.fc0.weight"].shape
    embed = state.get("mapping.embed.weight")
    num_embed, num_classes = embed.shape if embed is not None else (0, 0)
    taps = state[f"synthesis.b{FIRST_SIZE}.resample_filter"]
    return {
        "channels": tuple(channels),
        "z_dim": num_in - num_embed,
        "w_dim": len(state["mapping.w_avg"]),
        "num_classes": num_classes,
        "num_mapping_layers": num_layers,
        "embed_dim": num_embed or None,
        "mapping_dim": mapping_dim if num_layers > 1 else None,
        "image_channels": len(state[f"synthesis.b{FIRST_SIZE << max(len(channels) - 1, 0)}.torgb.bias"]),
        "resample_filter": tuple(taps.sum(dim=0).tolist()),
    }


def _settings(arguments: Mapping[str, Any], source: str) -> dict[str, Any]:
    """Return what NVIDIA's constructor arguments say beyond the weights. Raises ValueError for what is not supported."""
    given = dict(arguments)
    is_flat = "synthesis_kwargs" not in given
    for part in ("mapping_kwargs", "synthesis_kwargs"):
        inner = given.pop(part, {})
        if not isinstance(inner, Mapping):
            raise ValueError(f"{source} was built with {part}={inner!r}, which is no mapping.")
        given |= inner
    multiplier = given.pop("lr_multiplier", 0.01)
    architecture = given.pop("architecture", "skip")
    if architecture not in ARCHITECTURES:
        raise ValueError(
            f"{source} was built with architecture={architecture!r}; wanted one of {', '.join(ARCHITECTURES)}."
        )
    clamp = given.pop("conv_clamp", FLAT_CLAMP if is_flat else None)
    for name, number in (("lr_multiplier", multiplier), ("conv_clamp", 0 if clamp is None else clamp)):
        if not isinstance(number, int | float):
            raise ValueError(f"{source} was built with {name}={number!r}, which is no number.")
    for name, value in given.items():
        if name in WANTED and value != WANTED[name]:
            raise ValueError(f"{source} was built with {name}={value!r}; only {WANTED[name]!r} is read.")
        if name not in WANTED and name not in SAID_BY_WEIGHTS:
            raise ValueError(f"{source} was built with {name}={value!r}, an argument that is not known.")
    return {
        "mapping_multiplier": float(multiplier),
        "conv_clamp": None if clamp is None else float(clamp),
        "architecture": architecture,
    }

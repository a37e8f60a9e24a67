"""Read the released BigGAN-deep weights, in the layout of pytorch-pretrained-biggan."""

from pathlib import Path

import torch

from encoders.json_file import read_json
from encoders.weights import floats, load_strictly, read_weights
from pipelines.baselines.biggan_config import BigGANConfig
from pipelines.baselines.biggan_model import BigGANNetwork
from pipelines.baselines.folder import config_from
from pipelines.baselines.labels import IMAGENET_SIZE

WEIGHTS_END, CONFIG_END = "pytorch_model.bin", "config.json"  # each after `biggan-deep-128-`, or alone


def read_biggan(path: Path, config: Path | BigGANConfig | None = None) -> BigGANNetwork:
    """Read a weights file and its config: the one given, or the file beside it by the released names.

    Raises ValueError if a file is missing, holds more than tensors, or does not fit exactly.
    """
    if not isinstance(config, BigGANConfig):
        config = read_biggan_config(config or config_beside(path))
    with torch.device("meta"):
        network = BigGANNetwork(config)
    load_strictly(network, floats(read_weights(path)), str(path), assign=True)
    return network


def read_biggan_config(path: Path) -> BigGANConfig:
    """Read a released config; a thousand classes are ImageNet's."""
    config = config_from(BigGANConfig, read_json(path), str(path))
    if config.labels or config.num_classes != IMAGENET_SIZE:
        return config
    return config_from(BigGANConfig, {**read_json(path), "labels": "imagenet"}, str(path))


def config_beside(weights: Path) -> Path:
    """Name the config that belongs to a weights file."""
    start = weights.name.removesuffix(WEIGHTS_END) if weights.name.endswith(WEIGHTS_END) else ""
    return weights.with_name(start + CONFIG_END)

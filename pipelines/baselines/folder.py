"""A baseline's folder: config.json, with the name of its class as diffusers writes it, and model.safetensors."""

import json
from collections.abc import Callable, Mapping
from dataclasses import MISSING, asdict, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from encoders.atomic import write_text
from encoders.safe_folder import read_json
from encoders.weights import floats, load_strictly, read_weights
from pipelines.checkpoint import CONFIG, write_tensors
from pipelines.presets import preset_folder

WEIGHTS = "model.safetensors"
CLASS_NAME = "_class_name"

ConfigT = TypeVar("ConfigT")
NetworkT = TypeVar("NetworkT", bound=nn.Module)


def write_baseline(
    folder: Path | str, class_name: str, network: nn.Module, config: Any, *, dtype: torch.dtype = torch.float32
) -> Path:
    """Write a network's tensors as `dtype`, and its config, a dataclass."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    values = {CLASS_NAME: class_name, **asdict(config)}
    write_tensors(folder / WEIGHTS, network.state_dict(), dtype)
    write_text(folder / CONFIG, json.dumps(values, indent=2, ensure_ascii=False) + "\n")
    return folder


def read_baseline(
    name: Path | str, class_name: str, config_class: type[ConfigT], network_class: Callable[[ConfigT], NetworkT]
) -> NetworkT:
    """Find a baseline's folder, by path or hub repository, and read the network in it, strictly.

    Raises ValueError if it describes another class, its fields are not those of the config's class, or its weights not
    those of the network.
    """
    folder = preset_folder(name)
    values = read_json(folder / CONFIG)
    found = values.pop(CLASS_NAME, None)
    if found != class_name:
        raise ValueError(f"{folder / CONFIG} describes {found!r}, wanted {class_name!r}.")
    config = config_from(config_class, values, str(folder / CONFIG))
    with torch.device("meta"):
        network = network_class(config)
    load_strictly(network, floats(read_weights(folder / WEIGHTS)), str(folder / WEIGHTS), assign=True)
    return network


def config_from(config_class: type[ConfigT], values: Mapping[str, Any], where: str) -> ConfigT:
    """Make a frozen config of JSON values, lists becoming tuples. Raises ValueError naming what is amiss."""
    assert is_dataclass(config_class)
    known = {field.name: field for field in fields(config_class)}
    wanted = {n for n, f in known.items() if f.default is MISSING and f.default_factory is MISSING}
    unknown, missing = sorted(set(values) - set(known)), sorted(wanted - set(values))
    if unknown or missing:
        raise ValueError(
            f"{where}: missing fields: {', '.join(missing) or 'none'}; unknown fields: {', '.join(unknown) or 'none'}."
        )
    try:
        return config_class(**{name: _frozen(value) for name, value in values.items()})
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where}: {error}") from error


def _frozen(value: Any) -> Any:
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value

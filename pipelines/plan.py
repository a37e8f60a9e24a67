"""What a preset needs: its files and their bytes, and the memory that each device would hold, without any weights.

Networks are built on the meta device from the facts of their configs, and their parameters counted.
"""

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from pipelines.decoders.catalogue import LIBRARIES
from pipelines.facts import BYTES, Network, Part
from pipelines.load_options import LoadOptions
from pipelines.presets import Preset

if TYPE_CHECKING:
    from torch import nn

HOST = "cpu"
POSITIONS = 4096  # for which the key-value cache is counted


@dataclass(frozen=True)
class PlannedNetwork:
    """One network as it would be loaded: on which device, how much memory it takes there while it waits and works.

    `resting` is where it is kept, `working` where it runs; they differ where it is offloaded.
    """

    part: Part
    network: Network
    dtype: str
    resting: str
    working: str
    num_parameters: int

    @property
    def memory(self) -> int:
        """Bytes of its parameters."""
        return self.num_parameters * BYTES[self.dtype]


@dataclass(frozen=True)
class Plan:
    """Everything that a preset would load, and what its devices would hold; activations are not counted."""

    preset: Preset
    networks: tuple[PlannedNetwork, ...]
    cache_bytes: int

    @property
    def num_bytes(self) -> int:
        """How many bytes are to be fetched, exactly or nearly."""
        return sum(part.size for part in self.preset.parts)

    @property
    def memory(self) -> dict[str, int]:
        """Bytes by device: all that rests there, the cache, and of what only works there the largest at a time."""
        held: dict[str, int] = {}
        for network in self.networks:
            held[network.resting] = held.get(network.resting, 0) + network.memory
        core = next((network for network in self.networks if network.part.role == "core"), None)
        if core is not None:
            held[core.working] = held.get(core.working, 0) + self.cache_bytes
        visits: dict[str, int] = {}
        for network in self.networks:
            if network.working != network.resting:
                visits[network.working] = max(visits.get(network.working, 0), network.memory)
        return {device: held.get(device, 0) + visits.get(device, 0) for device in {**held, **visits}}


def recorded_parameters(network: Network) -> int:
    """How many parameters a network is known to have."""
    return network.num_parameters


def count_parameters(network: Network) -> int:
    """Build a network on the meta device and count its parameters; what no config describes counts as recorded."""
    import torch

    from pipelines.quiet import quiet

    if network.kind == "file":
        return recorded_parameters(network)
    with quiet(), torch.device("meta"), warnings.catch_warnings(action="ignore", category=FutureWarning):
        return sum(parameter.numel() for parameter in build(network).parameters())


def make_plan(preset: Preset, options: LoadOptions, count: Callable[[Network], int] = count_parameters) -> Plan:
    """Plan a preset's loading; `options` name real devices (`LoadOptions.on`)."""
    networks = tuple(_planned(preset, options, count))
    core = next((network.network for network in networks if network.part.role == "core"), None)
    return Plan(preset, networks, 0 if core is None else cache_bytes(core, options.core.dtype))


def build(network: Network) -> "nn.Module":
    """Build a network from its facts, on the current default device."""
    library, _, name = network.kind.partition(":")
    if library == "imagebind":
        from encoders.imagebind_config import ImageBindConfig
        from encoders.imagebind_model import ImageBind

        return ImageBind(ImageBindConfig.huge())
    if library == "open_clip":
        import open_clip
        from open_clip.model import CLIP

        return CLIP(**open_clip.get_model_config(name))  # type: ignore[no-any-return]
    network_class: Any = getattr(import_module(LIBRARIES[library]), name)
    if config_class := getattr(network_class, "config_class", None):  # a model of transformers
        return network_class._from_config(config_class(**network.config))  # type: ignore[no-any-return]
    return network_class.from_config(dict(network.config))  # type: ignore[no-any-return]


def cache_bytes(core: Network, dtype: str) -> int:
    """How many bytes the keys and values of `POSITIONS` positions take."""
    config = core.config
    heads = int(config.get("num_key_value_heads", config["num_attention_heads"]))
    head_dim = int(config.get("head_dim", config["hidden_size"] // config["num_attention_heads"]))
    return 2 * int(config["num_hidden_layers"]) * heads * head_dim * POSITIONS * BYTES[_stored(dtype, core)]


def _planned(preset: Preset, options: LoadOptions, count: Callable[[Network], int]) -> Iterator[PlannedNetwork]:
    for part in preset.parts:
        for network in part.networks:
            dtype, resting, working = _placed(preset, part, network, options)
            yield PlannedNetwork(part, network, dtype, resting, working, count(network))


def _placed(preset: Preset, part: Part, network: Network, options: LoadOptions) -> tuple[str, str, str]:
    """At which precision a network would be loaded, where it would rest, and where it would work."""
    if part.role == "core":
        return _stored(options.core.dtype, network), options.device, options.device
    if part.role == "encoder":
        encoder = options.encoder(network.name)
        place = encoder.device or options.device
        return encoder.dtype, place, place
    if part.role != "decoder":
        return "float32", options.device, options.device
    modality = next(modality for modality, made_by in preset.decoders.items() if made_by is part)
    placement = options.placement(modality)
    dtype = placement.dtypes.get(network.name, placement.dtype)
    return dtype, options.device if placement.offload == "none" else HOST, options.device


def _stored(dtype: str, network: Network) -> str:
    return network.stored if dtype == "auto" else dtype

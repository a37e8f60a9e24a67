"""Read the networks in NVIDIA's `.pkl` files (StyleGAN2-ADA, StyleGAN3) as tensors and settings, running nothing.

Such a file keeps each module as a call of `torch_utils.persistence._reconstruct_persistent_obj`, which would run source
text out of the file. Here the pickle is interpreted, that text is never looked at, and only tensors are made.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pipelines.pretrained.inert_pickle import Call, Refused, interpret

MAX_FILE_BYTES = 4 * 2**30
MAX_TENSORS = 10_000
MAX_MODULES = 10_000
MAX_DEPTH = 16  # of modules in modules
MAX_RANK = 8
MAX_LENGTH = 2**40
MAX_SETTINGS = 1_000
MAX_NESTED = 32  # settings in settings

MODULE = "torch_utils.persistence _reconstruct_persistent_obj"
MODULE_VERSION = 6
PARAMETER = "torch._utils _rebuild_parameter"
TENSOR = "torch._utils _rebuild_tensor_v2"
STORAGE = "torch.storage _load_from_bytes"
DTYPE = "numpy dtype"
MAPPINGS = ("collections OrderedDict", "dnnlib.util EasyDict")
# What modules keep beside their tensors: numbers of NumPy, and settings of PyTorch. They stay records.
UNREAD = (
    DTYPE, "numpy ndarray", "numpy.core.multiarray scalar", "numpy._core.multiarray scalar",
    "numpy.core.multiarray _reconstruct", "numpy._core.multiarray _reconstruct", "builtins set", "__builtin__ set",
    "torch Size", "torch device", "torch float16", "torch float32", "torch contiguous_format", "torch channels_last",
)  # fmt: skip
KNOWN = frozenset({MODULE, PARAMETER, TENSOR, STORAGE, *MAPPINGS, *UNREAD})


@dataclass(frozen=True, eq=False)
class PickledNetwork:
    """A network out of a pickle: the name of its class, the arguments that it was built with, its state dict."""

    class_name: str
    arguments: Mapping[str, Any]
    state: Mapping[str, Tensor]


def read_nvlabs_pickle(path: Path, network: str = "G_ema") -> PickledNetwork:
    """Read one network of a file: "G_ema" (the average that is sampled from), "G" or "D".

    Raises ValueError if the file asks for anything but tensors and settings, is damaged, or holds no such network.
    """
    if not path.is_file():
        raise ValueError(f"A part of this model is missing: there is no file {path}.")
    size = path.stat().st_size
    if size > MAX_FILE_BYTES:
        raise ValueError(f"{path} has {size} bytes; no released network has more than {MAX_FILE_BYTES}.")
    try:
        return _Reader(size).network(interpret(path.read_bytes(), KNOWN, (DTYPE,)), network)
    except Refused as error:
        raise ValueError(
            f"{path} is refused: {error}. Nothing in it was run. Wanted: a network pickle of NVIDIA's StyleGAN2-ADA or "
            "StyleGAN3 repository (files of the TensorFlow version are converted by the legacy.py there), or a copy of "
            "its tensors as safetensors."
        ) from error


class _Reader:
    """Makes tensors of records; all together may not take more bytes than the file, whatever the records say."""

    def __init__(self, num_bytes: int) -> None:
        self.num_bytes_left = num_bytes
        self.num_modules_left = MAX_MODULES
        self.state: dict[str, Tensor] = {}
        self.storages: dict[int, Tensor] = {}

    def network(self, content: Any, name: str) -> PickledNetwork:
        networks = _mapping(content, "the whole file")
        if name not in networks:
            raise Refused(f"it holds no {name!r}, but: {', '.join(map(str, networks)) or 'nothing'}")
        class_name, module = _module(networks[name], name)
        self._collect(module, name, "", 0)
        positional, named = module.get("_init_args", ()), _mapping(module.get("_init_kwargs", {}), "_init_kwargs")
        if positional:
            raise Refused(f"its {name} was built with arguments that have no names")
        return PickledNetwork(class_name, _Settings().plain(dict(named)), self.state)

    def _collect(self, module: Mapping[Any, Any], where: str, prefix: str, depth: int) -> None:
        self.num_modules_left -= 1
        if depth > MAX_DEPTH or self.num_modules_left < 0:
            raise Refused(f"it has more than {MAX_MODULES} modules, or some nested more than {MAX_DEPTH} deep")
        for kind in ("_parameters", "_buffers"):
            for name, value in _mapping(module.get(kind), f"{where}.{kind}").items():
                if value is not None:
                    self.state[f"{prefix}{name}"] = self._tensor(value, f"{prefix}{name}")
                if len(self.state) > MAX_TENSORS:
                    raise Refused(f"it has more than {MAX_TENSORS} tensors")
        for name, value in _mapping(module.get("_modules"), f"{where}._modules").items():
            if value is not None:
                self._collect(_module(value, name)[1], f"{where}.{name}", f"{prefix}{name}.", depth + 1)

    def _tensor(self, value: Any, name: str) -> Tensor:
        if isinstance(value, Call) and value.name == PARAMETER and value.args:
            value = value.args[0]
        if not (isinstance(value, Call) and value.name == TENSOR and len(value.args) >= 4):
            raise Refused(f"its {name} is no tensor")
        storage, offset, size, stride = value.args[:4]
        is_sized = _are_sizes((offset,)) and _are_sizes(size) and _are_sizes(stride) and len(size) == len(stride)
        if not is_sized or 0 in size:
            raise Refused(f"the sizes of its {name} are no sizes")
        flat = self._storage(storage, name)
        last = offset + sum((length - 1) * step for length, step in zip(size, stride, strict=True))
        if last >= len(flat):
            raise Refused(f"its {name} reaches beyond its numbers")
        self.num_bytes_left -= prod(size) * flat.element_size()
        if self.num_bytes_left < 0:
            raise Refused("its tensors take more bytes than the file has")
        return flat.as_strided(size, stride, offset).clone(memory_format=torch.contiguous_format)

    def _storage(self, value: Any, name: str) -> Tensor:
        """Return the numbers (N) of a storage, which is a file of torch's own inside of the file."""
        if not (isinstance(value, Call) and value.name == STORAGE and len(value.args) == 1):
            raise Refused(f"the numbers of its {name} are kept in an unknown way")
        data = value.args[0]
        # A zip archive would be read as well, and could hold more than its size.
        if type(data) is not bytes or not data.startswith(b"\x80"):
            raise Refused(f"the numbers of its {name} are not in torch's older format")
        if id(value) not in self.storages:
            try:
                storage = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
                if not isinstance(storage, torch.storage.TypedStorage) or not storage.dtype.is_floating_point:
                    raise Refused(f"the numbers of its {name} are no floating-point numbers")
                self.storages[id(value)] = torch.empty(0, dtype=storage.dtype).set_(storage)
            except Refused:
                raise
            except Exception as error:  # whatever a hostile file makes torch's own restricted reader say
                raise Refused(f"the numbers of its {name} cannot be read as numbers alone") from error
        return self.storages[id(value)]


class _Settings:
    """Copies numbers, strings and their lists and mappings, up to a number of them all together and a depth."""

    def __init__(self) -> None:
        self.num_left = MAX_SETTINGS

    def plain(self, value: Any, depth: int = 0) -> Any:
        self.num_left -= 1
        if self.num_left < 0 or depth > MAX_NESTED:
            raise Refused(
                f"its network has more than {MAX_SETTINGS} settings, or some nested more than {MAX_NESTED} deep"
            )
        if value is None or isinstance(value, bool | int | float | str):
            return value
        if isinstance(value, list | tuple):
            return [self.plain(item, depth + 1) for item in value]
        return {name: self.plain(item, depth + 1) for name, item in _mapping(value, "a setting").items()}


def _are_sizes(values: Any) -> bool:
    is_short = isinstance(values, tuple) and len(values) <= MAX_RANK
    return is_short and all(type(value) is int and 0 <= value < MAX_LENGTH for value in values)


def _mapping(value: Any, what: str) -> Mapping[Any, Any]:
    if isinstance(value, Call) and value.name in MAPPINGS and not any(value.args):
        return value.items
    if not isinstance(value, dict):
        raise Refused(f"{what} is no mapping")
    return value


def _module(value: Any, what: str) -> tuple[str, Mapping[Any, Any]]:
    """Return the name of a module's class, and its attributes."""
    if not (isinstance(value, Call) and value.name == MODULE and len(value.args) == 1):
        raise Refused(f"its {what} is no module of NVIDIA's")
    facts = _mapping(value.args[0], what)
    class_name, version = facts.get("class_name"), facts.get("version")
    # What is shown of a value must be short: a nested one could take hours to write out.
    if facts.get("type") != "class" or not isinstance(class_name, str) or version != MODULE_VERSION:
        raise Refused(f"its {what} is no class, or not stored in version {MODULE_VERSION} of NVIDIA's way")
    return class_name, _mapping(facts.get("state"), what)

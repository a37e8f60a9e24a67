"""Write a pickle in the form of NVIDIA's network files, and pickles of single steps, for tests of their reader."""

import pickle
import sys
import types
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

BUFFERS = ("resample_filter", "noise_const", "w_avg")
PERSISTENCE, UTILITIES = "torch_utils.persistence", "dnnlib.util"
SOURCE = "import os\nos.makedirs({trace!r}, exist_ok=True)\nclass Generator: pass\n"


class EasyDict(dict[str, Any]):
    """A dict whose entries are attributes too, as NVIDIA's is named and pickled."""


def _reconstruct_persistent_obj(meta: Mapping[str, Any]) -> Any:
    exec(meta["module_src"], {})  # as the original does, which is what ours must never do
    return meta


class Persistent(nn.Module):
    """A module that is pickled as the call that would build it anew from source text."""

    def __init__(self, class_name: str, source: str, **facts: Any) -> None:
        super().__init__()
        self.class_name_, self.source_ = class_name, source
        self.__dict__.update(facts, weight_gain=1 / np.sqrt(np.float64(64)), _init_args=(), _init_kwargs={})

    def __reduce__(self) -> tuple[Any, ...]:
        state = {name: value for name, value in self.__dict__.items() if name not in ("class_name_", "source_")}
        facts = {"type": "class", "version": 6, "module_src": self.source_, "class_name": self.class_name_}
        return _reconstruct_persistent_obj, ({**facts, "state": state},), None


def module_tree(state: Mapping[str, Tensor], arguments: Mapping[str, Any], source: str) -> Persistent:
    """Build the modules of a state dict; the outermost has the constructor's arguments."""
    root = Persistent("Generator", source)
    root.__dict__["_init_kwargs"] = dict(arguments)
    for name, tensor in state.items():
        *places, leaf = name.split(".")
        module: nn.Module = root
        for place in places:
            if place not in module._modules:
                module.add_module(place, Persistent("SynthesisLayer", source, conv_clamp=None, use_noise=True))
            module = module.get_submodule(place)
        if leaf in BUFFERS:
            module.register_buffer(leaf, tensor)
        else:
            module.register_parameter(leaf, nn.Parameter(tensor, requires_grad=False))
    return root


def network_pickle(
    state: Mapping[str, Tensor], arguments: Mapping[str, Any], *, protocol: int = 4, trace: str = "/nonexistent/trace"
) -> bytes:
    """Return a snapshot: the networks, and what else NVIDIA's training writes beside them."""
    source = SOURCE.format(trace=trace)
    easy = {name: EasyDict(value) if isinstance(value, dict) else value for name, value in arguments.items()}
    snapshot = {
        "training_set_kwargs": EasyDict(class_name="training.dataset.ImageFolderDataset", use_labels=False, max_size=7),
        "D": module_tree({"b4.conv.weight": torch.zeros(2, 2)}, {}, source),
        "augment_pipe": None,
        "G_ema": module_tree(state, easy, source),
    }
    with originals():
        return pickle.dumps(snapshot, protocol=protocol)


@contextmanager
def originals() -> Iterator[None]:
    """Let the names of NVIDIA's modules stand for ours while a file is written."""
    before = {name: sys.modules.get(name) for name in ("torch_utils", PERSISTENCE, "dnnlib", UTILITIES)}
    sys.modules |= {name: types.ModuleType(name) for name in before}
    for module, thing in ((PERSISTENCE, _reconstruct_persistent_obj), (UTILITIES, EasyDict)):
        setattr(sys.modules[module], thing.__name__, thing)
        thing.__module__ = module
    try:
        yield
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


def text(value: str) -> bytes:
    """Return the step that puts down a string."""
    return b"X" + len(value).to_bytes(4, "little") + value.encode()


def named(module: str, name: str) -> bytes:
    """Return the step that puts down what a module calls by a name."""
    return f"c{module}\n{name}\n".encode()


def called(module: str, name: str, *arguments: bytes) -> bytes:
    """Return the steps that call it."""
    return named(module, name) + b"(" + b"".join(arguments) + b"tR"


def mapping(*pairs: tuple[str, bytes]) -> bytes:
    """Return the steps that put down a dict."""
    return b"}(" + b"".join(text(name) + value for name, value in pairs) + b"u"


def numbers(*values: int) -> bytes:
    """Return the steps that put down a tuple of numbers."""
    return b"(" + b"".join(b"\x8a\x08" + value.to_bytes(8, "little") for value in values) + b"t"


def tensor_steps(content: bytes, offset: int, size: Sequence[int], stride: Sequence[int]) -> bytes:
    """Return the steps that rebuild a tensor from a storage's bytes."""
    storage = called("torch.storage", "_load_from_bytes", b"B" + len(content).to_bytes(4, "little") + content)
    arguments = (storage, numbers(offset)[1:-1], numbers(*size), numbers(*stride), b"\x89", b"N")
    return called("torch._utils", "_rebuild_tensor_v2", *arguments)


def module_steps(
    *,
    parameters: bytes = b"}",
    modules: bytes = b"}",
    settings: bytes = b"}",
    version: int = 6,
    class_name: bytes | None = None,
) -> bytes:
    """Return the steps that put down one of NVIDIA's modules."""
    state = mapping(("_parameters", parameters), ("_buffers", b"}"), ("_modules", modules), ("_init_kwargs", settings))
    facts = mapping(
        ("type", text("class")), ("version", bytes([ord("K"), version])), ("module_src", text("1/0")),
        ("class_name", class_name or text("Generator")), ("state", state),
    )  # fmt: skip
    return called(PERSISTENCE, "_reconstruct_persistent_obj", facts)


def whole(steps: bytes) -> bytes:
    """Return a pickle of these steps."""
    return b"\x80\x03" + steps + b"."


def storage_bytes(values: Tensor) -> bytes:
    """Return what torch writes for the numbers of a tensor inside of a pickle."""
    import pickletools

    found = [argument for _, argument, _ in pickletools.genops(pickle.dumps(values)) if isinstance(argument, bytes)]
    return found[0]

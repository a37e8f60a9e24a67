"""Read and write weight files without running anything that they hold, and fit them to a network name by name."""

import pickle
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from encoders.atomic import atomic
from encoders.json_file import INDEX_SUFFIX, shards

PICKLES = (".pt", ".pth", ".bin")
NUM_SHOWN = 5
MAX_SHARED = 8  # how often on average the numbers of a file may be used: tied tensors have theirs in common
SAFE_COPY = (
    "Ask its publisher for safetensors; or, on a machine that you would trust the file with, load it there and write "
    "its tensors with safetensors.torch.save_file."
)


class _Refused(ValueError):
    """A file is not opened, for a reason that its message says."""


def find_weights(folder: Path, names: Sequence[str]) -> Path | None:
    """Return the first of these files that a folder holds, whole or split (`NAME.index.json`), or None."""
    for name in names:
        for path in (folder / name, folder / f"{name}{INDEX_SUFFIX}"):
            if path.is_file():
                return path
    return None


def read_weights(path: Path | str) -> dict[str, Tensor]:
    """Read the state dict of a .safetensors, .pt, .pth or .bin file, or of an index of several, on the CPU.

    A training checkpoint gives what is under its "state_dict". Raises ValueError if the file is missing, cut short, a
    TorchScript archive, or a pickle that asks for more than tensors: nothing in a file is ever run.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"A part of this model is missing: there is no file {path}.")
    if path.name.endswith(INDEX_SUFFIX):
        return _read_split(path)
    if path.suffix == ".safetensors":
        try:
            return load_file(path)
        except SafetensorError as error:
            raise ValueError(
                f"{path} is not a whole safetensors file: damaged or half-downloaded; fetch it again. ({error})"
            ) from error
    if path.suffix not in PICKLES:
        raise ValueError(f"{path} is no weights file that can be read; wanted .safetensors, {', '.join(PICKLES)}.")
    return _tensors(unpickled(path), path)


def unpickled(path: Path, allowed: Sequence[type] = ()) -> object:
    """Return what a .pt, .pth or .bin file holds: tensors, plain values, and objects of the `allowed` classes.

    Raises ValueError if it asks for anything else, is a TorchScript archive or a packed one, or is not whole.
    """
    try:
        if zipfile.is_zipfile(path):
            _check_archive(path)
        else:
            _check_beginning(path)
        with torch.serialization.safe_globals(list(allowed)):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"{path} asks for more than tensors when it is opened, so it is refused. {SAFE_COPY}"
        ) from error
    except _Refused:
        raise
    except Exception as error:
        # Of a damaged or forged file torch's restricted reader says whatever it stumbles over: IndexError, KeyError...
        raise ValueError(f"{path} is damaged or half-downloaded; fetch it again. ({error})") from error


def plain_tensors(content: Mapping[Any, Any], path: Path) -> dict[str, Tensor]:
    """Return a mapping as a state dict. Raises ValueError unless it is one, of numbers that the file really holds."""
    if odd := [str(name) for name, value in content.items() if not (isinstance(name, str) and _is_plain(value))]:
        raise ValueError(f"{path} is not a state dict: these entries are no tensors: {some(odd)}.")
    # A few numbers can be named as the whole of a tensor of any size, which then fills the memory as it is copied.
    if sum(value.nbytes for value in content.values()) > MAX_SHARED * path.stat().st_size:
        raise ValueError(f"{path} names tensors of more numbers than it holds, so it is refused. {SAFE_COPY}")
    return dict(content)


def write_tensors(path: Path, tensors: Mapping[str, Tensor], dtype: torch.dtype = torch.float32) -> None:
    """Write tensors as safetensors, all of one precision, in the place of what was there once they are whole."""
    with atomic(path) as aside:
        save_file({name: value.detach().to("cpu", dtype).contiguous() for name, value in tensors.items()}, aside)


def floats(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Empty `state` into new memory, half precision as float32; counters stay whole numbers.

    One tensor at a time, so that there are never two copies of a large file; and aligned alike whatever the file, on
    which the last bits of a product may depend.
    """
    made = {}
    for name in list(state):
        tensor = state.pop(name)
        made[name] = tensor.to(torch.float32 if tensor.is_floating_point() else tensor.dtype, copy=True)
    return made


def load_strictly(module: nn.Module, state: Mapping[str, Tensor], source: str, *, assign: bool = False) -> None:
    """Load a state dict whose names and shapes must be exactly a module's.

    `assign` hands the tensors over instead of copying them, for a module on the meta device. Raises ValueError that
    names what is missing, what is extra, and what has another shape, or that holds whole numbers or NaN for weights.
    """
    wanted = module.state_dict()
    check_fit(state, wanted, source)
    _check_values(state, wanted, source)
    module.load_state_dict(dict(state), strict=True, assign=assign)


def check_fit(given: Mapping[str, Tensor], wanted: Mapping[str, Tensor], source: str) -> None:
    """Raise ValueError that names every difference, unless two sets of tensors have the same names and shapes."""
    wrong = [
        (name, given[name].shape, tensor.shape)
        for name, tensor in wanted.items()
        if name in given and given[name].shape != tensor.shape
    ]
    _refuse(source, set(wanted) - set(given), set(given) - set(wanted), wrong)


def _check_values(given: Mapping[str, Tensor], wanted: Mapping[str, Tensor], source: str) -> None:
    """Raise ValueError naming weights that are whole numbers, as in a quantised file, or not a number; a mask may be infinite."""
    weights = {name: given[name] for name, tensor in wanted.items() if tensor.is_floating_point()}
    if whole := [f"{name} ({value.dtype})" for name, value in weights.items() if not value.is_floating_point()]:
        raise ValueError(f"{source} holds whole numbers where weights belong, quantised perhaps: {some(whole)}.")
    if damaged := [name for name, value in weights.items() if not value.is_meta and bool(value.isnan().any())]:
        raise ValueError(f"{source} is damaged: it holds NaN, which is no number, in {some(damaged)}. Fetch it again.")


def check_report(report: Mapping[str, Any], source: str) -> None:
    """Raise ValueError unless a stock loader, of transformers or diffusers, found exactly the tensors that it wanted.

    `report` is its `output_loading_info`.
    """
    _refuse(source, report["missing_keys"], report["unexpected_keys"], report.get("mismatched_keys", ()))
    if report.get("error_msgs"):
        raise ValueError(f"{source} cannot be loaded: {report['error_msgs'][0]}")


def _refuse(source: str, missing: Iterable[str], extra: Iterable[str], wrong: Iterable[tuple[str, Any, Any]]) -> None:
    shapes = [f"{name} {tuple(given)} instead of {tuple(wanted)}" for name, given, wanted in wrong]
    found = {"missing": sorted(missing), "extra": sorted(extra), "wrong shape": shapes}
    if any(found.values()):
        report = "; ".join(f"{len(names)} {what}: {some(names)}" for what, names in found.items() if names)
        raise ValueError(f"{source} does not fit this model. {report}.")


def some(names: Sequence[str]) -> str:
    """Name the first few, and count the rest."""
    shown = ", ".join(names[:NUM_SHOWN])
    return f"{shown} and {len(names) - NUM_SHOWN} more" if len(names) > NUM_SHOWN else shown


def _read_split(index: Path) -> dict[str, Tensor]:
    state: dict[str, Tensor] = {}
    for name in shards(index):
        state |= read_weights(index.parent / name)
    return state


def _check_archive(path: Path) -> None:
    """Raise ValueError if an archive holds code, or unpacks to more than its size: torch packs without compressing."""
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    if any(member.filename.endswith("/constants.pkl") for member in members):
        raise _Refused(f"{path} is a TorchScript archive: it holds code to run, so it is refused. {SAFE_COPY}")
    if sum(member.file_size for member in members) > path.stat().st_size:
        raise _Refused(
            f"{path} unpacks to more than its size, as no file of torch's does, so it is refused. {SAFE_COPY}"
        )


def _check_beginning(path: Path) -> None:
    """Raise ValueError if a file is no pickle by its first byte."""
    with path.open("rb") as file:
        if file.read(1) != pickle.PROTO:
            raise _Refused(
                f"{path} is not a whole weights file: half-downloaded, a git-lfs pointer or an error page. "
                "Fetch it again."
            )


def _tensors(content: object, path: Path) -> dict[str, Tensor]:
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    if not isinstance(content, dict) or not content:
        raise ValueError(f"{path} holds a {type(content).__name__}; wanted a state dict: names and their tensors.")
    return plain_tensors(content, path)


def _is_plain(value: object) -> bool:
    return isinstance(value, Tensor) and value.layout is torch.strided and not value.is_meta

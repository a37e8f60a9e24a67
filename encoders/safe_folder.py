"""What a folder of somebody else's model may hold, looked at before a stock loader reads it."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from encoders.json_file import INDEX_SUFFIX, shards
from encoders.json_file import read_json as read_json

# A field of these names asks a loader to import code, from the folder or from the hub.
CODE_FIELDS = frozenset({"auto_map", "custom_pipelines", "trust_remote_code", "kernel_config"})
PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
ADAPTER = "adapter_config.json"
INDEX = f".safetensors{INDEX_SUFFIX}"


def check_no_code(values: Mapping[str, Any], path: Path) -> None:
    """Raise ValueError if a config asks for code that is not the libraries' own; `path` is where it was read."""
    for name, value in _fields(values):
        is_kernel = name.strip("_").startswith(("attn_implementation", "experts_implementation")) and "/" in str(value)
        if (name in CODE_FIELDS and value) or is_kernel:
            raise ValueError(
                f"{path} asks for code of its own to be run ({name!r}), which is never done; "
                "take a model of a family that the library itself knows, or remove that field."
            )


def check_plain(folder: Path) -> None:
    """Raise ValueError if a folder's configs make a loader of transformers read code, or other weights than those checked."""
    for path in sorted(folder.glob("*config.json")):
        values = read_json(path)
        check_no_code(values, path)
        if "transformers_weights" in values:
            raise ValueError(f"{path} names other weights ('transformers_weights'); remove that field.")
    if (folder / ADAPTER).is_file():
        raise ValueError(
            f"{folder} holds an adapter ({ADAPTER}), which would be loaded unseen; "
            "give the folder of the model alone, merged or without its adapter."
        )


def check_weights(folder: Path) -> None:
    """Raise ValueError unless a folder's weights are safetensors, all of them there and each of them whole."""
    files = sorted(folder.glob("*.safetensors"))
    for index in sorted(folder.glob(f"*{INDEX}")):
        missing = [name for name in shards(index) if not (folder / name).is_file()]
        if missing:
            raise ValueError(
                f"{folder} is not whole: {index.name} names {', '.join(missing)}, which is missing; fetch it again."
            )
    if not files:
        pickled = sorted(path.name for path in folder.iterdir() if path.suffix in PICKLED)
        if pickled:
            raise ValueError(
                f"{folder} holds only pickled weights ({', '.join(pickled)}), and a pickle can run code as it is read; "
                f"make safetensors of its tensors first: python -m pipelines.safe_weights {folder}"
            )
        raise ValueError(f"A part of this model is missing: {folder} holds no safetensors file.")
    for path in files:
        check_whole(path)


def check_whole(path: Path) -> None:
    """Raise ValueError if a safetensors file is cut short or is none; its header is read, not its tensors."""
    try:
        with safe_open(path, framework="pt"):
            pass
    except SafetensorError as error:
        raise ValueError(f"{path} is not a whole safetensors file ({error}); fetch it again.") from error


def _fields(values: Any) -> Iterator[tuple[str, Any]]:
    """Iterate over every field of a JSON value, at any depth."""
    if isinstance(values, Mapping):
        for name, value in values.items():
            yield str(name), value
            yield from _fields(value)
    elif isinstance(values, list):
        for value in values:
            yield from _fields(value)

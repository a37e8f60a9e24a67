"""Read and write ImageBind networks: our folders, and the released file with its own parameter names."""

import json
from pathlib import Path

import torch

from encoders.imagebind_config import ImageBindConfig
from encoders.imagebind_model import ImageBind
from encoders.json_file import read_json
from encoders.weights import find_weights, floats, load_strictly, read_weights, some, write_tensors

CONFIG_NAME, WEIGHTS_NAME = "config.json", "model.safetensors"
RELEASED_NAMES = ("imagebind_huge.safetensors", "imagebind_huge.pth")
TRUNKS = "modality_trunks."
HOW_TO_GET_IT = (
    "The released file is https://dl.fbaipublicfiles.com/imagebind/imagebind_huge.pth (about 4.8 GB, CC BY-NC-SA 4.0: "
    "not for commercial use); download it into this folder."
)


def read_imagebind(folder: Path | str) -> ImageBind:
    """Read a folder as `save_imagebind` writes it, or one that holds the released `imagebind_huge.pth`.

    A config.json may be ours or the released constructor's arguments; beside the released file it may be absent.
    Raises ValueError that says what is missing and how to get it.
    """
    folder = Path(folder)
    path = find_weights(folder, (WEIGHTS_NAME, *RELEASED_NAMES))
    if path is None:
        raise ValueError(
            f"No weights in the ImageBind folder '{folder.name}'; wanted {WEIGHTS_NAME} with {CONFIG_NAME}, as "
            f"save_imagebind writes them, or one of {', '.join(RELEASED_NAMES)}. {HOW_TO_GET_IT}"
        )
    if (folder / CONFIG_NAME).is_file():
        values = read_json(folder / CONFIG_NAME)
        is_ours = "out_width" in values
        config = ImageBindConfig.from_dict(values) if is_ours else ImageBindConfig.from_released(values)
    elif path.name in RELEASED_NAMES:
        config = ImageBindConfig.huge()
    else:
        raise ValueError(f"No {CONFIG_NAME} in the ImageBind folder '{folder.name}', beside its {path.name}.")
    return read_checkpoint(path, config)


def read_checkpoint(path: Path | str, config: ImageBindConfig) -> ImageBind:
    """Read a .pth or .safetensors state dict with the released names, strictly, as float32.

    Raises ValueError if the file is unsafe or cut, is no ImageBind, or has other names or shapes than `config`.
    """
    path = Path(path)
    state = read_weights(path)
    if not any(name.startswith(TRUNKS) for name in state):
        raise ValueError(
            f"{path} is not an ImageBind: none of its {len(state)} tensors is called {TRUNKS}*; "
            f"they are {some(sorted(state))}."
        )
    with torch.device("meta"):
        model = ImageBind(config)
    load_strictly(model, floats(state), str(path), assign=True)
    return model.eval()


def save_imagebind(model: ImageBind, folder: Path | str, *, dtype: torch.dtype = torch.float16) -> Path:
    """Write config.json and model.safetensors as `read_imagebind` reads them; tokenizer.json is the caller's to add."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    config = json.dumps(model.config.to_dict(), indent=2)
    (folder / CONFIG_NAME).write_text(config + "\n", encoding="utf-8")
    write_tensors(folder / WEIGHTS_NAME, model.state_dict(), dtype)
    return folder

"""The encoders by name; a new one costs a line here."""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from encoders.base import Encoder

if TYPE_CHECKING:
    import torch

ENCODERS = {
    "imagebind": "encoders.imagebind:ImageBindEncoder",
    "clip": "encoders.clip:CLIPEncoder",
    "clap": "encoders.clap:CLAPEncoder",
}


def load_encoder(name: str, folder: Path | str, device: "torch.device | str" = "cpu") -> Encoder:
    """Load the encoder of that name from its folder. Raises ValueError for an unknown name."""
    if name not in ENCODERS:
        raise ValueError(f"No encoder {name!r}; there are: {', '.join(ENCODERS)}.")
    module, class_name = ENCODERS[name].split(":")
    encoder: Encoder = getattr(import_module(module), class_name).from_folder(folder, device=device)
    return encoder

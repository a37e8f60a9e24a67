"""The encoders by name; a new one costs a line here."""

from importlib import import_module
from pathlib import Path

import torch

from encoders.base import Encoder
from encoders.options import EncoderOptions

ENCODERS = {
    "imagebind": "encoders.imagebind:ImageBindEncoder",
    "clip": "encoders.clip:CLIPEncoder",
    "clap": "encoders.clap:CLAPEncoder",
}
DEFAULT = EncoderOptions()


def load_encoder(
    name: str, folder: Path | str, device: torch.device | str = "cpu", options: EncoderOptions = DEFAULT
) -> Encoder:
    """Load the encoder of that name from its folder, onto `device` unless its options name another.

    Raises ValueError for an unknown name.
    """
    if name not in ENCODERS:
        raise ValueError(f"No encoder {name!r}; there are: {', '.join(ENCODERS)}.")
    module, class_name = ENCODERS[name].split(":")
    encoder: Encoder = getattr(import_module(module), class_name).from_folder(
        folder, device=options.device or device, dtype=getattr(torch, options.dtype)
    )
    return encoder

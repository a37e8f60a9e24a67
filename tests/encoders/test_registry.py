"""Encoders are found by name."""

from importlib import import_module
from pathlib import Path

import pytest

from encoders.imagebind import ImageBindEncoder, save_imagebind
from encoders.imagebind_model import ImageBind
from encoders.registry import ENCODERS, load_encoder
from encoders.text_tokens import train_tokenizer


@pytest.mark.parametrize("name", ENCODERS)
def test_each_entry_names_a_class_that_loads_folders(name: str) -> None:
    module, class_name = ENCODERS[name].split(":")
    assert callable(getattr(import_module(module), class_name).from_folder)


def test_an_encoder_is_loaded_from_its_folder(small_model: ImageBind, tmp_path: Path) -> None:
    save_imagebind(small_model, tmp_path)
    train_tokenizer(["a red bell"], 280, tmp_path / "tokenizer.json")
    assert isinstance(load_encoder("imagebind", tmp_path), ImageBindEncoder)


def test_an_unknown_name_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="No encoder 'slap'; there are: imagebind, clip, clap"):
        load_encoder("slap", tmp_path)

"""Encoders are found by name."""

from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from half_precision import assert_computes_at_half_precision

from encoders.imagebind import ImageBindEncoder, save_imagebind
from encoders.imagebind_config import ImageBindConfig
from encoders.imagebind_model import ImageBind
from encoders.options import EncoderOptions
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


@pytest.mark.parametrize("token_kind", ["patches", "pooled", "projected"])
def test_an_imagebind_of_all_senses_computes_at_half_precision(
    six_towers: ImageBindConfig, tmp_path: Path, token_kind: Any
) -> None:
    torch.manual_seed(0)
    save_imagebind(ImageBind(replace(six_towers, token_kind=token_kind)), tmp_path, dtype=torch.float32)
    train_tokenizer(["a red bell"], 280, tmp_path / "tokenizer.json")
    assert_computes_at_half_precision("imagebind", tmp_path)


def test_an_encoder_may_have_a_place_of_its_own(small_model: ImageBind, tmp_path: Path) -> None:
    save_imagebind(small_model, tmp_path)
    train_tokenizer(["a red bell"], 280, tmp_path / "tokenizer.json")
    encoder: Any = load_encoder("imagebind", tmp_path, "meta", EncoderOptions(device="cpu"))
    assert {parameter.device.type for parameter in encoder.model.parameters()} == {"cpu"}


def test_an_unknown_name_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="No encoder 'slap'; there are: imagebind, clip, clap"):
        load_encoder("slap", tmp_path)

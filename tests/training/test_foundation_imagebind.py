"""The small ImageBind trains on all its media, or its audio tower alone, or what no core reads; the rest stays bit for bit."""

import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from training.foundation import imagebind


def train(monkeypatch: pytest.MonkeyPatch, home: Path, name: str, *words: str) -> dict[str, torch.Tensor]:
    given = ("--sounds", str(home / "sounds"), "--pool", "24", "--batch-size", "16", "--steps", "2", *words)
    monkeypatch.setattr(sys, "argv", ["imagebind", "--output", str(home / name), *given])
    imagebind.main()
    return load_file(home / name / "imagebind" / "model.safetensors")


def test_the_audio_tower_trains_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    whole = train(monkeypatch, tmp_path, "whole")
    heard = train(monkeypatch, tmp_path, "heard", "--audio-alone", "--init-from", str(tmp_path / "whole" / "imagebind"))
    changed = {name.split(".")[1] for name, value in heard.items() if not torch.equal(value, whole[name])}
    assert changed == {"audio"}
    assert sorted(path.name for path in (tmp_path / "sounds").iterdir()) == ["foreign-0-6.npy", "heard-0-24.npy"]


def test_what_comes_after_the_tokens_trains_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    whole = train(monkeypatch, tmp_path, "whole")
    rebound = train(
        monkeypatch, tmp_path, "rebound", "--pooled-alone", "--init-from", str(tmp_path / "whole" / "imagebind")
    )
    changed = {name for name, value in rebound.items() if not torch.equal(value, whole[name])}
    assert {name for name in changed if name.split(".")[1] != "text"} == {
        "modality_heads.vision.2.weight",
        "modality_heads.audio.2.weight",
    }
    assert any(name.startswith("modality_trunks.text.") for name in changed)

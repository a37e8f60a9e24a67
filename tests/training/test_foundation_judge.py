"""The judge's trainer."""

from argparse import Namespace
from pathlib import Path
from typing import get_args

import pytest
import torch
from safetensors.torch import load_file

from training.foundation import judge as trainer
from training.foundation.judge import RECIPES, batch_of, loss_of, train
from training.world import judge as world_judge
from training.world.judge import QUESTIONS, JudgedModality, JudgeNetwork, load_judge


def options(output: Path, steps: int, *, resume: bool = False) -> Namespace:
    return Namespace(
        output=output, steps=steps, batch_size=4, minutes=None, learning_rate=None, seed=0, workers=0, resume=resume,
        init_from=None, preview_every=1000,
    )  # fmt: skip


@pytest.mark.parametrize("modality", get_args(JudgedModality))
def test_a_batch_is_set_by_seed_and_step(modality: JudgedModality) -> None:
    first, again, next_one = (batch_of(modality, 3, 0, step) for step in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["media"], next_one["media"])
    assert set(first) == {"media", *QUESTIONS[modality]}


def test_every_modality_has_a_recipe() -> None:
    assert set(RECIPES) == set(get_args(JudgedModality))


def test_open_questions_count_for_nothing() -> None:
    network, batch = JudgeNetwork("image"), batch_of("image", 4, 0, 0)
    batch |= {question: torch.full((4,), -1) for question in QUESTIONS["image"]}
    assert float(loss_of(network, batch)["loss"].detach()) == 0


def test_training_ends_with_weights_that_the_judge_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer, "WEIGHTS", tmp_path / "shipped")
    monkeypatch.setattr(world_judge, "WEIGHTS", tmp_path / "shipped")
    train("audio", options(tmp_path / "once", steps=4))
    once = load_file(tmp_path / "shipped" / "audio.safetensors")
    assert set(once) == set(load_judge("audio").state_dict())
    assert (tmp_path / "once" / "audio" / "samples-final.png").is_file()
    load_judge.cache_clear()

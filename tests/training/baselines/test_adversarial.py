"""The loop of two networks: a resume that changes no bit, phases in turn, averages, other pictures and models refused."""

import signal
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from training.baselines.adversarial import AdamOptions, Batch, Game, GameOptions, Phase, play
from training.loop import Step
from training.stopping import Stopped

OPTIONS = GameOptions(12, AdamOptions(0.01), AdamOptions(0.02), ema_decay=0.9, checkpoint_every=4)


class Counter(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.seen: Tensor
        self.register_buffer("seen", torch.zeros(()))


def game_of(width: int = 4) -> Game:
    torch.manual_seed(0)
    generator = nn.Sequential(nn.Linear(3, width), nn.BatchNorm1d(width), nn.Dropout(0.3), nn.Linear(width, 2))
    discriminator = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 1))
    memory = Counter()

    def discriminate(batch: Batch) -> Mapping[str, Tensor]:
        memory.seen += batch["x"].sum().detach()
        fake = generator(torch.randn(6, 3)).detach()
        return {"loss": discriminator(fake).mean() - discriminator(batch["x"]).mean() + memory.seen * 0.01}

    def generate(batch: Batch) -> Mapping[str, Tensor]:
        return {"loss": -discriminator(generator(torch.randn(6, 3))).mean(), "other": memory.seen}

    phases = (
        Phase("discriminator", "discriminator", discriminate),
        Phase("rare", "discriminator", discriminate, every=3),
        Phase("generator", "generator", generate),
    )
    return Game(generator, discriminator, phases, memory, lambda step: {"after": float(step)})


def batch_of(step: int, phase: int) -> Batch:
    return {"x": torch.randn(6, 2, generator=torch.Generator().manual_seed(step * 10 + phase))}


def state_of(game: Game) -> dict[str, Tensor]:
    modules = {"g": game.generator, "d": game.discriminator, "a": game.average, "m": game.memory}
    return {f"{name}.{key}": value for name, module in modules.items() for key, value in module.state_dict().items()}


def train(folder: Path, *, stop: int | None = None, resume: bool = False) -> Game:
    game = game_of()
    for step in play(game, batch_of, OPTIONS, folder, resume=resume):
        if step.number == stop:
            break
    return game


@pytest.mark.parametrize("stop", [5, 8, 11])
def test_a_resumed_training_ends_with_the_same_bits(tmp_path: Path, stop: int) -> None:
    whole = state_of(train(tmp_path / "whole"))
    train(tmp_path / "broken", stop=stop)
    resumed = state_of(train(tmp_path / "broken", resume=True))
    for name, value in whole.items():
        torch.testing.assert_close(resumed[name], value, rtol=0, atol=0)


def test_who_is_asked_to_stop_finishes_the_step_and_goes_on_with_the_same_bits(tmp_path: Path) -> None:
    def interrupting(step: int, phase: int) -> Batch:
        if (step, phase) == (6, 0):
            signal.raise_signal(signal.SIGINT)
        return batch_of(step, phase)

    options = replace(OPTIONS, checkpoint_every=10**9)
    seen: list[Step] = []
    steps = map(seen.append, play(game_of(), interrupting, options, tmp_path / "broken"))
    with pytest.raises(Stopped, match="after step 7; its checkpoint"):
        list(steps)
    assert [step.number for step in seen] == [1, 2, 3, 4, 5, 6, 7] and seen[-1].is_last
    whole = state_of(train(tmp_path / "whole"))
    resumed = state_of(train(tmp_path / "broken", resume=True))
    for name, value in whole.items():
        torch.testing.assert_close(resumed[name], value, rtol=0, atol=0)


def test_each_phase_trains_its_own_side_as_often_as_it_says(tmp_path: Path) -> None:
    game = game_of()
    names, before = [], state_of(game)
    before = {name: value.clone() for name, value in before.items()}
    for step in play(game, batch_of, replace(OPTIONS, steps=4), tmp_path):
        names.append("rare_loss" in step.losses)
        assert {"discriminator_loss", "generator_loss", "generator_other", "after"} <= step.losses.keys()
    assert names == [True, False, False, True]
    after = state_of(game)
    assert not torch.equal(before["g.0.weight"], after["g.0.weight"])
    assert not torch.equal(before["d.0.weight"], after["d.0.weight"])


def test_the_average_follows_the_weights_and_has_the_buffers(tmp_path: Path) -> None:
    game = game_of()
    weights, kept = game.generator[0].weight, game.average.get_parameter("0.weight").clone()  # type: ignore[index]
    for step in play(game, batch_of, OPTIONS, tmp_path):
        kept.lerp_(weights.detach(), 1 - min(0.9, step.number / (step.number + 9)))
    torch.testing.assert_close(game.average.get_parameter("0.weight"), kept)
    torch.testing.assert_close(game.average.get_buffer("1.running_mean"), game.generator.get_buffer("1.running_mean"))


def test_a_lazy_step_of_its_own_asks_for_slower_moments() -> None:
    beside = AdamOptions(0.002, 0.0, 0.99).beside(16)
    assert beside.learning_rate == pytest.approx(0.002 * 16 / 17)
    assert beside.beta1 == 0 and beside.beta2 == pytest.approx(0.99 ** (16 / 17))


def test_nothing_is_overwritten_and_nothing_foreign_goes_on(tmp_path: Path) -> None:
    train(tmp_path, stop=5)
    with pytest.raises(FileExistsError, match="--resume"):
        train(tmp_path)
    with pytest.raises(ValueError, match="another model"):
        list(play(game_of(5), batch_of, OPTIONS, tmp_path, resume=True))


def test_time_running_out_leaves_a_checkpoint_to_resume(tmp_path: Path) -> None:
    game = game_of()
    steps = list(play(game, batch_of, replace(OPTIONS, minutes=0.0), tmp_path))
    assert [step.number for step in steps] == [1] and steps[0].is_last
    resumed, whole = state_of(train(tmp_path, resume=True)), state_of(train(tmp_path / "whole"))
    for name, value in whole.items():
        torch.testing.assert_close(resumed[name], value, rtol=0, atol=0)

"""The training loop: rates, averages, no decay where none is wanted, and a resume that changes no bit."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from training.loop import Batch, LoopOptions, averaged_weights, fit, learning_rate_at

OPTIONS = LoopOptions(steps=12, learning_rate=0.01, warmup_steps=3, checkpoint_every=4, ema_decay=0.9)


def model_of() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 2))


def batch_of(step: int) -> Batch:
    generator = torch.Generator().manual_seed(step)
    return {"x": torch.randn(6, 4, generator=generator), "y": torch.randn(6, 2, generator=generator)}


def loss_of(model: nn.Module, batch: Batch) -> Mapping[str, Tensor]:
    return {"loss": functional.mse_loss(model(batch["x"]), batch["y"])}


def train(folder: Path, *, steps: int = 12, stop: int | None = None, resume: bool = False) -> nn.Module:
    model = model_of()
    options = replace(OPTIONS, steps=steps)
    for step in fit(model, batch_of, loss_of, options, folder, resume=resume):
        if step.number == stop:
            break
    return model


@pytest.mark.parametrize("stop", [5, 8, 11])
def test_a_resumed_training_ends_with_the_same_bits(tmp_path: Path, stop: int) -> None:
    whole = train(tmp_path / "whole").state_dict()
    train(tmp_path / "broken", stop=stop)
    resumed = train(tmp_path / "broken", resume=True).state_dict()
    for name, value in whole.items():
        torch.testing.assert_close(resumed[name], value, rtol=0, atol=0)


def test_resuming_a_finished_training_gives_its_averaged_weights(tmp_path: Path) -> None:
    whole = train(tmp_path)
    again = train(tmp_path, resume=True)
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], value, rtol=0, atol=0)
        torch.testing.assert_close(averaged_weights(tmp_path)[name], value, rtol=0, atol=0)


def test_no_training_is_overwritten_by_mistake(tmp_path: Path) -> None:
    train(tmp_path)
    with pytest.raises(FileExistsError, match="--resume"):
        train(tmp_path)


def test_another_models_checkpoint_is_refused(tmp_path: Path) -> None:
    train(tmp_path)
    with pytest.raises(ValueError, match="another model"):
        list(fit(nn.Linear(4, 2), batch_of, loss_of, OPTIONS, tmp_path, resume=True))


def test_the_rate_warms_up_stays_and_falls() -> None:
    options = replace(OPTIONS, steps=100, warmup_steps=10, decay_fraction=0.2)
    rates = [learning_rate_at(step, options) / options.learning_rate for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9:81] == [1.0] * 72
    assert rates[90] == pytest.approx(0.5)
    assert rates[99] == pytest.approx(0.05)


def test_parameters_without_decay_and_without_gradient_do_not_move(tmp_path: Path) -> None:
    model = nn.ParameterDict({"kept": nn.Parameter(torch.ones(3)), "moved": nn.Parameter(torch.ones(3))})

    def still(model: nn.Module, batch: Batch) -> Mapping[str, Tensor]:
        return {"loss": model["kept"].sum() * 0 + model["moved"].sum() * 0}  # type: ignore[operator,index]

    options = replace(OPTIONS, weight_decay=0.1, undecayed=("kept",))
    list(fit(model, batch_of, still, options, tmp_path))
    assert model["kept"].tolist() == [1, 1, 1]
    assert bool((model["moved"] < 1).all())


def test_time_running_out_leaves_a_checkpoint_to_resume(tmp_path: Path) -> None:
    model = model_of()
    steps = list(fit(model, batch_of, loss_of, replace(OPTIONS, minutes=0.0), tmp_path))
    assert [step.number for step in steps] == [1]
    assert steps[0].is_last
    resumed = train(tmp_path, resume=True).state_dict()
    for name, value in train(tmp_path / "whole").state_dict().items():
        torch.testing.assert_close(resumed[name], value, rtol=0, atol=0)

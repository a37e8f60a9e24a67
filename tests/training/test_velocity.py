"""The denoisers' loss: a clean sample is worth the velocity that it stands for, and a text encoder stays if asked."""

import argparse
from pathlib import Path

import pytest
import torch
from diffusers import DDPMScheduler
from torch import Tensor, nn

from training.foundation.velocity import MAX_WEIGHT, SCHEDULE, add_freezing, freeze, velocity_loss


class Guess(nn.Module):
    """Predicts half of what it is given, as a clean sample or as the velocity that this sample stands for."""

    def __init__(self, scheduler: DDPMScheduler) -> None:
        super().__init__()
        self.scheduler = scheduler

    def forward(self, noisy: Tensor, timesteps: Tensor) -> Tensor:
        sample = noisy / 2
        if self.scheduler.config.prediction_type == "sample":
            return sample
        kept = self.scheduler.alphas_cumprod[timesteps].view(-1, 1)
        return (kept.sqrt() * noisy - sample) / (1 - kept).sqrt()


def test_a_predicted_sample_costs_what_its_velocity_costs_until_the_weight_is_capped() -> None:
    losses = []
    for kind in ("v_prediction", "sample"):
        scheduler = DDPMScheduler(**{**SCHEDULE, "prediction_type": kind})
        variance = 1 - scheduler.alphas_cumprod
        assert variance[0] * MAX_WEIGHT < 1
        torch.manual_seed(1)
        losses.append(_late(scheduler))
    torch.testing.assert_close(losses[0], losses[1])


def _late(scheduler: DDPMScheduler) -> Tensor:
    """The loss over timesteps whose weight is not capped."""
    first = int(((1 - scheduler.alphas_cumprod) > 1 / MAX_WEIGHT).int().argmax())
    scheduler.alphas_cumprod = scheduler.alphas_cumprod[first:]
    scheduler.register_to_config(num_train_timesteps=1000 - first)
    return velocity_loss(scheduler, Guess(scheduler), {"latents": torch.randn(16, 4)})["loss"]


def options(*given: str) -> argparse.Namespace:
    made = argparse.ArgumentParser()
    made.add_argument("--init-from", type=Path)
    add_freezing(made)
    return made.parse_args(given)


def test_a_text_encoder_is_frozen_only_when_asked_and_only_a_trained_one() -> None:
    encoder = nn.Linear(2, 2)
    freeze(encoder, options())
    assert encoder.weight.requires_grad
    with pytest.raises(ValueError, match="--init-from"):
        freeze(encoder, options("--freeze-text-encoder"))
    freeze(encoder, options("--freeze-text-encoder", "--init-from", "image"))
    assert not encoder.weight.requires_grad

"""What the latent denoisers share: the noise schedule, the loss, and the text encoder that may be kept as it is."""

import argparse

import torch
from diffusers import DDPMScheduler
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from training.loop import Batch

DROPPED_CAPTIONS = 0.1  # for classifier-free guidance (Ho and Salimans 2022)
MAX_WEIGHT = 20.0
# The schedule of Stable Diffusion, with v-prediction (Salimans and Ho 2022), rescaled to end in pure noise (Lin et al.
# 2023): else the little signal left at its end tells which thing is above, and the words that say so are not learned.
SCHEDULE = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "prediction_type": "v_prediction",
    "rescale_betas_zero_snr": True,
}


def velocity_loss(scheduler: DDPMScheduler, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
    """Mean squared error of the velocity at timesteps drawn with more weight on much noise, where layouts are decided.

    The density of a time u in [0, 1] is 1 / (2 sqrt(1 - u)).

    `model(noisy, timesteps, **rest)` predicts what the scheduler's prediction_type says, the velocity or the clean
    "sample", where `rest` is all of the batch but its "latents" (B, ...). A predicted sample x stands for the velocity
    (alpha * noisy - x) / sigma, so its error weighs 1 / sigma^2, up to MAX_WEIGHT (Li and He 2025, JiT).
    """
    rest = dict(batch)
    clean: Tensor = rest.pop("latents")
    noise = torch.randn_like(clean)
    times = 1 - torch.rand(len(clean), device=clean.device) ** 2
    timesteps = (
        (times * scheduler.config.num_train_timesteps).long().clamp(max=scheduler.config.num_train_timesteps - 1)
    )
    predicted = model(scheduler.add_noise(clean, noise, timesteps), timesteps, **rest).float()
    if scheduler.config.prediction_type == "v_prediction":
        return {"loss": mse_loss(predicted, scheduler.get_velocity(clean, noise, timesteps))}
    assert scheduler.config.prediction_type == "sample"
    variance = 1 - scheduler.alphas_cumprod.to(clean.device)[timesteps]
    errors = mse_loss(predicted, clean, reduction="none").flatten(1).mean(1)
    return {"loss": (errors * (1 / variance).clamp(max=MAX_WEIGHT)).mean(), "error": errors.mean()}


def add_freezing(made: argparse.ArgumentParser) -> None:
    """Offer to keep the text encoder of --init-from."""
    made.add_argument(
        "--freeze-text-encoder",
        action="store_true",
        help="train the denoiser alone, so that projections aligned with the text encoder of --init-from stay right",
    )


def freeze(text_encoder: nn.Module, arguments: argparse.Namespace) -> None:
    """Keep the text encoder as it is, if asked. Raises ValueError when there is nothing worth keeping."""
    if not arguments.freeze_text_encoder:
        return
    if not arguments.init_from:
        raise ValueError("--freeze-text-encoder keeps a trained text encoder: name its decoder with --init-from.")
    text_encoder.requires_grad_(requires_grad=False)

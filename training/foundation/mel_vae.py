"""Train the sound autoencoder (128x64 log-mel to 16x8 latents) of the audio decoder.

python -m training.foundation.mel_vae --sounds runs/sounds --output runs/mel_vae
"""

import random
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderTiny
from torch import Tensor, nn

from training.foundation.command import options_of, parser, run, save_grid
from training.foundation.mel import log_mel, picture, sound_pool, waveforms
from training.foundation.vae import LATENT_WEIGHT, Reconstruction
from training.loop import Batch, LoopOptions

CROP = 48  # columns of a training crop, over all bands
LOOP = LoopOptions(steps=0, learning_rate=1e-3, warmup_steps=200, weight_decay=0.0, precision="bf16")


def build() -> AutoencoderTiny:
    """Make the network with random weights: (B, 1, columns, 64) <-> (B, 8, columns / 8, 8)."""
    return AutoencoderTiny(
        in_channels=1,
        out_channels=1,
        encoder_block_out_channels=(32,) * 4,
        decoder_block_out_channels=(32,) * 4,
        num_encoder_blocks=(0, 1, 2, 2),
        num_decoder_blocks=(2, 2, 1, 1),
        latent_channels=8,
    )


def mels_of(sounds: np.ndarray, chunk: int = 64) -> Tensor:
    """Log-mels of a whole pool of sounds: float16 (N, 128, 64)."""
    spans = (range(start, min(start + chunk, len(sounds))) for start in range(0, len(sounds), chunk))
    return torch.cat([log_mel(waveforms(sounds, list(span))).half() for span in spans])


def loss_of(model: nn.Module, batch: Batch) -> dict[str, Tensor]:
    """L1 on the log-mel, plus a pull of the latents towards zero."""
    x: Tensor = batch["mel"]
    y, latents = model(x)
    l1 = (x - y.float()).abs().mean()
    size = latents.float().pow(2).mean()
    return {"loss": l1 + LATENT_WEIGHT * size, "l1": l1, "size": size}


def main() -> None:
    """Train, set the latents' scale, and save `<output>/vae` in diffusers' format."""
    made = parser(__doc__ or "", steps=5000, batch_size=32)
    made.add_argument("--sounds", type=Path, required=True, help="folder that keeps the pool of sounds")
    made.add_argument("--pool", type=int, default=1800, help="sounds rendered once")
    arguments = made.parse_args()
    torch.manual_seed(arguments.seed)
    vae = (AutoencoderTiny.from_pretrained(arguments.init_from) if arguments.init_from else build()).float()
    mels = mels_of(sound_pool(arguments.sounds, size=arguments.pool, seed=0, workers=arguments.workers))

    def batch(step: int) -> Batch:
        rng = random.Random(f"mel {arguments.seed} {step}")
        starts = [
            (rng.randrange(len(mels)), rng.randrange(mels.shape[1] - CROP + 1)) for _ in range(arguments.batch_size)
        ]
        return {"mel": torch.stack([mels[place, start : start + CROP] for place, start in starts]).float()[:, None]}

    def preview(path: Path) -> None:
        x = mels[:12].float()[:, None].to(next(vae.parameters()).device)
        y = vae.decode(vae.encode(x).latents).sample
        save_grid(np.concatenate([picture(x[:, 0]), picture(y[:, 0])]), path, columns=6, scale=2)

    run(Reconstruction(vae), batch, loss_of, options_of(arguments, LOOP), arguments, preview)
    with torch.no_grad():
        latents = vae.encode(mels[:256].float()[:, None].to(next(vae.parameters()).device)).latents
    vae.register_to_config(scaling_factor=round(1 / float(latents.std()), 5))
    vae.to(torch.float16).save_pretrained(arguments.output / "vae")


if __name__ == "__main__":
    main()

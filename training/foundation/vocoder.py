"""Train the vocoder: a stock SpeechT5HifiGan that turns log-mel columns into 16 kHz samples.

    python -m training.foundation.vocoder --sounds runs/sounds --output runs/vocoder

Multi-resolution spectral losses (Yamamoto 2020, Parallel WaveGAN) on half-second pieces of the world's sounds.
"""

import random
from pathlib import Path

import numpy as np
import soundfile
import torch
from torch import Tensor, nn
from transformers import SpeechT5HifiGan, SpeechT5HifiGanConfig

from training.foundation.command import options_of, parser, run, save_grid
from training.foundation.mel import HOP, NUM_MELS, log_mel, picture, sound_pool, waveforms
from training.loop import Batch, LoopOptions
from training.world.sounds import SAMPLE_RATE

PIECE = 32 * HOP  # half a second
RESOLUTIONS = (256, 512, 1024, 2048)  # samples of a window; the hop is a quarter
LOOP = LoopOptions(steps=0, learning_rate=1e-3, warmup_steps=200, weight_decay=0.0, clip_norm=5.0)


def build() -> SpeechT5HifiGan:
    """Make the network with random weights: (B, columns, 64) -> (B, 250 * columns)."""
    return SpeechT5HifiGan(
        SpeechT5HifiGanConfig(
            model_in_dim=NUM_MELS,
            sampling_rate=SAMPLE_RATE,
            upsample_initial_channel=192,
            upsample_rates=[5, 5, 5, 2],
            upsample_kernel_sizes=[11, 11, 11, 4],
            resblock_kernel_sizes=[3, 7],
            resblock_dilation_sizes=[[1, 3], [1, 3]],
            normalize_before=False,
        )
    )


def batch_of(sounds: np.ndarray, batch_size: int, seed: int, step: int) -> Batch:
    """Cut pieces where there is sound: {"waveform": (B, 8000), "mel": (B, 32, 64)}; columns are those of the whole sound."""
    rng = random.Random(f"vocoder {seed} {step}")
    whole = waveforms(sounds, [rng.randrange(len(sounds)) for _ in range(batch_size)])
    mels = log_mel(whole)
    columns = PIECE // HOP
    pieces, cuts = [], []
    for waveform, mel in zip(whole, mels, strict=True):
        starts = [rng.randrange(mel.shape[0] - columns) for _ in range(2)]
        start = starts[int(torch.stack([mel[s : s + columns].mean() for s in starts]).argmax())]
        pieces.append(waveform[start * HOP : start * HOP + PIECE])
        cuts.append(mel[start : start + columns])
    return {"waveform": torch.stack(pieces), "mel": torch.stack(cuts)}


def spectral_distance(made: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
    """Spectral convergence and log-magnitude distance of (B, T) waveforms, averaged over the resolutions."""
    convergence, magnitude = made.new_zeros(()), made.new_zeros(())
    for size in RESOLUTIONS:
        window = torch.hann_window(size, device=made.device)
        a, b = (
            torch.view_as_real(torch.stft(x, size, size // 4, window=window, return_complex=True))
            .pow(2)
            .sum(-1)
            .clamp_min(1e-8)
            .sqrt()
            for x in (made, real)
        )
        convergence = convergence + (a - b).norm() / b.norm().clamp_min(1e-5)
        magnitude = magnitude + (a.clamp_min(1e-3).log() - b.clamp_min(1e-3).log()).abs().mean()
    return convergence / len(RESOLUTIONS), magnitude / len(RESOLUTIONS)


def loss_of(model: nn.Module, batch: Batch) -> dict[str, Tensor]:
    """Spectral losses and the mel distance; a mel tells no phases, so a pull on the samples themselves would blur tones."""
    real: Tensor = batch["waveform"]
    made = model(batch["mel"]).float()
    convergence, magnitude = spectral_distance(made, real)
    mel = (log_mel(made) - log_mel(real)).abs().mean()
    loss = convergence + magnitude + 4 * mel
    return {"loss": loss, "convergence": convergence, "magnitude": magnitude, "mel": mel}


def main() -> None:
    """Train, and save `<output>/vocoder` in transformers' format, with a few sounds to listen to."""
    made = parser(__doc__ or "", steps=8000, batch_size=12)
    made.add_argument("--sounds", type=Path, required=True, help="folder that keeps the pool of sounds")
    made.add_argument("--pool", type=int, default=1800, help="sounds rendered once")
    arguments = made.parse_args()
    torch.manual_seed(arguments.seed)
    model = SpeechT5HifiGan.from_pretrained(arguments.init_from) if arguments.init_from else build()
    model = model.float()
    sounds = sound_pool(arguments.sounds, size=arguments.pool, seed=0, workers=arguments.workers)
    shown = waveforms(sounds, list(range(12)))

    def preview(path: Path) -> None:
        heard = model(log_mel(shown))
        rows = np.concatenate([picture(log_mel(shown)), picture(log_mel(heard))])
        save_grid(rows, path, columns=6, scale=2)
        soundfile.write(path.with_suffix(".wav"), torch.stack([shown, heard], 1).flatten().cpu().numpy(), SAMPLE_RATE)

    def batch(step: int) -> Batch:
        return batch_of(sounds, arguments.batch_size, arguments.seed, step)

    run(model, batch, loss_of, options_of(arguments, LOOP), arguments, preview)
    model.to(torch.float16).save_pretrained(arguments.output / "vocoder")


if __name__ == "__main__":
    main()

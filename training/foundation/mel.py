"""The log-mel picture of a sound that the audio decoder's parts agree on: 64 bands, one column every 250 samples."""

import random
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache, partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torchaudio.transforms import MelSpectrogram
from tqdm import tqdm

from training.world.foreign import render_foreign_audio
from training.world.scene import SOUNDING_THINGS, Scene, Thing
from training.world.sounds import NUM_SAMPLES, SAMPLE_RATE, reach_when_heard, render_audio

HOP = 250
NUM_MELS = 64
NUM_COLUMNS = NUM_SAMPLES // HOP  # 128 columns in 2 s
FLOOR = 1e-4
CENTRE, SPREAD = -4.5, 5.0  # log amplitudes lie in about -9.2 .. 3; this brings them to about -1 .. 1.3


@lru_cache
def _mel() -> MelSpectrogram:
    return MelSpectrogram(
        SAMPLE_RATE, n_fft=1024, hop_length=HOP, n_mels=NUM_MELS, f_min=0.0, f_max=SAMPLE_RATE / 2, power=1.0,
        norm="slaney", mel_scale="slaney",
    )  # fmt: skip


def log_mel(waveform: Tensor) -> Tensor:
    """(B, T) samples in [-1, 1] -> (B, T / 250, 64), scaled to about [-1, 1]."""
    columns = _mel().to(waveform.device)(waveform.float())[..., : waveform.shape[-1] // HOP]
    # Slaney's norm divides by the bandwidth in Hz; the factor brings amplitudes back to the order of 1.
    scaled: Tensor = ((columns * 100).clamp_min(FLOOR).log() - CENTRE).div(SPREAD).transpose(1, 2)
    return scaled


PoolKind = Literal["sounds", "heard", "foreign"]


def sound_scene(seed: int, index: int) -> tuple[Scene, int]:
    """The scene and render seed at a place of the pool of sounds; things take turns."""
    rng = random.Random(f"sounds {seed} {index}")
    thing = Thing(SOUNDING_THINGS[index % len(SOUNDING_THINGS)], "red")
    return Scene((thing,), "sky"), rng.getrandbits(31)


def _render(seed: int, kind: PoolKind, index: int) -> np.ndarray:
    scene, number = sound_scene(seed, index)
    if kind == "foreign":
        waveform = render_foreign_audio(number)
    else:
        waveform = render_audio(scene, number, reach=reach_when_heard(number, "train") if kind == "heard" else 0.0)
    return (waveform * 32767).round().astype(np.int16)


def sound_pool(folder: Path, *, size: int, seed: int, kind: PoolKind = "sounds", workers: int = 1) -> np.ndarray:
    """Render `size` training sounds once, kept in `folder`: int16 (size, 32000), memory-mapped.

    They are there to be made ("sounds"), to be "heard" (every other one has dials beyond their ends), or "foreign".
    """
    path = folder / f"{kind}-{seed}-{size}.npy"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        with ProcessPoolExecutor(max(1, workers)) as pool:
            rendered = pool.map(partial(_render, seed, kind), range(size), chunksize=48)
            sounds = np.stack(list(tqdm(rendered, total=size, desc="sounds", mininterval=5)))
        np.save(path.with_suffix(".tmp.npy"), sounds)
        path.with_suffix(".tmp.npy").replace(path)
    pool_array: np.ndarray = np.load(path, mmap_mode="r")
    return pool_array


def waveforms(sounds: np.ndarray, places: list[int]) -> Tensor:
    """Sounds of the pool as float (B, 32000) in [-1, 1]."""
    return torch.from_numpy(np.stack([sounds[place] for place in places]).astype(np.float32) / 32767)


def picture(mels: Tensor) -> np.ndarray:
    """(B, columns, 64) -> uint8 (B, 64, columns, 3), low notes at the bottom."""
    grey = ((mels.float().clamp(-1, 1.2) + 1) / 2.2 * 255).byte().transpose(1, 2).flip(1).cpu().numpy()
    return np.repeat(grey[..., None], 3, axis=-1)

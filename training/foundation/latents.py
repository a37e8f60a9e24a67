"""A pool of scenes rendered and put through the frozen autoencoder once, so that no training step repeats that work."""

import hashlib
import random
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderTiny
from tqdm import tqdm

from training.foundation.vae import to_signed
from training.world.pictures import render_image, render_video
from training.world.scene import Kind, Scene
from training.world.split import draw

_CHUNK = 64


def pool_scene(seed: int, index: int, kinds: tuple[Kind, ...]) -> tuple[Scene, int]:
    """The scene and render seed at a place of the pool: a pure function, so captions need not be stored."""
    rng = random.Random(f"pool {seed} {index}")
    return draw(rng, kinds[index % len(kinds)], "train"), rng.getrandbits(31)


def _render(index: int, seed: int, kinds: tuple[Kind, ...]) -> np.ndarray:
    scene, number = pool_scene(seed, index, kinds)
    return render_video(scene, number) if scene.motion else render_image(scene, number)


def latent_pool(
    vae: AutoencoderTiny, folder: Path, *, size: int, seed: int, kinds: tuple[Kind, ...], workers: int = 1
) -> np.ndarray:
    """Return scaled latents, float16 (size, 8, 8, 8) for pictures or (size, frames, 8, 8, 8) for videos, kept in `folder`.

    The file grows when a larger pool is asked for, and is made anew when the autoencoder is another one.
    """
    weights = torch.cat([p.detach().float().flatten()[:8] for p in vae.parameters()])
    path = (
        folder
        / f"latents-{'-'.join(kinds)}-{seed}-{hashlib.sha256(weights.numpy(force=True).tobytes()).hexdigest()[:8]}.npy"
    )
    have = np.load(path) if path.is_file() else None
    if have is not None and len(have) >= size:
        kept: np.ndarray = have[:size]
        return kept
    done = [have] if have is not None else []
    start = 0 if have is None else len(have)
    device = next(vae.parameters()).device
    with ProcessPoolExecutor(max(1, workers)) as pool, torch.no_grad():
        rendered = pool.map(partial(_render, seed=seed, kinds=kinds), range(start, size), chunksize=_CHUNK)
        bar = tqdm(total=size - start, desc="latents", mininterval=5)
        chunk: list[np.ndarray] = []
        for index, item in enumerate(rendered, start=start):
            chunk.append(item)
            if len(chunk) == _CHUNK or index == size - 1:
                x = to_signed(torch.from_numpy(np.stack(chunk))).to(device)
                z = vae.encode(x.flatten(0, -4)).latents * vae.config.scaling_factor
                done.append(z.reshape(*x.shape[:-3], *z.shape[1:]).half().cpu().numpy())
                bar.update(len(chunk))
                chunk = []
    latents = np.concatenate(done)
    folder.mkdir(parents=True, exist_ok=True)
    np.save(path.with_suffix(".tmp.npy"), latents)
    path.with_suffix(".tmp.npy").replace(path)
    return latents

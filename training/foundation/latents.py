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

from training.foundation.isolation import strange_palette
from training.foundation.vae import to_signed
from training.world.captions import canonical_caption, caption, infer_kind, wording
from training.world.pictures import COLOUR_RGB, render_image, render_video
from training.world.scene import Kind, Scene
from training.world.split import draw

_CHUNK = 64
_CANONICAL, _COMPLETE = 0.4, 0.85  # how often captions are worded in the canonical way, and else name all there is
_ISOLATED_EVERY = 5


def pool_scene(seed: int, index: int, kinds: tuple[Kind, ...]) -> tuple[Scene, int]:
    """The scene and render seed at a place of the pool: a pure function, so captions need not be stored."""
    rng = random.Random(f"pool {seed} {index}")
    return draw(rng, kinds[index % len(kinds)], "train"), rng.getrandbits(31)


def is_isolated(index: int) -> bool:
    """Tell whether a place of the pool shows a thing on its own terms: a picture in a colour that no caption names, a
    video that stands still. Else a colour or a motion tells a decoder too much about the thing it mostly comes with.
    """
    return index % _ISOLATED_EVERY == 0


def pool_caption(seed: int, index: int, kinds: tuple[Kind, ...], rng: random.Random) -> str:
    """Word a place of the pool afresh, naming what it shows: mostly all of it, sometimes in the canonical way."""
    scene, _ = pool_scene(seed, index, kinds)
    kind = infer_kind(scene)
    if is_isolated(index):
        named = {"size", "background"} | ({"colour"} if scene.motion else set())
        return wording(scene, rng, kind=kind, side="train", named=frozenset(named))
    if rng.random() < _CANONICAL:
        return canonical_caption(scene)
    return caption(scene, rng.getrandbits(31), kind=kind, complete=rng.random() < _COMPLETE)


def _render(index: int, seed: int, kinds: tuple[Kind, ...]) -> np.ndarray:
    scene, number = pool_scene(seed, index, kinds)
    if scene.motion:
        frames = render_video(scene, number)
        return np.broadcast_to(frames[number % len(frames)], frames.shape) if is_isolated(index) else frames
    palette = strange_palette(scene, random.Random(f"palette {number}")) if is_isolated(index) else COLOUR_RGB
    return render_image(scene, number, palette=palette)


def latent_pool(
    vae: AutoencoderTiny, folder: Path, *, size: int, seed: int, kinds: tuple[Kind, ...], workers: int = 1
) -> np.ndarray:
    """Return scaled latents, float16 (size, 8, 8, 8) for pictures or (size, frames, 8, 8, 8) for videos, kept in `folder`.

    The file grows when a larger pool is asked for, and is made anew when the autoencoder is another one.
    """
    weights = torch.cat([p.detach().float().flatten()[:8] for p in vae.parameters()])
    digest = hashlib.sha256(weights.numpy(force=True).tobytes()).hexdigest()[:8]
    path = folder / f"latents-isolated{_ISOLATED_EVERY}-{'-'.join(kinds)}-{seed}-{digest}.npy"
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

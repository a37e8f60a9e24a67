"""The sounds of the car, the train, the clock and the phone."""

import numpy as np

from training.world.dials import Dials
from training.world.synthesis import (
    DURATION,
    NUM_SAMPLES,
    Waveform,
    add,
    band_noise,
    contour,
    convolve,
    decay,
    room,
    silence,
    strike,
    swell,
    tone,
)

# How the engine's speed goes, from 0 (idle) to 1 (full revs), at evenly spaced times.
_REVVINGS = (
    (0, 0, 1, 0.3, 0, 1, 0.2),
    (0, 0.1, 1, 1, 0.4, 0, 0),
    (0, 0.2, 0.5, 0.75, 1, 0.4, 0.7),
    (1, 0.4, 0, 0, 1, 0.6, 0),
)
# When the phone rings: (start, duration) in seconds.
_RINGINGS = ((0.0, 0.45), (0.65, 0.45), (1.5, 0.45)), ((0.0, 0.8), (1.15, 0.8)), ((0.2, 1.2),), ((0.0, 0.4), (0.6, 0.4))


def car(dials: Dials, rng: np.random.Generator) -> Waveform:
    """Rev an engine: uneven firing pulses through an exhaust, with a rush of air that follows them."""
    idle = dials.turn("pitch", 38, 70)
    revving = dials.turn("revving", 1.8, 3.2)
    roughness = dials.turn("roughness", 0.2, 0.6)
    speed = contour(DURATION, *np.clip(_REVVINGS[rng.integers(len(_REVVINGS))] + rng.uniform(-0.08, 0.08, 7), 0, 1))
    firing = idle * revving**speed
    number = np.arange(1, 60)
    harmonics = np.exp(-number / 30) / number**0.45 * rng.uniform(0.6, 1.4, len(number))
    cylinders = tone(firing, harmonics, NUM_SAMPLES) * (1 + roughness * tone(firing / 4, [0.8, 0.7, 0.2], NUM_SAMPLES))
    pulse = np.clip(tone(firing, [1, 0.5], NUM_SAMPLES), 0, None)
    air = band_noise(rng, DURATION, 250, 1800) * (0.15 + pulse) * 0.5
    exhaust = strike([130, 310, 720, 1400], [0.8, 1, 0.9, 0.7], [0.005, 0.004, 0.002, 0.001], 0.1)
    engine = convolve(cylinders + air, exhaust)
    loudness = (0.6 + 0.4 * speed) * swell(DURATION, 0.06, 0.06)
    return np.asarray(np.tanh(1.5 * engine / np.abs(engine).max()) * loudness)


def train(dials: Dials, rng: np.random.Generator) -> Waveform:
    """Run a steam train: chuffs in fours, and a whistle that blows a chord."""
    pace = dials.turn("pace", 0.15, 0.29)
    pitch = dials.turn("pitch", 420, 640)
    steam = dials.turn("steam", 900, 2200)
    out = silence()
    for step in range(int(DURATION / pace) + 1):
        chuff = band_noise(rng, pace, 180, steam) * decay(pace, pace * 0.22, attack=0.015)
        add(out, chuff * (0.42 if step % 4 == 0 else 0.28), step * pace)
    length = rng.uniform(0.6, 0.95)
    toots = ((rng.uniform(0.3, 0.9), length),) if rng.uniform() < 0.6 else ((0.25, 0.35), (0.75, length))
    for start, duration in toots:
        bend = contour(duration, 0.93, 1, 1, 1, 1, 1, 1, 1, 0.95)
        whistle = band_noise(rng, duration, pitch, 3 * pitch) * 0.06
        for ratio in (1, 1.19, 1.5, 1.78):
            whistle += 0.22 * tone(pitch * ratio * bend, [1, 0.35, 0.2, 0.08], len(bend))
        add(out, whistle * swell(duration, 0.06, 0.12), start)
    return out


def clock(dials: Dials, rng: np.random.Generator) -> Waveform:
    """Run a clock: a sharp tick, a lower tock, at a steady beat, in a wooden case."""
    pace = dials.turn("pace", 0.24, 0.5)
    pitch = dials.turn("pitch", 1700, 3000)
    wood = dials.turn("wood", 450, 900)
    out = silence()
    for step in range(int(DURATION / pace) + 1):
        modes = np.array([wood, 1.9 * wood, pitch, 1.62 * pitch]) * (1.0 if step % 2 == 0 else 0.72)
        click = strike(modes, [0.7, 0.5, 1, 0.5], [0.018, 0.012, 0.007, 0.004], 0.2)
        click += 0.35 * band_noise(rng, 0.2, 1500, 5000) * decay(0.2, 0.003, attack=0.0005)
        add(out, click, step * pace)
    return np.asarray(np.tanh(1.5 * room(rng, out, level=0.3, half_life=0.03)))


def phone(dials: Dials, rng: np.random.Generator) -> Waveform:
    """Ring an old telephone: a hammer between two small gongs, in bursts."""
    pitch = dials.turn("pitch", 950, 1500)
    pace = dials.turn("pace", 17, 27)
    ring = dials.turn("ring", 0.02, 0.05)
    modes, half_lives = pitch * np.array([1, 2.03, 3.1]), ring / np.array([1, 2, 3])
    gongs = [strike(modes * ratio, [1, 0.5, 0.25], half_lives, 0.4) for ratio in (1, 1.26)]
    out = silence()
    for start, duration in _RINGINGS[rng.integers(len(_RINGINGS))]:
        for step in range(int(duration * pace)):
            add(out, gongs[step % 2] * rng.uniform(0.85, 1), start + step / pace)
    return np.asarray(np.tanh(out / np.abs(out).max()))

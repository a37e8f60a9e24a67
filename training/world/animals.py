"""The sounds of the bird, the cat, the frog and the bee."""

import numpy as np

from training.world.dials import Dials
from training.world.synthesis import (
    DURATION,
    NUM_SAMPLES,
    SAMPLE_RATE,
    Waveform,
    add,
    band_noise,
    contour,
    convolve,
    resonance,
    room,
    seconds,
    silence,
    strike,
    swell,
    tone,
    voice,
)

# How the pitch of a chirp goes, from -1 to 1, at evenly spaced times.
_CHIRPS = ((-1, 1), (1, -1), (-1, 1, -1), (1, -0.6, 1), (0.5, 0.3, -1), (-1, 1, -1, 1, -1, 1))


def bird(dials: Dials, rng: np.random.Generator) -> Waveform:
    """Sing a motif of one to three quick sweeps, again and again."""
    pitch = dials.turn("pitch", 2700, 4300)
    sweep = dials.turn("sweep", 1.12, 1.4)
    pace = dials.turn("pace", 0.09, 0.17)
    motif = [
        (_CHIRPS[rng.integers(len(_CHIRPS))], rng.uniform(0.9, 1.15), pace * rng.uniform(0.55, 0.9))
        for _ in range(rng.integers(1, 4))
    ]
    pause = pace * (0.9 if len(motif) > 1 else 0.25)
    out, start = silence(), 0.0
    while start < DURATION - 0.3:
        for shape, height, duration in motif:
            frequency = np.minimum(pitch * height * sweep ** contour(duration, *shape), 5800)
            add(out, tone(frequency, [1, 0.12], len(frequency)) * swell(duration, 0.015, 0.03), start)
            start += pace
        start += pause
    return room(rng, out, level=0.15, half_life=0.04)


def cat(dials: Dials, rng: np.random.Generator) -> Waveform:
    """Meow once or twice: a mouth opens from m over ee to ah and closes to oo, while the pitch rises and falls."""
    pitch = dials.turn("pitch", 380, 640)
    opening = dials.turn("opening", 0.8, 1.25)
    rise = dials.turn("rise", 1.15, 1.5)
    out, start = silence(), rng.uniform(0, 0.12)
    num_meows = rng.integers(1, 3)
    for _ in range(num_meows):
        duration = rng.uniform(0.65, 0.8) if num_meows == 2 else rng.uniform(0.9, 1.3)
        add(out, _meow(rng, duration, pitch=pitch, opening=opening, rise=rise), start)
        start += duration + rng.uniform(0.08, 0.2)
    return out


def _meow(rng: np.random.Generator, duration: float, *, pitch: float, opening: float, rise: float) -> Waveform:
    frequency = pitch * contour(duration, 0.85, 0.95 * rise, rise, 0.95 * rise, 0.95, 0.75)
    frequency *= 1 + 0.006 * np.sin(2 * np.pi * rng.uniform(6, 9) * seconds(duration))
    first = opening * contour(duration, 350, 550, 950, 1050, 750, 480)
    second = opening * contour(duration, 1300, 2500, 2300, 1800, 1250, 950)

    def mouth(at: Waveform) -> Waveform:
        formants = resonance(at, first, 420) + 0.8 * resonance(at, second, 600)
        return np.asarray((formants + 0.1 * resonance(at, 3700, 1200)) / (at / 500) ** 0.4)

    breath = 0.015 * band_noise(rng, duration, 1500, 4500)
    return contour(duration, 0, 0.45, 0.9, 1, 0.8, 0.4, 0) * (voice(frequency, mouth, 14) + breath)


def frog(dials: Dials, rng: np.random.Generator) -> Waveform:
    """Croak: trains of pulses that ring in a throat, the second half of each a little faster."""
    throat = dials.turn("pitch", 420, 900)
    rate = dials.turn("rate", 32, 60)
    length = dials.turn("length", 0.22, 0.42)
    response = strike([throat, 1.9 * throat, 3.1 * throat], [1, 0.6, 0.25], [0.006, 0.004, 0.002], 0.08)
    out, start = silence(), 0.0
    while start + length < DURATION - 0.1:
        cycles = np.cumsum(rate * rng.uniform(0.97, 1.03) * contour(length, 0.85, 0.9, 1.15, 1.35)) / SAMPLE_RATE
        pulses = np.diff(np.floor(cycles), prepend=0.0)
        pulses += 0.04 * rng.standard_normal(len(pulses)) * (0.5 + 0.5 * np.cos(2 * np.pi * cycles)) ** 4
        add(out, convolve(pulses * contour(length, 0.3, 0.9, 0.55, 1, 0.8, 0), response), start)
        start += length + rng.uniform(0.16, 0.3)
    return np.asarray(np.tanh(1.5 * out / np.abs(out).max()))


def bee(dials: Dials, rng: np.random.Generator) -> Waveform:
    """Fly a bee around: a buzz rich in harmonics, unsteady in pitch and loudness."""
    pitch = dials.turn("pitch", 165, 270)
    brightness = dials.turn("brightness", 0.5, 1.0)
    flutter = dials.turn("flutter", 9, 22)
    drift = contour(DURATION, *rng.uniform(0.93, 1.07, 7)) * contour(DURATION, *rng.uniform(0.985, 1.015, 40))
    number = np.arange(1, 30)
    wings = (1 + 1.5 * resonance(number * pitch, 1000, 900)) / number ** (1.6 - 0.6 * brightness)
    wings *= np.exp(-((number * pitch / 4000) ** 2))
    buzz = tone(pitch * drift, wings, NUM_SAMPLES) + 0.08 * band_noise(rng, DURATION, 400, 3500)
    shiver = 1 + 0.3 * np.sin(2 * np.pi * np.cumsum(flutter * drift**3) / SAMPLE_RATE)
    nearness = contour(DURATION, *rng.uniform(0.45, 1, 5)) * swell(DURATION, 0.06, 0.06)
    return shiver * nearness * buzz

"""The sounds of the bell, the drum, the guitar and the trumpet."""

import numpy as np

from training.world.dials import Dials
from training.world.synthesis import (
    DURATION,
    SAMPLE_RATE,
    Waveform,
    add,
    band_noise,
    convolve,
    decay,
    pluck,
    resonance,
    seconds,
    silence,
    strike,
    swell,
    tone,
)

_RHYTHMS = ("x.x.x.x.x.x.x.x.", "x..xx.x.x..xx.x.", "x.xxx.xxx.xxx.xx", "x..x..x.x..x..x.", "x.x.xxx.x.x.xxx.")
_CHORDS = ((0, 7, 12, 16, 19), (0, 7, 12, 15, 19), (0, 7, 10, 16, 19), (0, 4, 7, 12, 16))
_ARPEGGIOS = ((0, 1, 2, 3, 4, 3), (0, 2, 1, 3, 2, 4), (4, 3, 2, 1, 0, 2), (0, 1, 2, 4, 3, 2))
_FANFARES = ((0,), (0,), (0, 7), (0, 5), (-5, 0), (0, 4, 7), (0, 0, 5), (-5, 0, 4), (7, 4, 0))


def bell(dials: Dials, rng: np.random.Generator) -> Waveform:
    """Strike a church bell once or twice: hum, prime, minor third, fifth, nominal and higher modes."""
    pitch = dials.turn("pitch", 330, 880)
    ring = dials.turn("ring", 0.25, 0.7)
    brightness = dials.turn("brightness", 0.4, 1.1)
    ratios = np.array([0.5, 1, 1.19, 1.5, 2, 2.01, 2.66, 3.01, 4.17, 5.43])
    amplitudes = np.array([0.5, 0.8, 0.6, 0.3, 1, 0.5, 0.5, 0.5, 0.4, 0.3]) * brightness ** np.log2(ratios + 0.5)
    stroke = strike(pitch * ratios, amplitudes, ring * np.minimum(1.4, 1.3 / ratios), DURATION)
    stroke += 0.4 * brightness * band_noise(rng, DURATION, 1500, 4500) * decay(DURATION, 0.006)
    out = silence()
    add(out, stroke, 0.02)
    if rng.uniform() < 0.6:
        add(out, stroke * rng.uniform(0.7, 1), rng.uniform(0.7, 1.1))
    return out


def drum(dials: Dials, rng: np.random.Generator) -> Waveform:
    """Play a rhythm on a hand drum: a skin whose pitch drops as it is hit, with the slap of the stick."""
    pitch = dials.turn("pitch", 75, 170)
    pace = dials.turn("pace", 0.11, 0.19)
    tightness = dials.turn("tightness", 0.05, 0.11)
    time = seconds(0.5)
    skin = np.sin(2 * np.pi * np.cumsum(pitch * (1 + 0.9 * np.exp(-time / 0.025))) / SAMPLE_RATE)
    overtone = 0.35 * np.sin(2 * np.pi * np.cumsum(pitch * 1.59 * (1 + 0.5 * np.exp(-time / 0.02))) / SAMPLE_RATE)
    hit = skin * decay(0.5, tightness) + overtone * decay(0.5, tightness / 2)
    hit += 0.5 * band_noise(rng, 0.5, 300, 3000) * decay(0.5, 0.008, attack=0.001)
    out = silence()
    for step, mark in enumerate(_RHYTHMS[rng.integers(len(_RHYTHMS))]):
        if mark == "x" and step * pace < DURATION:
            add(out, hit * (1.0 if step % 4 == 0 else rng.uniform(0.5, 0.8)), step * pace + rng.uniform(0, 0.006))
    return np.asarray(np.tanh(1.4 * out))


def guitar(dials: Dials, rng: np.random.Generator) -> Waveform:
    """Play a guitar chord: strum it down and up, or pick it string by string."""
    pitch = dials.turn("pitch", 98, 175)
    pace = dials.turn("pace", 0.24, 0.36)
    ring = dials.turn("ring", 0.25, 0.6)
    brightness = dials.turn("brightness", 0.35, 0.8)
    chord = _CHORDS[rng.integers(len(_CHORDS))]
    strings = [pluck(rng, pitch * 2 ** (note / 12), half_life=ring, brightness=brightness) for note in chord]
    out = silence()
    if rng.uniform() < 0.4:
        for stroke in range(2):
            for order, string in enumerate(strings if stroke == 0 else strings[::-1]):
                add(out, string, stroke * 3 * pace + order * 0.025)
    else:
        for order, index in enumerate(_ARPEGGIOS[rng.integers(len(_ARPEGGIOS))]):
            add(out, strings[index] * rng.uniform(0.7, 1), order * pace)
    body = strike([105, 215, 410], [0.03, 0.03, 0.02], [0.03, 0.02, 0.012], 0.2)
    return out + convolve(out, body)


def trumpet(dials: Dials, rng: np.random.Generator) -> Waveform:
    """Blow one to three brassy notes: the louder, the brighter, with a scooped onset and a late vibrato."""
    pitch = dials.turn("pitch", 262, 494)
    brightness = dials.turn("brightness", 0.6, 1.3)
    vibrato = dials.turn("vibrato", 0.003, 0.012)
    notes = _FANFARES[rng.integers(len(_FANFARES))]
    number = np.arange(1, 24)
    formant = 0.25 + resonance(number * pitch, 1300, 1400) + 0.5 * resonance(number * pitch, 2600, 1200)
    formant *= np.exp(-((number * pitch / 4000) ** 2))
    out, start = silence(), 0.0
    for order, note in enumerate(notes):
        last = order == len(notes) - 1
        length = min(rng.uniform(1.3, 1.8), 1.85 - start) if last else rng.uniform(0.25, 0.45)
        time, level = seconds(length), swell(length, 0.05, 0.09)
        wobble = vibrato * np.clip((time - 0.25) / 0.3, 0, 1) * np.sin(2 * np.pi * 5.5 * time)
        frequency = pitch * 2 ** (note / 12) * (1 - 0.035 * np.exp(-time / 0.03) + wobble)
        bright = tone(frequency, formant / number ** (1.1 - 0.5 * brightness), len(time))
        dark = tone(frequency, formant / number**1.6, len(time))
        blend = np.clip(0.15 + 0.85 * level * (0.75 + 0.5 * np.exp(-time / 0.1)), 0, 1) ** 2
        breath = 0.02 * band_noise(rng, length, 800, 4000)
        add(out, level * (dark * (1 - blend) + bright * blend + breath), start)
        start += length + 0.02
    return out

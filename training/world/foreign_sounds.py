"""Sounds that no thing of the world makes: noises, voices, tones... each a function of a generator."""

import numpy as np

from training.world.synthesis import (
    DURATION,
    NUM_SAMPLES,
    SAMPLE_RATE,
    Waveform,
    add,
    band_noise,
    contour,
    convolve,
    decay,
    resonance,
    silence,
    strike,
    swell,
    tone,
)

# First three formants of the vowels of a grown man, in Hz (Peterson and Barney 1952).
_VOWELS = np.array([(270, 2290, 3010), (390, 1990, 2550), (530, 1840, 2480), (660, 1720, 2410), (730, 1090, 2440)])
_VOWELS = np.concatenate([_VOWELS, [(570, 840, 2410), (440, 1020, 2240), (300, 870, 2240), (640, 1190, 2390)]])
_DIAL_ROWS, _DIAL_COLUMNS = (697, 770, 852, 941), (1209, 1336, 1477, 1633)
_FRAME = 512


def noise(rng: np.random.Generator) -> Waveform:
    """White, pink or in-between noise, steady or slowly swelling."""
    frequency = np.maximum(np.fft.rfftfreq(NUM_SAMPLES, 1 / SAMPLE_RATE), 20)
    gain = frequency ** -rng.uniform(0, 0.6) / (1 + (frequency / rng.uniform(3000, 7000)) ** 4)
    out = np.fft.irfft(np.fft.rfft(rng.standard_normal(NUM_SAMPLES)) * gain, NUM_SAMPLES)
    return np.asarray(out * contour(DURATION, *rng.uniform(0.6, 1, 4)))


def speech(rng: np.random.Generator) -> Waveform:
    """Babble of one voice: syllables with a falling pitch, vowels that glide, and hissed or stopped consonants."""
    pitch = rng.uniform(85, 260)
    melody = pitch * contour(DURATION, *(rng.uniform(0.85, 1.25, 9) * np.linspace(1.1, 0.85, 9)))
    source = tone(melody, np.arange(1, 60) ** -1.0, NUM_SAMPLES) + 0.02 * rng.standard_normal(NUM_SAMPLES)
    return _articulate(rng, source, stretch=1 + 0.25 * (pitch > 165))


def whisper(rng: np.random.Generator) -> Waveform:
    """The same mouth without a voice: breath alone."""
    return _articulate(rng, band_noise(rng, DURATION, 150, 5000), stretch=rng.uniform(0.95, 1.3))


def sweep(rng: np.random.Generator) -> Waveform:
    """A pure tone that glides slowly, up or down or both."""
    points = np.exp(rng.uniform(np.log(150), np.log(4000), rng.integers(2, 5)))
    return tone(contour(DURATION, *points), [1], NUM_SAMPLES)


def bursts(rng: np.random.Generator) -> Waveform:
    """Short bursts of noise in bands of their own, at no rhythm: rustling, dishes, a workshop."""
    out = silence()
    for _ in range(rng.integers(3, 14)):
        low = np.exp(rng.uniform(np.log(100), np.log(4000)))
        length = rng.uniform(0.03, 0.5)
        burst = band_noise(rng, length, low, min(low * rng.uniform(1.3, 6), 7500)) * swell(length, 0.01, length / 2)
        add(out, burst * rng.uniform(0.2, 1), rng.uniform(0, DURATION - length))
    return out


def melody(rng: np.random.Generator) -> Waveform:
    """A tune of a few notes on a soft synthesiser, in random steps."""
    out, at = silence(), 0.0
    pitch, partials = rng.uniform(110, 880), np.exp(-rng.uniform(0.3, 2) * np.arange(8)) * rng.uniform(0, 1, 8)
    while at < DURATION - 0.1:
        length = min(rng.uniform(0.12, 0.7), DURATION - at)
        note = tone(pitch * 2 ** (rng.integers(-12, 13) / 12), partials, int(length * SAMPLE_RATE))
        add(out, note * swell(length, 0.02, length / 3), at)
        at += length * rng.uniform(0.8, 1.2)
    return out


def hum(rng: np.random.Generator) -> Waveform:
    """An empty room: mains hum and a hiss. (The caller keeps it faint.)"""
    mains = tone(float(rng.choice([50, 60, 100, 120])), rng.uniform(0, 1, 6), NUM_SAMPLES)
    return mains * rng.uniform(0, 1) + band_noise(rng, DURATION, 80, rng.uniform(1000, 4000)) * rng.uniform(0.1, 0.6)


def organ(rng: np.random.Generator) -> Waveform:
    """Held soft chords, one or two, of nearly pure tones."""
    root, out = rng.uniform(130, 330), silence()
    num_chords = int(rng.integers(1, 3))
    length = 1.9 / num_chords
    for order in range(num_chords):
        envelope = swell(length, 0.15, 0.3)
        third = rng.choice([3, 4])
        for note in (0, third, 7, 12):
            frequency = root * 2 ** ((note + 5 * order) / 12) * rng.uniform(0.998, 1.002)
            add(out, tone(frequency, [1, 0.3, 0.05], len(envelope)) * envelope, order * length)
    return out


def shaker(rng: np.random.Generator) -> Waveform:
    """Seeds in a gourd: short hisses in a steady rhythm, every few the louder."""
    out, low = silence(), rng.uniform(2500, 4500)
    period, accent = rng.uniform(0.09, 0.22), int(rng.integers(2, 5))
    for count, start in enumerate(np.arange(0.02, DURATION - 0.15, period)):
        length = rng.uniform(0.05, 0.09)
        hiss = band_noise(rng, length, low, 7500) * swell(length, 0.015, length / 2)
        add(out, hiss * (1 if count % accent == 0 else 0.4), float(start + rng.uniform(-0.008, 0.008)))
    return out


def applause(rng: np.random.Generator) -> Waveform:
    """Many hands that clap, each pair in a time of its own."""
    out = silence()
    for _ in range(rng.integers(4, 30)):
        tone_of_hands, period = rng.uniform(700, 2000), rng.uniform(0.17, 0.32)
        for start in np.arange(rng.uniform(0, period), DURATION - 0.06, period):
            clap = band_noise(rng, 0.04, tone_of_hands, tone_of_hands * 2.5) * decay(0.04, 0.008, attack=0.001)
            add(out, clap * rng.uniform(0.3, 1), float(start))
    return out


def singing(rng: np.random.Generator) -> Waveform:
    """One vowel at a time, held and trembling: somebody sings."""
    pitch, trembling = rng.uniform(140, 500), rng.uniform(4.5, 6.5)
    steps = np.repeat(2 ** (rng.choice([-5, -2, 0, 2, 4, 5], size=3) / 12), 2)
    wave = 1 + 0.02 * np.sin(2 * np.pi * trembling * np.arange(NUM_SAMPLES) / SAMPLE_RATE)
    source = tone(pitch * contour(DURATION, *steps) * wave, np.arange(1, 40) ** -1.0, NUM_SAMPLES)
    frequency = np.fft.rfftfreq(_FRAME, 1 / SAMPLE_RATE)
    vowel = _VOWELS[rng.integers(len(_VOWELS))] * rng.uniform(1, 1.2)
    gain = sum(level * resonance(frequency, at, 140) for at, level in zip(vowel, (1, 0.6, 0.3), strict=True))
    num_frames = 2 * NUM_SAMPLES // _FRAME + 1
    return _filter_by_frames(source, np.broadcast_to(np.asarray(gain), (num_frames, len(frequency))))


def disguise(rng: np.random.Generator, sound: Waveform, rhythm: Waveform) -> Waveform:
    """What no thing sounds like: the spectrum of one sound (N,), its phases lost, in the rhythm of another (N,)."""
    spectrum = np.abs(np.fft.rfft(sound)) * np.exp(2j * np.pi * rng.uniform(size=len(sound) // 2 + 1))
    blur = np.hanning(SAMPLE_RATE // 40)
    envelope = np.sqrt(np.convolve(rhythm**2, blur / blur.sum(), mode="same"))
    return np.asarray(np.fft.irfft(spectrum, len(sound)) * envelope)


def rain(rng: np.random.Generator) -> Waveform:
    """A hiss full of drops."""
    drops = (rng.uniform(size=NUM_SAMPLES) < rng.uniform(60, 400) / SAMPLE_RATE) * rng.exponential(1.0, NUM_SAMPLES)
    drop = strike(rng.uniform(900, 4500, 4), [1, 1, 1, 1], [0.002, 0.002, 0.003, 0.001], 0.05)
    return convolve(drops, drop) + rng.uniform(0.05, 0.3) * band_noise(rng, DURATION, 400, 5000)


def surf(rng: np.random.Generator) -> Waveform:
    """Wind or waves: deep noise that rises and falls as its colour moves."""
    gusts = contour(DURATION, *rng.uniform(0.1, 1, 5))
    low, high = band_noise(rng, DURATION, 40, 300), band_noise(rng, DURATION, 300, rng.uniform(900, 2500))
    return low * (0.3 + 0.7 * gusts) * 0.7 + high * gusts**2


def dialling(rng: np.random.Generator) -> Waveform:
    """The pairs of tones of a telephone's keys (ITU-T Q.23)."""
    out, start, length = silence(), 0.0, rng.uniform(0.09, 0.2)
    while start + length < DURATION - 0.1:
        envelope = swell(length, 0.005, 0.005)
        for frequency in (rng.choice(_DIAL_ROWS), rng.choice(_DIAL_COLUMNS)):
            add(out, tone(frequency, [1], len(envelope)) * envelope, start)
        start += length * rng.uniform(1.4, 1.8)
    return out


def morse(rng: np.random.Generator) -> Waveform:
    """Short and long beeps of one pitch."""
    out, start, unit, frequency = silence(), 0.0, rng.uniform(0.05, 0.09), rng.uniform(450, 1100)
    while start < DURATION - 4 * unit - 0.1:
        envelope = swell(unit * rng.choice([1, 3]), 0.006, 0.006)
        add(out, tone(frequency, [1, 0.05], len(envelope)) * envelope, start)
        start += len(envelope) / SAMPLE_RATE + unit * rng.choice([1, 1, 3])
    return out


def _articulate(rng: np.random.Generator, source: Waveform, *, stretch: float) -> Waveform:
    """Speak random syllables with a source of sound (N,): gliding formants frame by frame, gaps and hisses between."""
    out, hisses, start = np.zeros(NUM_SAMPLES), silence(), rng.uniform(0, 0.2)
    while start < DURATION - 0.35:
        length = rng.uniform(0.11, 0.3)
        add(out, swell(length, 0.03, 0.06) * rng.uniform(0.5, 1), start)
        if rng.uniform() < 0.5:
            hiss = band_noise(rng, 0.08, rng.uniform(1500, 3500), 5500) * decay(
                0.08, rng.uniform(0.01, 0.05), attack=0.01
            )
            add(hisses, hiss * 0.1, max(start - 0.06, 0))
        start += length + rng.choice([0, 0.03, 0.08, 0.25], p=[0.3, 0.35, 0.25, 0.1])
    num_frames = 2 * NUM_SAMPLES // _FRAME + 1
    times = np.linspace(0, 1, 11)
    targets = _VOWELS[rng.integers(len(_VOWELS), size=len(times))] * stretch
    frequency = np.fft.rfftfreq(_FRAME, 1 / SAMPLE_RATE)
    gain = np.zeros((num_frames, len(frequency)))
    for formant, (level, width) in enumerate([(1, 130), (0.6, 180), (0.3, 260)]):
        track = np.interp(np.linspace(0, 1, num_frames), times, targets[:, formant])
        gain += level * resonance(frequency, track[:, None], width)
    spoken = _filter_by_frames(source, gain) * out
    return np.asarray(spoken / np.abs(spoken).max() + hisses)


def _filter_by_frames(waveform: Waveform, gain: Waveform) -> Waveform:
    """Filter (N,) by a response (frames, bins) that changes every half frame: overlapping windows that sum to 1."""
    half = _FRAME // 2
    padded = np.pad(waveform, (half, _FRAME))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _FRAME)[::half][: len(gain)]
    window = np.sin(np.pi * (np.arange(_FRAME) + 0.5) / _FRAME) ** 2
    filtered = np.fft.irfft(np.fft.rfft(frames * window, axis=1) * gain[: len(frames)], _FRAME, axis=1)
    out = np.zeros((len(filtered) + 1, half))
    out[:-1] += filtered[:, :half]
    out[1:] += filtered[:, half:]
    return np.asarray(out.ravel()[half : half + len(waveform)])

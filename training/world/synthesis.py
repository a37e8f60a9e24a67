"""The building blocks of every sound of the world: tones, noises, struck and plucked resonators, envelopes, events in time."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

SAMPLE_RATE = 16000
DURATION = 2.0
NUM_SAMPLES = int(SAMPLE_RATE * DURATION)
HIGHEST = 6000.0
"""Hz: no harmonic lies above it, so that a small vocoder can follow."""
_TABLE = 4096
_FADE, _ROOM = 0.012, 0.0007

Waveform = NDArray[np.float64]


def seconds(duration: float) -> Waveform:
    """The times of the samples of `duration` seconds, (N,)."""
    return np.asarray(np.arange(int(duration * SAMPLE_RATE)) / SAMPLE_RATE)


def tone(frequency: ArrayLike, harmonics: ArrayLike, num_samples: int) -> Waveform:
    """Sum sines at 1, 2, 3... times `frequency` (Hz, a number or (N,)) with amplitudes `harmonics` (K,), from a stored period."""
    cycles = np.cumsum(np.broadcast_to(np.asarray(frequency, dtype=float), num_samples)) / SAMPLE_RATE
    spectrum = np.zeros(_TABLE // 2 + 1, dtype=complex)
    amplitudes = np.asarray(harmonics, dtype=float)[: max(1, int(HIGHEST / np.max(frequency)))]
    spectrum[1 : 1 + len(amplitudes)] = -0.5j * _TABLE * amplitudes
    period = np.fft.irfft(spectrum, _TABLE)
    place = (cycles - np.floor(cycles)) * _TABLE
    left = place.astype(np.int64)
    period = np.append(period, period[0])
    return np.asarray(period[left] + (place - left) * np.diff(period, append=0)[left])


def voice(frequency: Waveform, gain: Callable[[Waveform], Waveform], num_harmonics: int) -> Waveform:
    """Sum harmonics of a gliding pitch (N,), each through `gain`, which maps its frequencies (N,) to amplitudes (N,)."""
    phase = 2 * np.pi * np.cumsum(frequency) / SAMPLE_RATE
    out = np.zeros(len(frequency))
    for number in range(1, num_harmonics + 1):
        if number * frequency.min() > HIGHEST:
            break
        out += gain(number * frequency) * np.sin(number * phase) * (number * frequency < HIGHEST)
    return out


def resonance(frequency: ArrayLike, centre: ArrayLike, width: ArrayLike) -> Waveform:
    """The response, 1 at its `centre` and 1/2 at its edges, of a resonance `width` Hz wide."""
    distance = (np.asarray(frequency, dtype=float) - centre) / (np.asarray(width, dtype=float) / 2)
    return np.asarray(1 / (1 + distance**2))


def band_noise(rng: np.random.Generator, duration: float, low: float, high: float) -> Waveform:
    """Noise of mean square 1 between `low` and `high` Hz, with gentle slopes on both sides."""
    num_samples = int(duration * SAMPLE_RATE)
    frequency = np.fft.rfftfreq(num_samples, 1 / SAMPLE_RATE)
    gain = 1 / (1 + (low / np.maximum(frequency, 1.0)) ** 4) / (1 + (frequency / high) ** 4)
    shaped = np.fft.irfft(np.fft.rfft(rng.standard_normal(num_samples)) * gain, num_samples)
    return np.asarray(shaped / np.sqrt(np.mean(shaped**2)))


def decay(duration: float, half_life: float, attack: float = 0.002) -> Waveform:
    """An envelope that rises in `attack` seconds, then halves every `half_life` seconds, and ends at 0."""
    time = seconds(duration)
    return np.asarray(
        np.minimum(time / attack, 1) * 0.5 ** (time / half_life) * np.clip((duration - time) / 0.02, 0, 1)
    )


def swell(duration: float, attack: float, release: float) -> Waveform:
    """An envelope that rises in `attack` seconds, stays at 1, and falls in the last `release` seconds, all without corners."""
    time = seconds(duration)
    ramp = np.clip(np.minimum(time / attack, (duration - time) / release), 0, 1)
    return np.asarray(np.sin(ramp * np.pi / 2) ** 2)


def contour(duration: float, *points: float) -> Waveform:
    """A smooth curve through evenly spaced `points`, (N,)."""
    time = np.linspace(0, len(points) - 1, int(duration * SAMPLE_RATE))
    left = np.minimum(time.astype(int), len(points) - 2)
    blend = (1 - np.cos((time - left) * np.pi)) / 2
    values = np.asarray(points, dtype=float)
    return np.asarray(values[left] * (1 - blend) + values[left + 1] * blend)


def strike(frequencies: ArrayLike, amplitudes: ArrayLike, half_lives: ArrayLike, duration: float) -> Waveform:
    """Sound the modes of a struck body: every one a sine that dies away at its own rate."""
    time = seconds(duration)
    out = np.zeros(len(time))
    for frequency, amplitude, half_life in np.broadcast(frequencies, amplitudes, half_lives):
        if frequency < HIGHEST:
            out += amplitude * 0.5 ** (time / half_life) * np.sin(2 * np.pi * frequency * time)
    return out * np.minimum(time / 0.001, 1) * np.clip((duration - time) / 0.02, 0, 1)


def pluck(rng: np.random.Generator, frequency: float, *, half_life: float, brightness: float) -> Waveform:
    """Pluck a string: noise in a loop one period long that loses its highs first (Karplus and Strong 1983).

    The loop is evaluated in frequency, over twice the duration so that nothing wraps around; so its length need not be whole.
    """
    size = 2 * NUM_SAMPLES
    angle = 2 * np.pi * np.fft.rfftfreq(size)
    period = SAMPLE_RATE / frequency
    loss = 0.5 ** (1 / (frequency * half_life)) * (1 - (1 - np.cos(angle)) * 0.3 * (1 - brightness))
    burst = rng.uniform(-1, 1, int(period))
    burst -= burst.mean()
    colour = 1 / (1 + (angle / (0.25 + brightness)) ** 2)
    spectrum = np.fft.rfft(burst, size) * colour / (1 - loss * np.exp(-1j * angle * period))
    string = np.fft.irfft(spectrum, size)[:NUM_SAMPLES]
    return np.asarray(string / np.abs(string).max())


def convolve(waveform: Waveform, response: Waveform) -> Waveform:
    """Filter (N,) by an impulse response (M,), keeping N samples."""
    size = -(-(len(waveform) + len(response)) // 4096) * 4096
    spectrum = np.fft.rfft(waveform, size) * np.fft.rfft(response, size)
    return np.asarray(np.fft.irfft(spectrum, size)[: len(waveform)])


def room(rng: np.random.Generator, waveform: Waveform, *, level: float, half_life: float) -> Waveform:
    """Add the dying echo of a room."""
    echo = rng.standard_normal(int(0.3 * SAMPLE_RATE)) * decay(0.3, half_life, attack=0.01)
    return waveform + level * convolve(waveform, echo / np.sqrt(np.sum(echo**2)))


def silence() -> Waveform:
    return np.zeros(NUM_SAMPLES)


def add(waveform: Waveform, event: Waveform, start: float) -> None:
    """Add an event to the waveform, in place, from `start` seconds on; what lies past the end is dropped."""
    first = int(start * SAMPLE_RATE)
    event = event[: max(len(waveform) - first, 0)]
    waveform[first : first + len(event)] += event


def finish(rng: np.random.Generator, waveform: Waveform) -> NDArray[np.float32]:
    """Give a sound its small chance start offset and gain, a faint room noise, and short fades: peak 0.7 to 0.85, ends at 0."""
    delayed = silence()
    add(delayed, waveform, rng.uniform(_FADE, 0.08))
    peak = np.abs(delayed).max()
    scaled = delayed / peak * rng.uniform(0.7, 0.85) if peak > 0 else delayed
    noisy = scaled + _ROOM * band_noise(rng, DURATION, 60, 2500)
    noisy *= swell(DURATION, _FADE, _FADE)
    noisy[-1] = 0
    return np.clip(noisy, -0.9, 0.9).astype(np.float32)

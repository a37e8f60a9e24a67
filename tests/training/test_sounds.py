"""Tests of the world's sounds: pure, well formed, split by their dials, and told apart."""

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from training.world.scene import SILENT_THINGS, SOUNDING_THINGS, Scene, Thing
from training.world.sounds import BEYOND, NUM_SAMPLES, SAMPLE_RATE, dial_positions, reach_when_heard, render_audio
from training.world.split import SOUND_BAND, Side

SIDES: tuple[Side, ...] = ("train", "held_out")


def scene_of(name: str) -> Scene:
    return Scene((Thing(name, "red"),), "sky")


def in_band(position: float) -> bool:
    return SOUND_BAND[0] <= position <= SOUND_BAND[1]


def spectrogram(waveform: NDArray[np.float32]) -> NDArray[np.float64]:
    """(32000,) -> (61, 32): log energy of 64 ms windows in 32 bands of equal width in mel."""
    windows = np.lib.stride_tricks.sliding_window_view(waveform, 1024)[::512] * np.hanning(1024)
    power = np.abs(np.fft.rfft(windows, axis=1)) ** 2
    mel = np.log1p(np.fft.rfftfreq(1024, 1 / SAMPLE_RATE) / 700)
    band = np.minimum((mel / mel[-1] * 32).astype(int), 31)
    return np.asarray(np.log10(power @ np.eye(32)[band] + 1e-2))


def statistics(waveform: NDArray[np.float32]) -> NDArray[np.float64]:
    """(32000,) -> (96,): how loud every band is, how much that varies, and how quickly."""
    log_mel = spectrogram(waveform)
    return np.concatenate([log_mel.mean(0), log_mel.std(0), np.abs(np.diff(log_mel, axis=0)).mean(0)])


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("name", SOUNDING_THINGS)
def test_a_sound_is_two_seconds_of_bounded_samples_that_start_and_end_softly(name: str, side: Side) -> None:
    for seed in range(6):
        waveform = render_audio(scene_of(name), seed, side)
        assert waveform.shape == (NUM_SAMPLES,) and waveform.dtype == np.float32
        assert np.isfinite(waveform).all()
        assert 0.65 < np.abs(waveform).max() <= 0.9
        assert np.abs(waveform[[0, -1]]).max() < 1e-6
        assert np.abs(waveform[-8:]).max() < 0.02
        assert abs(waveform.mean()) < 0.02


@pytest.mark.parametrize("name", SOUNDING_THINGS)
def test_energy_lies_below_six_kilohertz(name: str) -> None:
    power = np.mean([np.abs(np.fft.rfft(render_audio(scene_of(name), seed))) ** 2 for seed in range(5)], axis=0)
    assert power[int(6000 * NUM_SAMPLES / SAMPLE_RATE) :].sum() < 0.02 * power.sum()


@pytest.mark.parametrize("name", SOUNDING_THINGS)
def test_the_same_arguments_give_the_same_sound_and_others_another(name: str) -> None:
    sound = render_audio(scene_of(name), 5)
    np.random.default_rng(0).standard_normal(3)
    np.testing.assert_array_equal(sound, render_audio(scene_of(name), 5))
    assert not np.array_equal(sound, render_audio(scene_of(name), 6))
    assert not np.array_equal(sound, render_audio(scene_of(name), 5, "held_out"))


def test_only_the_thing_matters() -> None:
    elsewhere = Scene((Thing("bell", "blue", "small"),), "night")
    np.testing.assert_array_equal(render_audio(scene_of("bell"), 1), render_audio(elsewhere, 1))


@pytest.mark.parametrize("name", SOUNDING_THINGS)
def test_the_band_of_every_dial_is_never_trained_on(name: str) -> None:
    drawn = [dial_positions(scene_of(name), seed, "train") for seed in range(15)]
    positions = np.array([list(dials.values()) for dials in drawn])
    assert positions.shape[1] >= 3
    assert positions.min() >= 0 and positions.max() <= 1
    assert not any(in_band(position) for position in positions.ravel())
    assert (positions < SOUND_BAND[0]).any(0).all() and (positions > SOUND_BAND[1]).any(0).all()


@pytest.mark.parametrize("name", SOUNDING_THINGS)
def test_the_first_dial_of_a_held_out_sound_stands_in_the_band(name: str) -> None:
    drawn = [list(dial_positions(scene_of(name), seed, "held_out").values()) for seed in range(10)]
    assert all(in_band(first) for first, *_ in drawn)
    assert not all(in_band(other) for _, *others in drawn for other in others)


@pytest.mark.parametrize("name", SOUNDING_THINGS)
def test_dials_reach_beyond_their_ends_but_never_into_the_band(name: str) -> None:
    drawn = [dial_positions(scene_of(name), seed, reach=BEYOND) for seed in range(25)]
    positions = np.array([list(dials.values()) for dials in drawn])
    assert -BEYOND <= positions.min() < 0 and 1 < positions.max() <= 1 + BEYOND
    assert not any(in_band(position) for position in positions.ravel())
    sounds = [render_audio(scene_of(name), seed, reach=BEYOND) for seed in range(25)]
    assert all(np.isfinite(sound).all() and 0.65 < np.abs(sound).max() <= 0.9 for sound in sounds)


def test_only_sounds_that_are_heard_in_training_reach_beyond() -> None:
    assert {reach_when_heard(seed, "train") for seed in range(9)} == {0.0, BEYOND}
    assert {reach_when_heard(seed, "held_out") for seed in range(9)} == {0.0}
    with pytest.raises(ValueError, match="Held-out sounds have no dials beyond their ends"):
        render_audio(scene_of("bell"), 1, "held_out", reach=BEYOND)


@pytest.mark.parametrize("name", SILENT_THINGS)
def test_a_silent_thing_is_refused_with_the_names_of_those_that_sound(name: str) -> None:
    with pytest.raises(ValueError, match=rf"A {name} has no sound in this world; .*bell, drum"):
        render_audio(scene_of(name), 0)


def test_held_out_sounds_are_nearest_to_the_trained_sounds_of_their_own_thing() -> None:
    trained = np.array([[statistics(render_audio(scene_of(n), seed)) for seed in range(12)] for n in SOUNDING_THINGS])
    scale = trained.std(1).mean(0) + 0.02
    centroids = trained.mean(1) / scale
    right = [
        SOUNDING_THINGS[
            np.argmin(((statistics(render_audio(scene_of(name), seed, "held_out")) / scale - centroids) ** 2).sum(1))
        ]
        == name
        for name, seed in itertools.product(SOUNDING_THINGS, range(8))
    ]
    assert np.mean(right) > 0.9

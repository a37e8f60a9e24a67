"""Tests of media from outside the world: pure, well formed, varied, and of other kinds on each side of the split."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from training.world.foreign import render_foreign_audio, render_foreign_image, render_foreign_video
from training.world.foreign_sounds import disguise
from training.world.split import Side
from training.world.synthesis import NUM_SAMPLES, SAMPLE_RATE

SIDES: tuple[Side, ...] = ("train", "held_out")


@pytest.mark.parametrize("side", SIDES)
def test_images_are_varied_pictures_of_the_size_asked_for(side: Side) -> None:
    images = np.stack([render_foreign_image(seed, side=side) for seed in range(30)])
    assert images.shape == (30, 64, 64, 3) and images.dtype == np.uint8
    assert (images.std((1, 2, 3)) > 5).all()
    assert len(np.unique(images.reshape(30, -1), axis=0)) == 30
    assert render_foreign_image(0, 96, side=side).shape == (96, 96, 3)


@pytest.mark.parametrize("side", SIDES)
def test_videos_move_a_little_from_frame_to_frame(side: Side) -> None:
    for seed in range(8):
        video = render_foreign_video(seed, side=side)
        assert video.shape == (8, 64, 64, 3) and video.dtype == np.uint8
        steps = np.abs(np.diff(video.astype(float), axis=0)).mean((1, 2, 3))
        assert (steps > 0.2).all()


@pytest.mark.parametrize("side", SIDES)
def test_sounds_are_two_seconds_of_bounded_samples_that_start_and_end_softly(side: Side) -> None:
    for seed in range(25):
        waveform = render_foreign_audio(seed, side)
        assert waveform.shape == (32000,) and waveform.dtype == np.float32
        assert np.isfinite(waveform).all()
        assert 0.005 < np.abs(waveform).max() <= 0.9
        assert np.abs(waveform[[0, -1]]).max() < 1e-6


def test_an_empty_room_is_among_the_sounds_and_is_faint() -> None:
    peaks = [np.abs(render_foreign_audio(seed)).max() for seed in range(25)]
    assert 0 < sum(peak < 0.05 for peak in peaks) < 15


def test_a_disguise_has_the_spectrum_of_one_sound_and_the_rhythm_of_another() -> None:
    rng = np.random.default_rng(0)
    time = np.arange(NUM_SAMPLES) / SAMPLE_RATE
    rhythm = np.sin(2 * np.pi * 2000 * time) * (time < 1)
    heard = disguise(rng, np.sin(2 * np.pi * 440 * time), rhythm)
    spectrum = np.abs(np.fft.rfft(heard))
    assert abs(np.fft.rfftfreq(NUM_SAMPLES, 1 / SAMPLE_RATE)[spectrum.argmax()] - 440) < 2
    assert np.square(heard[time > 1.1]).sum() < 1e-6 * np.square(heard).sum()


@pytest.mark.parametrize("render", [render_foreign_image, render_foreign_video, render_foreign_audio])
def test_seed_and_side_alone_decide(render: Callable[..., Any]) -> None:
    first = render(4, side="train")
    np.testing.assert_array_equal(first, render(4, side="train"))
    assert not np.array_equal(first, render(5, side="train"))
    assert not np.array_equal(first, render(4, side="held_out"))

"""Media become the tensors that the encoders read; tests/golden compares them with the released preprocessing."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torchaudio.compliance import kaldi

from encoders.imagebind_config import AudioConfig, ImageBindConfig, VisionConfig
from encoders.media import Audio, Image, Video
from encoders.transforms import (
    audio_batch,
    audio_input,
    clip_frame_indices,
    image_batch,
    image_input,
    log_mel,
    video_batch,
    video_input,
)

MEL_TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def vision() -> VisionConfig:
    config = ImageBindConfig.huge().vision
    assert config
    return config


@pytest.fixture(scope="module")
def audio() -> AudioConfig:
    config = ImageBindConfig.huge().audio
    assert config
    return config


def assert_near(actual: Tensor, expected: Tensor, tolerance: float) -> None:
    torch.testing.assert_close(actual, expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize(("rate", "bins"), [(16000, 64), (16000, 128), (8000, 23)])
def test_the_batched_filter_bank_agrees_with_torchaudio(rate: int, bins: int) -> None:
    waveforms = torch.randn(3, rate, generator=torch.Generator().manual_seed(0)) * 0.3
    one_by_one = [
        kaldi.fbank(
            waveform[None], htk_compat=True, sample_frequency=rate, use_energy=False,
            window_type="hanning", num_mel_bins=bins, dither=0.0, frame_length=25, frame_shift=10,
        ).T for waveform in waveforms
    ]  # fmt: skip
    assert_near(log_mel(waveforms, rate, bins), torch.stack(one_by_one), MEL_TOLERANCE)


def test_silence_and_sounds_shorter_than_a_frame_have_a_finite_spectrum(audio: AudioConfig) -> None:
    for waveform in (torch.zeros(1, 32000), torch.ones(1, 3)):
        clips = audio_input(Audio(waveform, 16000), audio)
        assert clips.shape == (3, 1, 128, 204)
        assert bool(torch.isfinite(clips).all())


def test_sounds_of_another_rate_and_more_channels_are_heard_alike(audio: AudioConfig) -> None:
    time = torch.arange(96000) / 48000
    tone = 0.5 * torch.sin(2 * torch.pi * 440 * time)
    fast = audio_input(Audio(torch.stack([tone, -tone]), 48000), audio)
    slow = audio_input(Audio(tone[None, ::3].contiguous(), 16000), audio)
    loud = slow > 0
    assert_near(fast[loud], slow[loud], 0.05)


def test_batches_equal_single_items(small_config: ImageBindConfig) -> None:
    vision, audio = small_config.vision, small_config.audio
    assert vision
    assert audio
    frames = torch.randint(0, 256, (2, 8, 64, 64, 3), dtype=torch.uint8)
    waveforms = torch.rand(2, 32000) - 0.5
    videos = torch.stack([video_input(Video.from_uint8(item, 4.0), vision) for item in frames])
    images = torch.stack([image_input(Image.from_uint8(item[0]), vision) for item in frames])
    sounds = torch.cat([audio_input(Audio(item[None], 16000), audio) for item in waveforms])
    assert_near(video_batch(frames, vision), videos, 1e-6)
    assert_near(image_batch(frames[:, 0], vision), images, 0)
    assert_near(audio_batch(waveforms, audio), sounds, 1e-5)


def test_images_of_any_size_are_resized_in_a_batch(small_config: ImageBindConfig) -> None:
    assert small_config.vision
    pixels = torch.randint(0, 256, (2, 100, 70, 3), dtype=torch.uint8)
    assert image_batch(pixels, small_config.vision).shape == (2, 3, 64, 64)


def test_eight_frames_are_four_clips_of_neighbours(small_config: ImageBindConfig) -> None:
    assert small_config.vision
    assert clip_frame_indices(8, 4.0, small_config.vision) == [[0, 1], [2, 3], [4, 5], [6, 7]]


def test_longer_and_shorter_videos_are_sampled_evenly(small_config: ImageBindConfig) -> None:
    assert small_config.vision
    assert clip_frame_indices(80, 25.0, small_config.vision) == [[0, 10], [20, 30], [40, 50], [60, 70]]
    assert clip_frame_indices(1, 25.0, small_config.vision) == [[0, 0]] * 4


def test_clips_of_two_seconds_start_where_the_released_sampler_starts_them(vision: VisionConfig) -> None:
    indices = clip_frame_indices(95, 10.0, vision)
    assert [first for first, _ in indices] == [0, 19, 38, 57, 75]
    assert [last - first for first, last in indices] == [19, 19, 19, 19, 19]


def test_three_crops_of_a_tall_video_go_from_top_to_bottom(vision: VisionConfig) -> None:
    rows = torch.arange(120, dtype=torch.uint8)[None, :, None, None].expand(1, 120, 60, 3)
    config = replace(vision, image_size=60, num_clips=1)
    top, centre, bottom = video_batch(rows[None], config)[0, :, 0, 0, :, 0]
    assert top[0] < centre[0] < bottom[0]


def test_another_number_of_crops_is_refused(vision: VisionConfig) -> None:
    with pytest.raises(ValueError, match="num_crops must be 1 or 3, not 2"):
        video_batch(torch.zeros(1, 2, 8, 8, 3, dtype=torch.uint8), replace(vision, num_crops=2))


def test_a_sound_of_an_odd_rate_is_resampled_without_a_huge_kernel(audio: AudioConfig) -> None:
    assert audio_input(Audio(torch.rand(1, 4 * 47_999), 47_999), audio).shape == (3, 1, 128, 204)

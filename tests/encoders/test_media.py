"""Media are checked, frozen and known by their content."""

from dataclasses import FrozenInstanceError

import numpy as np
import pytest
import torch

from encoders.media import IMU, Audio, Depth, Image, Text, Thermal, Video
from encoders.modality import Modality


def test_every_uint8_value_survives_the_way_to_float_and_back() -> None:
    array = np.arange(256 * 3, dtype=np.uint16).astype(np.uint8).reshape(16, 16, 3)
    np.testing.assert_array_equal(Image.from_uint8(array).to_uint8(), array)
    video = Video.from_uint8(np.stack([array, 255 - array]), 4.0)
    np.testing.assert_array_equal(video.to_uint8()[1], 255 - array)
    assert video.frames.shape == (2, 3, 16, 16)
    assert video.seconds == 0.5


def test_every_16_bit_sample_survives_the_way_to_float_and_back() -> None:
    samples = np.arange(-32768, 32768, dtype=np.int16)
    audio = Audio.from_numpy(samples, 16000)
    assert audio.waveform.shape == (1, 65536)
    np.testing.assert_array_equal(audio.to_pcm16()[0], samples)


def test_samples_outside_the_range_are_clipped() -> None:
    assert Audio(torch.tensor([[-2.0, 2.0]]), 8000).to_pcm16().tolist() == [[-32768, 32767]]


@pytest.mark.parametrize("shape", [(3, 4), (4, 5, 3), (1, 4, 4), (3, 0, 4)])
def test_an_image_of_a_wrong_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"Image.pixels must be float32 \(3, height, width\)"):
        Image(torch.zeros(shape))


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_pixels_outside_the_unit_interval_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\]"):
        Image(torch.full((3, 2, 2), value))


def test_uint8_arrays_of_a_wrong_layout_are_refused() -> None:
    with pytest.raises(ValueError, match=r"Expected uint8 \(height, width, 3\), got torch.uint8 \(3, 4, 4\)"):
        Image.from_uint8(np.zeros((3, 4, 4), np.uint8))


def test_a_waveform_must_be_finite_and_have_samples_and_a_rate() -> None:
    with pytest.raises(ValueError, match="not finite"):
        Audio(torch.tensor([[float("inf")]]), 16000)
    with pytest.raises(ValueError, match="at least one sample"):
        Audio(torch.zeros(1, 0), 16000)
    with pytest.raises(ValueError, match="samples per second, not 0"):
        Audio(torch.zeros(1, 1), 0)
    with pytest.raises(ValueError, match="frames per second, not inf"):
        Video(torch.zeros(1, 3, 2, 2), float("inf"))


def test_media_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        Text("a").text = "b"  # type: ignore[misc]


def test_equal_content_has_an_equal_hash_and_any_change_changes_it() -> None:
    frames, sound = torch.rand(2, 3, 4, 4), Audio(torch.rand(1, 100), 16000)
    hashes = [
        Text("a").content_hash,
        Text("b").content_hash,
        Image(frames[0]).content_hash,
        Image(frames[0].mT.contiguous()).content_hash,
        sound.content_hash,
        Audio(sound.waveform, 8000).content_hash,
        Video(frames, 4.0).content_hash,
        Video(frames, 8.0).content_hash,
        Video(frames, 4.0, sound).content_hash,
    ]
    assert len(set(hashes)) == len(hashes)
    assert all(len(value) == 64 for value in hashes)
    assert Image(frames[0].clone()).content_hash == hashes[2]
    assert Text("\ud800").content_hash  # a lone surrogate, which plain UTF-8 refuses


def test_each_kind_knows_its_modality() -> None:
    assert [kind.modality for kind in (Text, Image, Audio, Video)] == list(Modality)[:4]


def test_depth_and_heat_have_one_channel_in_the_unit_interval() -> None:
    for kind in (Depth, Thermal):
        assert kind(torch.ones(1, 4, 5)).plane.shape == (1, 4, 5)
        with pytest.raises(ValueError, match=rf"{kind.__name__}.plane must be float32 \(1, height, width\)"):
            kind(torch.zeros(3, 4, 5))
        with pytest.raises(ValueError, match=r"must lie in \[0, 1\]"):
            kind(torch.full((1, 2, 2), 2.0))


def test_motion_has_channels_and_steps() -> None:
    with pytest.raises(ValueError, match=r"IMU.readings must be float32 \(channels, steps\), not torch.float32 \(6,\)"):
        IMU(torch.zeros(6))
    with pytest.raises(ValueError, match="not finite"):
        IMU(torch.full((6, 2), float("nan")))


def test_what_is_only_read_is_known_by_kind_shape_and_values() -> None:
    plane = torch.zeros(1, 2, 2)
    hashes = {media.content_hash for media in (Depth(plane), Thermal(plane), IMU(plane[0]), Depth(plane.view(1, 1, 4)))}
    assert len(hashes) == 4
    assert Depth(plane).content_hash == Depth(plane.clone()).content_hash != Depth(plane + 1e-7).content_hash

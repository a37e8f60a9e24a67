"""Identical, equivalent, different: where the lines are drawn."""

import numpy as np
import pytest
import torch

from encoders.media import Audio, Image, Video
from studio.comparison import Verdict, compare

GREY = np.full((8, 8, 3), 128, dtype=np.uint8)


def image(*, shade: int = 128, side: int = 8, one_pixel: int = 0) -> Image:
    array = np.full((side, side, 3), shade, dtype=np.uint8)
    array[0, 0, 0] += one_pixel
    return Image.from_uint8(array)


def sound(level: float = 0.0, *, rate: int = 16000) -> Audio:
    return Audio(torch.full((1, 100), level), rate)


def test_the_same_content_is_identical() -> None:
    assert compare(image(), image()).verdict == Verdict.IDENTICAL


def test_a_rounding_step_is_equivalent_and_measured() -> None:
    comparison = compare(image(), image(one_pixel=1))
    assert comparison.verdict == Verdict.EQUIVALENT
    assert comparison.largest == pytest.approx(1 / 255, abs=1e-6)


@pytest.mark.parametrize("other", [image(one_pixel=60), image(shade=134), image(side=16)])
def test_a_visible_change_is_different(other: Image) -> None:
    assert compare(image(), other).verdict == Verdict.DIFFERENT


def test_another_rate_or_kind_is_different_and_the_reason_is_given() -> None:
    assert "16000 became 8000" in compare(sound(0.1), sound(0.1, rate=8000)).reason
    assert "image became audio" in compare(image(), sound()).reason


def test_a_video_that_lost_its_sound_is_different() -> None:
    frames = np.stack([GREY] * 4)
    with_sound, without = Video.from_uint8(frames, 4.0, sound(0.2)), Video.from_uint8(frames, 4.0)
    assert "soundtrack" in compare(with_sound, without).reason
    assert compare(with_sound, Video.from_uint8(frames, 4.0, sound(0.201))).verdict == Verdict.EQUIVALENT

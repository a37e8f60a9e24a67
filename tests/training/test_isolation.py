"""What is taken away is gone, what is asked for is still there."""

import random

import numpy as np
import torch

from training.foundation.isolation import blurred, partial_videos, recoloured, recoloured_pictures, rotated
from training.foundation.readout import ANSWERS, UNASKED
from training.world.pictures import render_video
from training.world.scene import Motion, Scene, Thing

ASKED = list(ANSWERS)


def test_colours_turn_and_greys_stay() -> None:
    ramp = torch.arange(256, dtype=torch.uint8)[:, None].expand(256, 3)
    red = torch.tensor([[220, 40, 40]], dtype=torch.uint8)
    turned = [recoloured(red, random.Random(seed)) for seed in range(20)]
    assert len({tuple(colour[0].tolist()) for colour in turned}) > 10
    for seed in range(20):
        assert (recoloured(ramp, random.Random(seed)).int() - ramp.int()).abs().max() <= 1


def test_recoloured_pictures_are_asked_for_things_and_not_for_colours() -> None:
    pictures, right = recoloured_pictures(random.Random(0), 6)
    assert pictures.shape == (6, 64, 64, 3)
    assert (right[:, ASKED.index("thing")] != UNASKED).all()
    for name in ("colour", "other_colour", "background", "motion"):
        assert (right[:, ASKED.index(name)] == UNASKED).all()


def test_partial_videos_are_asked_for_what_they_still_hold() -> None:
    frames, right = partial_videos(random.Random(0), 8)
    assert (frames[0] == frames[0, :1]).all()
    assert not (frames[1] == frames[1, :1]).all()
    assert not (frames[2] == frames[2, :1]).all()
    assert [row[ASKED.index("motion")] != UNASKED for row in right.tolist()] == [False, True, False, False] * 2
    assert [row[ASKED.index("thing")] != UNASKED for row in right.tolist()] == [True, False, True, True] * 2


def test_rotated_frames_keep_their_pixels_about_the_centre() -> None:
    frames = torch.from_numpy(render_video(Scene((Thing("bell", "red"),), "sky", motion=Motion.GROW), 0))
    for seed in range(8):
        turned = rotated(frames, random.Random(seed))
        assert turned.shape == frames.shape and turned.dtype == torch.uint8
        assert (turned.float().mean((1, 2)) - frames.float().mean((1, 2))).abs().max() < 12


def test_no_thing_turns_to_the_colour_that_is_held_out_for_it() -> None:
    scene = Scene((Thing("bell", "red", "big"),), "sky")  # green is held out for bells
    plain = torch.tensor([[226, 44, 44]], dtype=torch.uint8)
    for seed in range(200):
        red, green, blue = recoloured(plain, random.Random(seed), scene)[0].tolist()
        assert not (green > 1.6 * red and green > 1.6 * blue)


def test_a_blurred_video_still_moves_but_shows_no_shape() -> None:
    means = []
    for name in ("bell", "star"):
        frames = torch.from_numpy(render_video(Scene((Thing(name, "red"),), "night", motion=Motion.RIGHT), 3))
        means.append(blurred(frames).float())
        assert float(np.abs(np.diff(means[-1].numpy(), axis=0)).max()) > 20
        assert float((frames.float() - means[-1]).abs().max()) > 60
    assert float((means[0] - means[1]).abs().mean()) < 6

"""The reading aid asks for what a scene shows, and a pair said from either thing has the same answers."""

import random

import torch

from training.foundation.readout import ANSWERS, UNASKED, Readout, answers, readout_loss
from training.world.captions import inverted
from training.world.scene import Motion, Relation, Scene, Thing
from training.world.split import draw


def named(scene: Scene, *, heard: bool = False) -> dict[str, str]:
    row = answers([scene], heard=heard)[0].tolist()
    return {name: among[place] for (name, among), place in zip(ANSWERS.items(), row, strict=True) if place != UNASKED}


def test_one_thing_is_asked_for_its_looks_and_for_being_alone() -> None:
    scene = Scene((Thing("bell", "red", "big"),), "beach")
    assert named(scene) == {
        "thing": "bell", "colour": "red", "size": "big", "background": "beach", "relation": "none",
    }  # fmt: skip


def test_a_video_is_asked_for_its_motion_and_a_sound_for_its_thing_alone() -> None:
    scene = Scene((Thing("bell", "red"),), "beach", motion=Motion.SPIN)
    assert named(scene) == {"thing": "bell", "colour": "red", "background": "beach", "motion": "spin"}
    assert named(scene, heard=True) == {"thing": "bell"}


def test_a_pair_is_read_from_the_left_or_from_above() -> None:
    scene = Scene((Thing("bell", "red"), Thing("boat", "blue")), "night", relation=Relation.RIGHT_OF)
    assert named(scene) == {
        "thing": "boat", "colour": "blue", "background": "night", "relation": "left of", "other": "bell",
        "other_colour": "red",
    }  # fmt: skip
    rng = random.Random(0)
    for _ in range(20):
        pair = draw(rng, "two", "train")
        assert named(pair) == named(inverted(pair))


def test_right_scores_cost_nothing_and_are_counted_as_read() -> None:
    scenes = [draw(random.Random(number), kind, "train") for number, kind in enumerate(("one", "two", "video"))]
    right = answers(scenes)
    scores = [
        torch.nn.functional.one_hot(right[:, place].clamp(min=0), len(among)) * 50.0
        for place, among in enumerate(ANSWERS.values())
    ]
    loss, share = readout_loss(scores, right)
    assert float(loss) < 1e-6
    assert float(share) == 1.0
    scores[0][1] = -scores[0][1]
    loss, share = readout_loss(scores, right)
    assert float(loss) > 1
    assert abs(float(share) - 2 / 3) < 1e-6


def test_the_readout_scores_every_attribute() -> None:
    scores = Readout(32)(torch.randn(5, 7, 32))
    assert [tuple(score.shape) for score in scores] == [(5, len(among)) for among in ANSWERS.values()]

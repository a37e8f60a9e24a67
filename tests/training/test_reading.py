"""Attributes are read back from every wording of ours, and from the free wordings of people."""

import random

import pytest

from training.world import chinese
from training.world.captions import canonical_caption, caption, inverted, wording
from training.world.reading import Reading, ReadThing, agrees, read_attributes
from training.world.scene import Kind, Motion, Relation, Scene, Thing
from training.world.split import Side, draw

KINDS: tuple[Kind, ...] = ("one", "two", "video", "audio")
SIDES: tuple[Side, ...] = ("train", "held_out")
EVERYTHING = frozenset({"thing", "colour", "size", "background", "relation", "motion"})
BELL_ABOVE_BOAT = Scene((Thing("bell", "red"), Thing("boat", "blue")), "night", Relation.ABOVE)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("side", SIDES)
def test_every_wording_is_read_back(kind: Kind, side: Side) -> None:
    rng = random.Random(5)
    asked = frozenset({"thing"}) if kind == "audio" else EVERYTHING
    for seed in range(500):
        scene = draw(rng, kind, side)
        texts = [
            canonical_caption(scene, kind),
            wording(scene, random.Random(seed), kind=kind, side=side, named=EVERYTHING),
            chinese.canonical(scene, kind),
            chinese.phrase(scene, random.Random(seed), kind=kind, side=side, named=EVERYTHING),
        ]
        for text in texts:
            assert agrees(read_attributes(text), scene, asked), text
        free = caption(scene, seed, kind=kind, side=side)
        assert agrees(read_attributes(free), scene, asked - {"size"}), free


@pytest.mark.parametrize(
    ("text", "things", "relation", "background"),
    [
        ("The bell is red and the boat is blue. The bell is left of the boat at night.",
         (("bell", "red", None), ("boat", "blue", None)), "left of", "night"),
        ("I can see two things: a bell on the left and a boat on the right.",
         (("bell", None, None), ("boat", None, None)), "left of", None),
        ("A tiny orange star, up in the sky!", (("star", "orange", "small"),), None, "sky"),
        ("Below the blue boat there's a red bell", (("bell", "red", None), ("boat", "blue", None)), "below", None),
        ("It is a cat. It is big and it is purple.", (("cat", "purple", "big"),), None, None),
        ("铃铛在左边，船在右边", (("bell", None, None), ("boat", None, None)), "left of", None),
        ("一艘蓝船的上面有一个红色的铃铛", (("bell", "red", None), ("boat", "blue", None)), "above", None),
        ("在草地上，有一只很大的紫色的猫。", (("cat", "purple", "big"),), None, "meadow"),
        ("这把小号是黄色的", (("trumpet", "yellow", None),), None, None),
        ("Hello!", (), None, None),
        ("", (), None, None),
    ],
)  # fmt: skip
def test_free_wordings_are_read(
    text: str,
    things: tuple[tuple[str, str | None, str | None], ...],
    relation: str | None,
    background: str | None,
) -> None:
    expected = Reading(tuple(ReadThing(*thing) for thing in things), relation, background)
    assert read_attributes(text) == expected


def test_motions_are_not_taken_for_relations_or_sizes() -> None:
    reading = read_attributes("a red car going to the left, getting bigger")
    assert reading == Reading((ReadThing("car", "red"),), motion="left")
    assert read_attributes("一辆红色的汽车越变越大").motion == Motion.GROW


def test_a_pair_may_be_said_from_either_thing() -> None:
    assert agrees(read_attributes("a blue boat below a red bell at night"), BELL_ABOVE_BOAT)
    assert agrees(read_attributes("夜里，一艘蓝色的船在一个红色的铃铛的下面"), BELL_ABOVE_BOAT)
    assert agrees(read_attributes(canonical_caption(inverted(BELL_ABOVE_BOAT))), BELL_ABOVE_BOAT)


@pytest.mark.parametrize(
    "text",
    [
        "a red bell below a blue boat at night",
        "a blue bell above a red boat at night",
        "a red bell above a blue boat on a beach",
        "a red bell above a blue cat at night",
        "a red bell at night",
        "a red bell above a boat at night",
        "a red bell and a blue boat at night",
        "a red bell above a blue boat and a cat at night",
    ],
)
def test_any_wrong_attribute_disagrees(text: str) -> None:
    assert not agrees(read_attributes(text), BELL_ABOVE_BOAT)


def test_only_what_was_asked_is_compared() -> None:
    reading = read_attributes("a green bell on a beach")
    scene = Scene((Thing("bell", "red", "big"),), "beach")
    assert agrees(reading, scene, frozenset({"thing", "background"}))
    assert not agrees(reading, scene, frozenset({"thing", "colour"}))
    assert not agrees(read_attributes("a bee"), scene, frozenset({"thing"}))

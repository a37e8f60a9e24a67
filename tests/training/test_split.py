"""Facts about scenes and about the held-out split."""

import itertools
import random
from collections import Counter

import pytest

from training.world.scene import (
    BACKGROUNDS,
    COLOURS,
    SIZES,
    SOUNDING_THINGS,
    THINGS,
    Kind,
    Motion,
    Relation,
    Scene,
    Thing,
    draw_scene,
)
from training.world.split import (
    SOUND_BAND,
    colour_is_held_out,
    draw,
    is_held_out,
    is_trained,
    motion_is_held_out,
    pair_is_held_out,
)

KINDS: tuple[Kind, ...] = ("one", "two", "video", "audio")
NUM_DRAWS = 600
HELD_OUT_COLOURS = [
    (name, colour) for name, colour in itertools.product(THINGS, COLOURS) if colour_is_held_out(name, colour)
]
HELD_OUT_MOTIONS = [
    (name, motion) for name, motion in itertools.product(THINGS, Motion) if motion_is_held_out(name, motion)
]


def test_a_thing_knows_only_the_words_of_the_world() -> None:
    with pytest.raises(ValueError, match="No thing 'dragon' in this world; it knows: bell, drum"):
        Thing("dragon", "red")
    with pytest.raises(ValueError, match="No colour 'pink'"):
        Thing("bell", "pink")
    with pytest.raises(ValueError, match="No size 'huge'"):
        Thing("bell", "red", "huge")


def test_a_scene_refuses_what_cannot_be_shown() -> None:
    bell, drum = Thing("bell", "red"), Thing("drum", "blue")
    with pytest.raises(ValueError, match="No background 'desert'"):
        Scene((bell,), "desert")
    with pytest.raises(ValueError, match="1 or 2 things, got 0"):
        Scene((), "sky")
    with pytest.raises(ValueError, match="1 or 2 things, got 3"):
        Scene((bell, drum, Thing("cat", "red")), "sky")
    with pytest.raises(ValueError, match="has a relation"):
        Scene((bell, drum), "sky")
    with pytest.raises(ValueError, match="has a relation, a scene of one has none"):
        Scene((bell,), "sky", relation=Relation.ABOVE)
    with pytest.raises(ValueError, match="A video shows one thing"):
        Scene((bell, drum), "sky", relation=Relation.ABOVE, motion=Motion.SPIN)
    with pytest.raises(ValueError, match="two different things, got twice 'bell'"):
        Scene((bell, Thing("bell", "blue")), "sky", relation=Relation.ABOVE)


def test_equal_scenes_are_equal_keys() -> None:
    first, second = (Scene((Thing("cat", "red"),), "sky", motion=Motion.UP) for _ in range(2))
    assert {first: "kept"}[second] == "kept"


def test_twelve_of_sixteen_things_have_a_sound() -> None:
    assert [name for name in THINGS if Thing(name, "red").has_sound] == list(SOUNDING_THINGS)
    assert (len(THINGS), len(SOUNDING_THINGS)) == (16, 12)


def test_the_held_out_colours_are_one_in_eight_and_at_most_one_a_thing() -> None:
    assert len(HELD_OUT_COLOURS) == 12
    assert max(Counter(name for name, _ in HELD_OUT_COLOURS).values()) == 1
    assert {colour for _, colour in HELD_OUT_COLOURS} == set(COLOURS)


def test_every_thing_has_exactly_one_held_out_motion_and_every_motion_has_two_things() -> None:
    assert Counter(name for name, _ in HELD_OUT_MOTIONS) == Counter(THINGS)
    assert set(Counter(motion for _, motion in HELD_OUT_MOTIONS).values()) == {2}


def test_one_pair_in_ten_is_held_out_and_no_thing_or_relation_is_lost_to_training() -> None:
    pairs = list(itertools.product(itertools.permutations(THINGS, 2), Relation))
    held_out = [(names, relation) for names, relation in pairs if pair_is_held_out(*names, relation)]
    assert len(held_out) / len(pairs) == pytest.approx(1 / 10, abs=0.02)
    trained = [pair for pair in pairs if pair not in held_out]
    assert {(names[0], relation) for names, relation in trained} == set(itertools.product(THINGS, Relation))


def test_the_sound_band_is_a_small_part_inside_the_scale() -> None:
    low, high = SOUND_BAND
    assert 0 < low < high < 1
    assert high - low < 0.25


@pytest.mark.parametrize("kind", KINDS)
def test_train_draws_hold_nothing_that_is_held_out(kind: Kind) -> None:
    rng = random.Random(0)
    for _ in range(NUM_DRAWS):
        scene = draw(rng, kind, "train")
        assert is_trained(scene)
        assert not is_held_out(scene)
        assert all((thing.name, thing.colour) not in HELD_OUT_COLOURS for thing in scene.things)
        assert (scene.thing.name, scene.motion) not in HELD_OUT_MOTIONS


@pytest.mark.parametrize("kind", ["one", "two", "video"])
def test_held_out_draws_are_all_held_out_and_never_trained(kind: Kind) -> None:
    rng = random.Random(0)
    for _ in range(NUM_DRAWS):
        scene = draw(rng, kind, "held_out")
        assert is_held_out(scene)
        assert not is_trained(scene)


def test_draws_have_the_shape_of_their_kind() -> None:
    rng = random.Random(0)
    for _ in range(200):
        one, two, video, audio = (draw_scene(rng, kind) for kind in KINDS)
        assert one.relation is None and one.motion is None and one.thing.size in SIZES
        assert two.relation is not None and [thing.size for thing in two.things] == [None, None]
        assert video.motion is not None and video.thing.size is None
        assert audio.thing.has_sound and len(audio.things) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_train_draws_meet_every_thing_colour_and_background(kind: Kind) -> None:
    rng = random.Random(0)
    scenes = [draw(rng, kind, "train") for _ in range(NUM_DRAWS)]
    assert {scene.thing.name for scene in scenes} == set(SOUNDING_THINGS if kind == "audio" else THINGS)
    assert {scene.thing.colour for scene in scenes} == set(COLOURS)
    assert {scene.background for scene in scenes} == set(BACKGROUNDS)


def test_draws_repeat_with_their_seed() -> None:
    first, second = ([draw(random.Random(seed), "two", "train") for seed in range(20)] for _ in range(2))
    assert first == second


def test_a_pair_is_held_out_whichever_way_it_is_said() -> None:
    inverse = {Relation.LEFT_OF: Relation.RIGHT_OF, Relation.ABOVE: Relation.BELOW}
    for first, second in itertools.permutations(THINGS, 2):
        for relation, other in inverse.items():
            assert pair_is_held_out(first, second, relation) == pair_is_held_out(second, first, other)

"""Captions name what the scene has, in one fixed wording or in many."""

import random

import pytest

from training.world.captions import SOUND_PHRASES, canonical_caption, caption, infer_kind, wording
from training.world.scene import SOUNDING_THINGS, Kind, Motion, Relation, Scene, Thing
from training.world.split import draw

KINDS: tuple[Kind, ...] = ("one", "two", "video", "audio")
BELL, BOAT = Thing("bell", "red"), Thing("boat", "orange")


def _words(text: str) -> set[str]:
    return set(text.replace(",", "").split())


@pytest.mark.parametrize(
    ("scene", "kind", "expected"),
    [
        (Scene((Thing("bell", "red", "small"),), "meadow"), None, "a small red bell in a meadow"),
        (Scene((BOAT,), "beach"), None, "an orange boat on a beach"),
        (Scene((BELL, BOAT), "night", Relation.ABOVE), None, "a red bell above an orange boat at night"),
        (Scene((BELL, BOAT), "sky", Relation.LEFT_OF), None, "a red bell to the left of an orange boat in the sky"),
        (Scene((BELL,), "beach", motion=Motion.BOUNCE), None, "a red bell bouncing on a beach"),
        (Scene((BELL,), "beach"), "audio", "the sound of a bell"),
    ],
)
def test_the_canonical_wording_is_fixed(scene: Scene, kind: Kind | None, expected: str) -> None:
    assert canonical_caption(scene, kind) == expected


@pytest.mark.parametrize("kind", KINDS)
def test_a_canonical_caption_tells_scenes_apart(kind: Kind) -> None:
    rng = random.Random(1)
    scenes = {draw(rng, kind, "train") for _ in range(400)}
    wanted = {scene.thing.name for scene in scenes} if kind == "audio" else scenes
    assert len({canonical_caption(scene, kind) for scene in scenes}) == len(wanted)


@pytest.mark.parametrize("kind", KINDS)
def test_a_caption_is_a_pure_function_of_the_seed_and_varies_with_it(kind: Kind) -> None:
    scene = draw(random.Random(2), kind, "train")
    captions = [caption(scene, seed, kind=kind) for seed in range(200)]
    assert captions == [caption(scene, seed, kind=kind) for seed in range(200)]
    assert len(set(captions)) > (10 if kind == "audio" else 60)


@pytest.mark.parametrize("kind", ["one", "two", "video"])
@pytest.mark.parametrize("side", ["train", "held_out"])
def test_a_complete_caption_names_every_thing_and_colour(kind: Kind, side: str) -> None:
    rng = random.Random(3)
    for seed in range(300):
        scene = draw(rng, kind, side)  # type: ignore[arg-type]
        words = _words(caption(scene, seed, kind=kind, side=side))  # type: ignore[arg-type]
        assert {word for thing in scene.things for word in (thing.name, thing.colour)} <= words


def test_an_incomplete_caption_may_leave_out_the_colour_but_never_the_thing() -> None:
    scene = Scene((BELL,), "beach")
    captions = [_words(caption(scene, seed, complete=False)) for seed in range(100)]
    assert all("bell" in words for words in captions)
    assert 10 < sum("red" in words for words in captions) < 90


def test_only_named_attributes_are_worded() -> None:
    scene = Scene((Thing("bell", "red", "small"),), "night")
    for seed in range(100):
        words = _words(wording(scene, random.Random(seed), kind="one", side="train", named=frozenset({"size"})))
        assert words & {"small", "little", "tiny"}
        assert not words & {"red", "night", "dark"}


def test_held_out_wordings_use_words_of_the_train_wordings_only() -> None:
    rng = random.Random(4)
    words: dict[str, set[str]] = {"train": set(), "held_out": set()}
    shapes: dict[str, set[str]] = {"train": set(), "held_out": set()}
    scene = Scene((BELL,), "beach")
    for seed in range(4000):
        for side in ("train", "held_out"):
            kind = rng.choice(KINDS)
            words[side] |= _words(caption(draw(rng, kind, "train"), seed, kind=kind, side=side))
            shapes[side].add(caption(scene, seed, side=side))
    assert words["held_out"] <= words["train"]
    assert len(words["train"]) < 300
    assert not shapes["held_out"] & shapes["train"]


def test_every_sounding_thing_has_words_for_its_sound() -> None:
    assert set(SOUND_PHRASES) == set(SOUNDING_THINGS)


def test_kinds_are_inferred() -> None:
    assert infer_kind(Scene((BELL,), "sky")) == "one"
    assert infer_kind(Scene((BELL, BOAT), "sky", Relation.BELOW)) == "two"
    assert infer_kind(Scene((BELL,), "sky", motion=Motion.SPIN)) == "video"

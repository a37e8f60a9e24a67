"""The judge."""

import random
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
import torch

from training.world import split
from training.world.judge import (
    QUESTIONS,
    WEIGHTS,
    JudgedModality,
    JudgeNetwork,
    SceneReading,
    answers,
    load_judge,
    ordered,
    prepare_audio,
    prepare_images,
    read_audio,
    read_image,
    read_video,
    right,
    set_attributes,
)
from training.world.judge_accuracy import KINDS, measure, render
from training.world.scene import Motion, Relation, Scene, Thing
from training.world.wear import wear_images, wear_spectrograms

BELL = Scene((Thing("bell", "red", "big"),), "sky")
PAIR = Scene((Thing("bell", "red"), Thing("boat", "blue")), "beach", relation=Relation.BELOW)
SEEN_BELL = SceneReading(("bell",), ("red",), size="big", background="sky")
SEEN_PAIR = SceneReading(("boat", "bell"), ("blue", "red"), background="beach", relation="above")


def test_a_pair_is_ordered_from_left_to_right_and_from_top_to_bottom() -> None:
    assert ordered(PAIR) == Scene((PAIR.things[1], PAIR.things[0]), "beach", relation=Relation.ABOVE)
    assert ordered(ordered(PAIR)) == ordered(PAIR)
    assert ordered(BELL) == BELL


def test_a_reading_is_right_when_all_asked_is_read() -> None:
    assert right(SEEN_BELL, BELL, {"thing", "colour", "size", "background"})
    assert right(SEEN_PAIR, PAIR, {"thing", "colour", "relation", "background"})


@pytest.mark.parametrize(
    ("attribute", "reading"),
    [
        ("thing", replace(SEEN_BELL, things=("drum",))),
        ("colour", replace(SEEN_BELL, colours=("blue",))),
        ("size", replace(SEEN_BELL, size="small")),
        ("background", replace(SEEN_BELL, background="night")),
    ],
)
def test_a_reading_is_wrong_only_in_the_attribute_that_differs(attribute: str, reading: SceneReading) -> None:
    everything = set_attributes(BELL, "image")
    assert not right(reading, BELL, {attribute})  # type: ignore[arg-type]
    assert right(reading, BELL, everything - {attribute})


def test_swapped_colours_or_places_of_a_pair_are_wrong() -> None:
    assert not right(replace(SEEN_PAIR, colours=("red", "blue")), PAIR, {"colour"})
    assert not right(replace(SEEN_PAIR, things=("bell", "boat")), PAIR, {"thing"})
    assert not right(replace(SEEN_PAIR, relation="left of"), PAIR, {"relation"})


def test_one_thing_is_never_right_for_two() -> None:
    assert not right(SEEN_BELL, PAIR, set())
    assert not right(SEEN_PAIR, BELL, set())


def test_answers_leave_open_what_a_scene_leaves_open() -> None:
    assert answers(BELL, "image")["thing 2"] == -1
    assert answers(BELL, "image")["relation"] == -1
    of_pair = answers(PAIR, "image")
    assert of_pair["size"] == -1
    assert QUESTIONS["image"]["thing 1"][of_pair["thing 1"]] == "boat"


@pytest.mark.parametrize("modality", get_args(JudgedModality))
def test_every_network_answers_every_question(modality: JudgedModality) -> None:
    shape = {"image": (2, 3, 64, 64), "video": (2, 8, 3, 64, 64), "audio": (2, 1, 64, 101)}[modality]
    logits = JudgeNetwork(modality)(torch.zeros(shape))
    assert {question: tuple(value.shape) for question, value in logits.items()} == {
        question: (2, len(choices)) for question, choices in QUESTIONS[modality].items()
    }


def test_other_sizes_of_pictures_are_resized() -> None:
    assert prepare_images(torch.zeros(2, 128, 96, 3, dtype=torch.uint8)).shape == (2, 3, 64, 64)


def test_loudness_does_not_change_what_is_heard() -> None:
    sound = torch.from_numpy(render([BELL], "audio", [3], side="train"))
    torch.testing.assert_close(prepare_audio(0.3 * sound), prepare_audio(sound), atol=0.02, rtol=0)


def test_wear_keeps_shapes_and_is_set_by_its_generator() -> None:
    video = prepare_images(torch.from_numpy(render([BELL, PAIR], "image", [1, 2], side="train")))[:, None].repeat(
        1, 3, 1, 1, 1
    )
    worn = [wear_images(video, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
    assert worn[0].shape == video.shape
    assert torch.equal(worn[0], worn[1])
    assert not torch.equal(worn[0], worn[2])
    levels = torch.randn(2, 1, 64, 101)
    assert wear_spectrograms(levels, torch.Generator().manual_seed(1)).shape == levels.shape


@pytest.mark.parametrize("modality", get_args(JudgedModality))
def test_the_shipped_judge_is_small(modality: JudgedModality) -> None:
    assert (WEIGHTS / f"{modality}.safetensors").stat().st_size < 1_000_000
    assert not any(parameter.requires_grad for parameter in load_judge(modality).parameters())


@pytest.mark.parametrize(
    ("modality", "kind"), [(modality, kind) for modality, kinds in KINDS.items() for kind in kinds]
)
def test_the_shipped_judge_reads_held_out_renders(modality: JudgedModality, kind: split.Kind) -> None:
    count = 50
    assert measure(modality, kind, count) >= count - 1


def test_single_media_are_read_as_in_a_batch() -> None:
    rng = random.Random(5)
    for modality, kind, read in (
        ("image", "two", read_image),
        ("audio", "audio", read_audio),
        ("video", "video", read_video),
    ):
        scenes = [split.draw(rng, kind, "train") for _ in range(4)]
        media = render(scenes, modality, [1, 2, 3, 4], side="train")
        assert read(media) == [read(media[i : i + 1])[0] for i in range(4)]


def test_noise_is_no_scene_with_certainty() -> None:
    """The judge must not be fooled into reading what was asked from a picture that shows nothing."""
    noise = np.random.default_rng(0).integers(0, 256, (40, 64, 64, 3), dtype=np.uint8)
    scenes = [split.draw(random.Random(seed), "one", "held_out") for seed in range(40)]
    assert sum(right(r, s, {"thing", "colour"}) for r, s in zip(read_image(noise), scenes, strict=True)) <= 4


def test_a_motion_is_read() -> None:
    scenes = [Scene((Thing("car", "red"),), "beach", motion=motion) for motion in Motion]
    read = read_video(render(scenes, "video", list(range(8)), side="train"))
    assert [r.motion for r in read] == list(Motion)

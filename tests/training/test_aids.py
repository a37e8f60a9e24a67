"""The aids teach the vectors that stand for media, know nothing of people's own files, and are not kept."""

from dataclasses import replace
from pathlib import Path

import torch

from encoders.media import Image
from encoders.modality import Modality
from training.aids import ReadingAids
from training.data import WorldMedia, known_answers, media_key, render, world_sample
from training.foundation.readout import ANSWERS, UNASKED, UNKNOWN
from training.world.scene import Scene, Thing
from training.world.talk import MediaRef


def test_an_aid_learns_to_read_its_vectors() -> None:
    torch.manual_seed(0)
    aids = ReadingAids({"image_seen": 2}, 8)
    vectors = torch.randn(6, 2, 8)
    right = torch.full((6, len(ANSWERS)), UNASKED)
    right[:, 0] = torch.arange(6)
    optimizer = torch.optim.AdamW(aids.parameters(), lr=3e-3)
    for _ in range(60):
        loss = aids({"image_seen": (vectors, right)})["image_seen"]
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    assert loss.item() < 0.1


def test_with_vectors_enough_each_attribute_is_asked_of_its_own() -> None:
    aids = ReadingAids({"image_seen": len(ANSWERS)}, 8)
    vectors = torch.randn(3, len(ANSWERS), 8, requires_grad=True)
    right = torch.full((3, len(ANSWERS)), UNASKED)
    right[:, 2] = 0
    aids({"image_seen": (vectors, right)})["image_seen"].backward()
    assert vectors.grad is not None
    assert [bool(part.any()) for part in vectors.grad.unbind(1)] == [place == 2 for place in range(len(ANSWERS))]


def test_vectors_without_an_aid_or_without_answers_teach_nothing() -> None:
    aids = ReadingAids({"image_seen": 2}, 8)
    unknown = torch.full((3, len(ANSWERS)), UNASKED)
    assert aids({"image_seen": (torch.randn(3, 2, 8), unknown)}) == {}
    assert aids({"audio_said": (torch.randn(3, 2, 8), unknown.clamp(min=0))}) == {}


def test_of_the_worlds_media_all_is_known_and_of_files_nothing(tmp_path: Path) -> None:
    assert known_answers(tmp_path / "mine.png") is None
    sample = world_sample(5, "train", "draw")
    (payload,) = sample.made()
    known = known_answers(payload)
    assert known is not None
    assert len(known) == len(ANSWERS)
    assert known[list(ANSWERS).index("thing")] != UNASKED
    assert [modality for _, modality in sample.needs()] == [Modality.IMAGE]


def test_of_foreign_media_it_is_known_that_they_are_and_of_turned_ones_the_thing() -> None:
    thing, colour = list(ANSWERS).index("thing"), list(ANSWERS).index("colour")
    foreign = WorldMedia(MediaRef(Modality.IMAGE, None, 0, foreign=True), "train")
    known = known_answers(foreign)
    assert known is not None
    assert ANSWERS["thing"][known[thing]] == UNKNOWN
    scene = Scene((Thing("bell", "red", "big"),), "beach")
    turned = WorldMedia(MediaRef(Modality.IMAGE, scene, 0, partial="turned"), "train")
    known = known_answers(turned)
    assert known is not None
    assert (ANSWERS["thing"][known[thing]], known[colour]) == ("bell", UNASKED)
    plain = replace(turned, reference=replace(turned.reference, partial=""))
    assert media_key(turned) != media_key(plain)
    first, second = render(turned), render(plain)
    assert isinstance(first, Image)
    assert isinstance(second, Image)
    assert not torch.equal(first.pixels, second.pixels)

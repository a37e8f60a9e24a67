"""The aids teach the vectors that stand for media, know nothing of people's own files, and are not kept."""

from pathlib import Path

import torch

from encoders.modality import Modality
from training.aids import ReadingAids
from training.data import known_answers, world_sample
from training.foundation.readout import ANSWERS, UNASKED


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

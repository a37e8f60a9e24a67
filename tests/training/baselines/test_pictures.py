"""Pictures to learn from: the world with its classes, folders with bad files, batches that come round."""

from pathlib import Path

import numpy as np
import pytest
import torch

from encoders.files import write_media
from encoders.media import Image
from training.baselines.pictures import (
    WORLD_GROUPS,
    WORLD_LABELS,
    PicturePool,
    folder_pictures,
    open_pictures,
    world_pictures,
)
from training.world.split import colour_is_held_out


def test_the_world_comes_with_a_thing_a_colour_and_a_background_and_keeps_to_its_side() -> None:
    pool = world_pictures(32, 40, 0)
    assert pool.pixels.shape == (40, 32, 32, 3)
    assert pool.classes.shape == (40, len(WORLD_LABELS)) and sum(WORLD_GROUPS) == len(WORLD_LABELS)
    for vector in pool.classes:
        thing, colour, background = (WORLD_LABELS[i] for i in vector.nonzero()[:, 0])
        assert (WORLD_LABELS.index(thing) < 16) and not colour_is_held_out(thing, colour)
        assert background in WORLD_LABELS[-4:]
    others = world_pictures(32, 40, 1)
    assert others.fingerprint != pool.fingerprint
    held_out = world_pictures(32, 10, 0, side="held_out")
    names = [[WORLD_LABELS[i] for i in vector.nonzero()[:2, 0]] for vector in held_out.classes]
    assert all(colour_is_held_out(thing, colour) for thing, colour in names)


def test_processes_render_the_same_pictures() -> None:
    told: list[tuple[str, int, int]] = []
    alone = world_pictures(16, 300, 0, progress=lambda *told_of: told.append(told_of))
    assert told == [("render", 256, 300), ("render", 300, 300)]
    assert world_pictures(16, 300, 0, workers=1).fingerprint == alone.fingerprint


def test_each_picture_comes_once_in_a_round_in_an_order_of_its_own() -> None:
    pixels = np.arange(10, dtype=np.uint8)[:, None, None, None].repeat(8, 1).repeat(8, 2).repeat(3, 3)
    pool = PicturePool("numbers", pixels, torch.eye(10), tuple("abcdefghij"), (10,))

    def numbers(seed: int, batch: int) -> list[int]:
        made = pool.batch(4, seed, batch)
        shown = ((made["images"][:, 0, 0, 0] + 1) * 127.5).round().int().tolist()
        assert shown == made["classes"].argmax(dim=1).tolist()
        return shown

    first = [number for batch in range(5) for number in numbers(0, batch)]  # two rounds
    assert sorted(first[:10]) == sorted(first[10:]) == list(range(10))
    assert first[:10] != first[10:]
    assert numbers(0, 3) == first[12:16]
    assert numbers(1, 0) != first[:4]


def save(path: Path, size: tuple[int, int], value: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_media(path, Image(torch.full((3, *size), value)))


def test_a_folder_is_read_its_subfolders_are_classes_and_bad_files_are_named(tmp_path: Path) -> None:
    save(tmp_path / "cats" / "a.png", (20, 40), 0.2)
    save(tmp_path / "cats" / "b.png", (16, 16), 0.4)
    save(tmp_path / "dogs" / "deep" / "c.png", (30, 10), 0.6)
    (tmp_path / "dogs" / "broken.png").write_bytes((tmp_path / "cats" / "a.png").read_bytes()[:60])
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / ".hidden.png").write_bytes(b"")
    pool = open_pictures(str(tmp_path), 16, count=5, seed=0)
    assert pool.pixels.shape == (3, 16, 16, 3)
    assert pool.labels == ("cats", "dogs") and pool.groups == (2,)
    assert pool.classes.tolist() == [[1, 0], [1, 0], [0, 1]]
    assert [each.name for each in pool.refused] == ["dogs/broken.png", "notes.txt"]
    assert "damaged" in pool.refused[0].reason


def test_a_flat_folder_is_one_class(tmp_path: Path) -> None:
    save(tmp_path / "mine" / "a.png", (16, 16), 0.2)
    pool = folder_pictures(tmp_path / "mine", 16)
    assert pool.labels == ("mine",) and pool.classes.tolist() == [[1]]


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.raises(ValueError, match=r"holds no picture that can be read \(1 files\)"):
        folder_pictures(tmp_path, 16)
    with pytest.raises(ValueError, match="There is no folder"):
        folder_pictures(tmp_path / "nothing", 16)

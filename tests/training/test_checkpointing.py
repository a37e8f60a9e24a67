"""Checkpoints are whole or absent, whatever moment the writer dies at."""

from pathlib import Path

import pytest
import torch

from training import checkpointing
from training.checkpointing import latest_checkpoint, load_checkpoint, save_checkpoint, write_atomically

TENSORS = {"weights": {"a": torch.arange(6.0).reshape(2, 3)}, "optimizer": {"a.step": torch.tensor(3.0)}}


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, 7, TENSORS, {"note": "x"})
    target = latest_checkpoint(tmp_path)
    assert target is not None
    groups, facts = load_checkpoint(target)
    assert facts == {"step": 7, "note": "x"}
    torch.testing.assert_close(groups["weights"]["a"], TENSORS["weights"]["a"])
    torch.testing.assert_close(groups["optimizer"]["a.step"], TENSORS["optimizer"]["a.step"])


def test_only_the_newest_is_kept(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        save_checkpoint(tmp_path, step, TENSORS, {})
    assert [path.name for path in tmp_path.glob("step-*")] == ["step-00000003"]


def test_an_empty_folder_has_no_checkpoint(tmp_path: Path) -> None:
    assert latest_checkpoint(tmp_path) is None


@pytest.mark.parametrize("death", ["save_file", "sync", "write_atomically"])
def test_a_writer_that_dies_leaves_the_checkpoint_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, death: str
) -> None:
    save_checkpoint(tmp_path, 1, TENSORS, {})

    def die(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpointing, death, die)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(tmp_path, 2, TENSORS, {})
    monkeypatch.undo()
    target = latest_checkpoint(tmp_path)
    assert target is not None
    assert load_checkpoint(target)[1]["step"] == 1
    save_checkpoint(tmp_path, 2, TENSORS, {})
    assert load_checkpoint(latest_checkpoint(tmp_path) or tmp_path)[1]["step"] == 2


def test_a_text_is_replaced_whole(tmp_path: Path) -> None:
    write_atomically(tmp_path / "a.txt", "one")
    write_atomically(tmp_path / "a.txt", "two")
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "two"

"""Files are written whole or not at all."""

from pathlib import Path

import pytest
import torch

from encoders.media import Image, Text
from encoders.writing import write_media


def test_a_written_file_replaces_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    assert write_media(path, Text("一 new")) == path
    assert path.read_text(encoding="utf-8") == "一 new"
    assert [file.name for file in tmp_path.iterdir()] == ["a.txt"]


def test_a_wrong_suffix_says_which_is_right(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"'a\.jpg' cannot hold image: give it the suffix \.png"):
        write_media(tmp_path / "a.jpg", Image(torch.zeros(3, 2, 2)))


def test_text_carries_no_metadata(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="plain text, which carries no metadata"):
        write_media(tmp_path / "a.txt", Text("a"), {"a": "b"})
    assert list(tmp_path.iterdir()) == []

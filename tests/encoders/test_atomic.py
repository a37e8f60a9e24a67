"""A file comes to its place whole or not at all."""

import os
from pathlib import Path

import pytest

from encoders.atomic import atomic


def test_a_failed_write_keeps_the_old_file_and_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail() -> None:
        with atomic(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("a.txt", "old")]


def test_until_all_is_written_the_old_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with atomic(path) as temporary:
        temporary.write_text("new")
        assert (path.read_text(), temporary.suffix) == ("old", ".txt")
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("a.txt", "new")]


@pytest.mark.parametrize(
    ("mode", "umask", "expected"), [(None, 0o077, 0o600), (None, 0o022, 0o644), (0o644, 0o077, 0o644)]
)
def test_a_file_has_the_mode_that_is_wanted_or_the_umasks(
    tmp_path: Path, mode: int | None, umask: int, expected: int
) -> None:
    path = tmp_path / "a"
    before = os.umask(umask)
    try:
        with atomic(path, mode=mode) as temporary:
            temporary.write_text("new")
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == expected


def test_a_link_is_replaced_and_what_it_named_is_left(tmp_path: Path) -> None:
    named = tmp_path / "named"
    named.write_text("old")
    path = tmp_path / "link"
    path.symlink_to(named)
    with atomic(path) as temporary:
        temporary.write_text("new")
    assert (path.is_symlink(), path.read_text(), named.read_text()) == (False, "new", "old")

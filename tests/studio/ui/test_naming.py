"""How files on the server are named: a page's words for it on one's own machine, and where people share a studio."""

from pathlib import Path

import pytest

from studio.errors import StudioError
from studio.ui.frame import page_studio
from studio.ui.naming import example, place_of


def test_on_ones_own_machine_a_path_is_a_path(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/anna")
    studio = page_studio()
    assert place_of(studio, " ~/cats ") == "/home/anna/cats"
    assert place_of(studio, "/srv/cats") == "/srv/cats"
    assert example("~/cats") == "~/cats"


def test_where_a_studio_is_shared_a_name_is_a_place_in_its_own_folder(home: Path, shared: str) -> None:
    (home / "shared" / "cats").mkdir(parents=True)
    studio = page_studio()
    assert studio.store.home != home, "Anna's own"
    assert place_of(studio, "cats") == str(home / "shared" / "cats")
    assert example("~/cats") == "cats"
    with pytest.raises(StudioError):
        place_of(studio, "/srv/cats")

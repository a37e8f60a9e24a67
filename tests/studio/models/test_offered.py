"""What people who are let in may name on the server: what lies in its folder `shared`, and nothing else."""

from pathlib import Path

import pytest

from studio.errors import StudioError
from studio.home import home_of
from studio.models.offered import offered, offered_part, offered_path


@pytest.fixture
def pictures(home: Path) -> Path:
    folder = home / "shared" / "cats"
    folder.mkdir(parents=True)
    (home / "shared" / ".hidden").mkdir()
    (home / "secret").mkdir()
    return folder


def test_everybody_is_offered_the_same_by_name(home: Path, pictures: Path) -> None:
    for one in (home, home_of("anna", home)):
        assert offered(one) == ("cats",)
        assert offered_path(one, "cats") == pictures
        assert offered_part(one, "cats") == str(pictures)


def test_a_studio_without_the_folder_offers_nothing(home: Path) -> None:
    assert offered(home) == ()
    with pytest.raises(StudioError, match="It offers: –"):
        offered_path(home, "cats")


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../secret", "cats/..", "cats/../../secret", ".hidden", "/etc", "~", "secret", "nothing"]
)
def test_no_other_name_leads_anywhere(home: Path, pictures: Path, name: str) -> None:
    for find in (offered_path, offered_part):
        with pytest.raises(StudioError, match="not among what this studio offers"):
            find(home, name)


def test_a_part_may_be_a_hub_id_but_no_folder_that_looks_like_one(
    home: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert offered_part(home, "owner/name@main") == "owner/name@main"
    monkeypatch.setattr("studio.models.offered.ROOT", home)
    for name in ("shared/cats", "a/b/c", "owner/..", "../name", "preset:tiny/../..", "./name"):
        with pytest.raises(StudioError):
            offered_part(home, name)

"""What the server reads of who may come in, from its secrets and its environment; each time in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
AUTH = '[auth]\nredirect_uri = "http://localhost/oauth2callback"\ncookie_secret = "a secret"\n'
STUDIO = '[studio]\ninvited = ["@example.org"]\n'
PROGRAM = """
from studio.server.doorkeeper import sessions
from studio.errors import StudioError
try:
    access = sessions().access
    print("open" if access.is_open else access.invited or sorted(access.passwords))
except StudioError as error:
    print(error)
"""


@pytest.fixture
def read(tmp_path: Path, home: Path) -> "Reader":
    return Reader(tmp_path, home)


class Reader:
    def __init__(self, folder: Path, home: Path) -> None:
        self.folder = folder
        self.home = home

    def __call__(self, secrets: str, *, has_authlib: bool = False, **settings: str) -> str:
        """Return what a server that is started in a folder with these secrets understands."""
        (self.folder / ".streamlit").mkdir(exist_ok=True)
        (self.folder / ".streamlit" / "secrets.toml").write_text(secrets)
        if has_authlib:
            (self.folder / "authlib").mkdir()
            (self.folder / "authlib" / "__init__.py").touch()
        environment = os.environ | {"PYTHONPATH": f"{ROOT}:{self.folder}", "HOME": str(self.folder), **settings}
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()


def test_without_settings_nobody_is_asked_and_no_key_is_made(read: Reader) -> None:
    assert read("") == "open"
    assert read(AUTH) == "open", "an [auth] alone is another program's"
    assert not (read.home / "session.key").exists()


def test_a_provider_with_invitations_decides(read: Reader) -> None:
    assert read(AUTH + STUDIO, has_authlib=True) == "('@example.org',)"
    assert (read.home / "session.key").exists()


@pytest.mark.parametrize(
    ("secrets", "settings", "words"),
    [
        (AUTH + "[studio]\n", {}, "invited"),
        ('[auth]\nredirect_uri = "x"\n' + STUDIO, {}, "missing cookie_secret"),
        (AUTH + STUDIO, {"STUDIO_PASSWORD": "a long password"}, "Choose one"),
        (AUTH + STUDIO, {"STUDIO_DATABASE": "postgresql://x/y"}, "database each"),
    ],
)
def test_settings_that_cannot_be_meant_are_told(
    read: Reader, secrets: str, settings: dict[str, str], words: str
) -> None:
    assert words in read(secrets, has_authlib=True, **settings)

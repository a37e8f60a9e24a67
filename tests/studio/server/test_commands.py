"""`studio serve` and `studio password`: this machine alone, unless those who come are asked who they are."""

import os
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from http.cookiejar import CookieJar
from pathlib import Path

import pytest
import torch
from serving import STREAMLIT, serving
from typer.testing import CliRunner, Result

from encoders.media import Image
from studio.cli import app
from studio.home import home_of
from studio.media_store import MediaStore
from studio.server.access import read_access, read_passwords
from studio.server.media_route import media_path
from studio.store import Store

PASSWORD = "a long password"
FOR_EVERYBODY = (*STREAMLIT, "--server.address", "0.0.0.0")
Noted = list[tuple[Sequence[str], Mapping[str, str]]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setenv("COLUMNS", "300")
    return lambda *words, **options: CliRunner().invoke(app, list(words), **options)


@pytest.fixture
def becomes(monkeypatch: pytest.MonkeyPatch) -> Iterator[Noted]:
    """Note the command that would take the process over."""
    noted: Noted = []
    monkeypatch.setattr(
        "studio.server.commands.become", lambda command, environment: noted.append((command, environment))
    )
    folder = Path.cwd()
    yield noted
    os.chdir(folder)


def options_of(command: Sequence[str], name: str) -> list[str]:
    return [command[number + 1] for number, word in enumerate(command) if word == name]


def test_serving_binds_to_this_machine_alone(run: Callable[..., Result], becomes: Noted, home: Path) -> None:
    shown = run("serve", "--port", "8765", "--gpu", "1", "--gpu", "0")
    assert "http://127.0.0.1:8765" in shown.stdout
    ((command, environment),) = becomes
    assert options_of(command, "--server.address") == ["127.0.0.1"]
    assert options_of(command, "--server.allowedHosts") == []
    assert (environment["STUDIO_HOME"], environment["STUDIO_GPUS"]) == (str(home), "0,1")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "studio.example.org"])
def test_another_host_is_refused_without_a_password(run: Callable[..., Result], becomes: Noted, host: str) -> None:
    refused = run("serve", "--host", host)
    assert refused.exit_code == 1 and "STUDIO_PASSWORD" in refused.stderr
    assert becomes == []


def test_another_host_is_served_with_a_password(
    run: Callable[..., Result], becomes: Noted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUDIO_PASSWORD", PASSWORD)
    run("serve", "--host", "192.168.1.5", "--allow-host", "studio.local")
    run("serve", "--host", "0.0.0.0")
    monkeypatch.setenv("STUDIO_PASSWORD", "short")
    assert run("serve", "--host", "0.0.0.0").exit_code == 1
    assert [options_of(command, "--server.allowedHosts") for command, _ in becomes] == [["studio.local"], ["*"]]


def test_a_password_line_is_printed_for_the_file(run: Callable[..., Result], tmp_path: Path) -> None:
    printed = run("password", "anna", input=PASSWORD + "\n")
    assert printed.exit_code == 0 and PASSWORD not in printed.stdout
    file = tmp_path / "passwords"
    file.write_text(printed.stdout)
    assert set(read_passwords(file)) == {"anna"}
    assert read_access({"STUDIO_PASSWORD_FILE": str(file)}).knows("anna", PASSWORD)
    assert run("password", "a/b", input=PASSWORD + "\n").exit_code == 1


class Browser:
    """Somebody with cookies."""

    def __init__(self, address: str) -> None:
        self.address = address
        jar = urllib.request.HTTPCookieProcessor(CookieJar())
        self.opener = urllib.request.build_opener(jar)

    def get(self, path: str, **fields: str) -> tuple[int, str]:
        data = urllib.parse.urlencode(fields).encode() if fields else None
        try:
            with self.opener.open(self.address + path, data, timeout=60) as answer:
                return answer.status, answer.geturl()
        except urllib.error.HTTPError as error:
            error.close()
            return error.code, path


def test_a_served_studio_shows_everybody_their_own_media_alone(
    run: Callable[..., Result], home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole server, as it is started."""
    monkeypatch.setenv("STUDIO_PRESET", "none")
    file = tmp_path / "passwords"
    file.write_text("".join(run("password", name, input=f"{PASSWORD} of {name}\n").stdout for name in ("anna", "ben")))
    stored = MediaStore(Store(home_of("anna", home))).add(Image(torch.zeros(3, 8, 8)))[0]
    with serving(home, command=FOR_EVERYBODY, STUDIO_PASSWORD_FILE=str(file)) as address:
        anna, ben = Browser(address), Browser(address)
        assert anna.get(media_path(stored.id))[0] == 401
        for browser, name in ((anna, "anna"), (ben, "ben")):
            status, url = browser.get("/studio/login", name=name, password=f"{PASSWORD} of {name}")
            assert (status, urllib.parse.urlsplit(url).path) == (200, "/")
        assert anna.get(media_path(stored.id))[0] == 200
        assert ben.get(media_path(stored.id))[0] == 404
    assert PASSWORD not in (home / "server.log").read_text()


def test_a_server_that_everybody_could_enter_does_not_start(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUDIO_PRESET", "none")
    with pytest.raises(RuntimeError, match="ended with status"), serving(home, command=FOR_EVERYBODY):
        pass
    assert "STUDIO_PASSWORD" in (home / "server.log").read_text()

"""Who may come in: passwords, guesses, invitations, sessions, and a folder for each person."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from studio.errors import StudioError
from studio.home import home_of, homes_of_people, root_home
from studio.server.access import (
    MAX_FAILURES,
    WINDOW_SECONDS,
    Access,
    Guesses,
    check_password,
    hash_password,
    is_loopback,
    password_line,
    read_access,
    read_passwords,
    refuse_open_door,
    session_key,
)
from studio.server.sessions import Sessions

PASSWORD = "correct horse 马"


@pytest.fixture(scope="module")
def hashed() -> str:
    return hash_password(PASSWORD)


def test_a_password_is_kept_as_a_hash_that_differs_each_time_and_fits_it_alone(hashed: str) -> None:
    assert PASSWORD not in hashed and hashed != hash_password(PASSWORD)
    assert check_password(PASSWORD, hashed)
    assert not check_password(PASSWORD + " ", hashed)


@pytest.mark.parametrize("password", ["", "short", "x" * 2000])
def test_a_password_that_protects_nothing_is_refused(password: str) -> None:
    with pytest.raises(StudioError, match="characters"):
        hash_password(password)


def test_one_who_is_not_known_is_refused_like_one_who_is(hashed: str) -> None:
    access = Access({"anna": hashed})
    assert access.knows("anna", PASSWORD)
    assert not access.knows("anna", "wrong one")
    assert not access.knows("", PASSWORD)
    assert not access.knows("ben", PASSWORD)


def test_a_password_file_names_people_or_is_one_password_alone(tmp_path: Path) -> None:
    file = tmp_path / "passwords"
    lines = [password_line("anna", PASSWORD), "", "# a remark", password_line("ben@example.org", PASSWORD + "2")]
    file.write_text("\n".join(lines))
    assert set(read_passwords(file)) == {"anna", "ben@example.org"}
    file.write_text(password_line("", PASSWORD))
    access = read_access({"STUDIO_PASSWORD_FILE": str(file)})
    assert access.knows("", PASSWORD) and not access.has_names


@pytest.mark.parametrize("line", ["anna:secret", "secret", "../x:{hash}", "anna:{hash}\nanna:{hash}", "", "a b:{hash}"])
def test_a_password_file_that_cannot_be_meant_is_refused_without_showing_it(
    tmp_path: Path, line: str, hashed: str
) -> None:
    file = tmp_path / "passwords"
    file.write_text(line.format(hash=hashed))
    with pytest.raises(StudioError) as caught:
        read_passwords(file)
    assert "secret" not in str(caught.value)


def test_a_password_in_the_environment_is_taken_out_of_it() -> None:
    environment = {"STUDIO_PASSWORD": PASSWORD}
    access = read_access(environment)
    assert environment == {} and access.knows("", PASSWORD)


def test_two_ways_in_at_once_are_refused() -> None:
    with pytest.raises(StudioError, match="Choose one"):
        read_access({"STUDIO_PASSWORD": PASSWORD}, {"invited": ["a@b.c"]})


@pytest.mark.parametrize("provider", [{}, {"invited": []}, {"invited": "a@b.c"}, {"invited": ["everybody"]}])
def test_a_provider_without_invitations_is_refused(provider: dict[str, object]) -> None:
    with pytest.raises(StudioError, match="invited"):
        read_access({}, provider)


def test_a_person_or_a_whole_domain_is_invited() -> None:
    access = read_access({}, {"invited": ["Anna@Example.org", "@here.org"]})
    assert not access.is_open
    for address in ("anna@example.org", "Ben@here.org"):
        assert access.is_invited(address, is_verified=True)
        assert not access.is_invited(address, is_verified=None)
        assert not access.is_invited(address, is_verified=False)
    for stranger in ("ben@example.org", "ben@there.org@evil.org", "", "x@not-here.org"):
        assert not access.is_invited(stranger, is_verified=True)
    trusting = read_access({}, {"invited": ["@here.org"], "trusts_silence": True})
    assert trusting.is_invited("a@here.org", is_verified=None) and not trusting.is_invited(
        "a@here.org", is_verified=False
    )


@pytest.mark.parametrize(
    ("host", "is_alone"),
    [
        ("127.0.0.1", True), ("127.3.2.1", True), ("localhost", True), ("::1", True), ("[::1]", True),
        ("0.0.0.0", False), ("::", False), ("192.168.1.5", False), ("localhost.evil.org", False), ("", False),
    ],
)  # fmt: skip
def test_only_this_machine_is_served_without_a_password(host: str, is_alone: bool, hashed: str) -> None:
    assert is_loopback(host) == is_alone
    refuse_open_door(host, Access({"": hashed}))
    if is_alone:
        refuse_open_door(host, Access())
    else:
        with pytest.raises(StudioError, match="STUDIO_PASSWORD"):
            refuse_open_door(host, Access())


def test_after_a_few_wrong_guesses_nobody_is_listened_to_for_a_while() -> None:
    now = [0.0]
    guesses = Guesses(clock=lambda: now[0])
    for _ in range(MAX_FAILURES):
        assert guesses.wait_seconds("a") == 0
        guesses.note("a")
        now[0] += 1
    assert guesses.wait_seconds("a") == WINDOW_SECONDS - MAX_FAILURES
    assert guesses.wait_seconds("b") == 0
    now[0] = WINDOW_SECONDS + 0.5
    assert guesses.wait_seconds("a") == 0
    guesses.forgive("a")
    assert guesses.wait_seconds("a") == 0


def test_guesses_from_many_addresses_are_slowed_down_too() -> None:
    guesses = Guesses(clock=lambda: 0.0, max_of_all=20)
    for number in range(20):
        guesses.note(str(number))
    assert guesses.wait_seconds("somebody else") > 0


def test_a_session_ends_when_it_is_forged_or_the_password_changes(hashed: str) -> None:
    sessions = Sessions(b"k" * 32, Access({"anna": hashed}))
    token = sessions.token("anna")
    assert sessions.person(token) == "anna"
    assert sessions.person(token[:-2]) is None
    assert sessions.person("") is None
    assert sessions.person(sessions.media_token("anna")) is None
    assert Sessions(b"x" * 32, sessions.access).person(token) is None
    assert Sessions(b"k" * 32, Access({"anna": hash_password("another one")})).person(token) is None
    assert sessions.person(sessions.token("ben")) is None
    assert sessions.media_person(sessions.media_token("anna")) == "anna"
    assert sessions.media_person(token) is None


def test_the_key_of_sessions_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    key = session_key(tmp_path)
    assert session_key(tmp_path) == key and len(key) == 32
    assert (tmp_path / "session.key").stat().st_mode & 0o077 == 0
    assert not list(tmp_path.glob(".session-*"))


def test_processes_that_start_together_sign_with_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(session_key, [tmp_path] * 64))
    assert len(keys) == 1 and len(keys.pop()) == 32


@pytest.mark.parametrize("left", [b"", b"half a key"])
def test_nothing_is_signed_with_a_key_that_was_cut_short(tmp_path: Path, left: bytes) -> None:
    (tmp_path / "session.key").write_bytes(left)
    with pytest.raises(StudioError, match="damaged"):
        session_key(tmp_path)


def test_everybody_has_a_folder_of_their_own_whatever_they_are_called(tmp_path: Path) -> None:
    names = ["anna", "ben", "../../etc", "a/b", "安娜"]
    homes = {home_of(name, tmp_path) for name in names}
    assert len(homes) == len(names) and home_of("", tmp_path) == tmp_path
    assert {home.parent for home in homes} == {tmp_path / "people"}
    assert {root_home(home) for home in (*homes, tmp_path)} == {tmp_path}
    assert set(homes_of_people(tmp_path)) == homes

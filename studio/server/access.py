"""Who may come in when the studio is served: nobody is asked on this machine alone, else a password or an OIDC provider."""

import hashlib
import hmac
import ipaddress
import re
import secrets
import time
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock

from encoders.atomic import atomic
from studio.errors import StudioError

PASSWORD_VARIABLE = "STUDIO_PASSWORD"
PASSWORD_FILE_VARIABLE = "STUDIO_PASSWORD_FILE"
MAX_PASSWORD_CHARACTERS = 1024
MIN_PASSWORD_CHARACTERS = 8
# scrypt (RFC 7914) at the cost that OWASP's Password Storage Cheat Sheet names: 128 MB would be n=2**17, this is its
# equal in strength with p=5 and 16 MB.
_N, _R, _P, _SALT_BYTES, _MEMORY = 2**14, 8, 5, 16, 64 * 2**20
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_HASH = re.compile(r"scrypt\$[0-9a-f]{32}\$[0-9a-f]{64}")
MAX_FAILURES, WINDOW_SECONDS = 5, 60.0
MAX_FAILURES_OF_ALL = 50
MAX_REMEMBERED = 10_000
KEY_BYTES = 32


@dataclass(frozen=True)
class Access:
    """Who may come in: those with a password, by their names ("" is the one person of a studio with one password), or
    whoever of `invited` a provider vouches for; with `trusts_silence` also if it does not say that it verified the address.
    """

    passwords: Mapping[str, str] = field(default_factory=dict)
    invited: tuple[str, ...] = ()
    trusts_silence: bool = False

    @property
    def is_open(self) -> bool:
        """Tell whether nobody is asked who they are."""
        return not self.passwords and not self.invited

    @property
    def has_names(self) -> bool:
        return bool(self.passwords.keys() - {""})

    def knows(self, name: str, password: str) -> bool:
        """Tell whether a password is a person's; it takes as long for a name that nobody has."""
        hashed = self.passwords.get(name)
        fits = check_password(password, hashed or _NOBODY)
        return fits and hashed is not None

    def is_invited(self, address: str, *, is_verified: object) -> bool:
        """Tell whether an e-mail address, or all of its domain (as "@example.org"), is let in; `is_verified` is what the
        provider says of it, or None.
        """
        address = address.strip().lower()
        is_sure = is_verified is True or (is_verified is None and self.trusts_silence)
        return (
            is_sure
            and bool(address)
            and any(address == one or (one.startswith("@") and address.endswith(one)) for one in self.invited)
        )

    def stamp(self, name: str) -> str | None:
        """Return what changes with a person's password, so that older sessions end; None for nobody."""
        hashed = self.passwords.get(name)
        return None if hashed is None else hashlib.sha256(hashed.encode()).hexdigest()[:16]


def read_access(environment: MutableMapping[str, str], provider: Mapping[str, object] | None = None) -> Access:
    """Return who may come in by the environment and the provider's section of the secrets; the password in plain is taken out.

    Raises StudioError for what cannot be meant.
    """
    password = environment.pop(PASSWORD_VARIABLE, "")
    file = environment.get(PASSWORD_FILE_VARIABLE, "")
    if bool(password) + bool(file) + (provider is not None) > 1:
        raise StudioError(
            f"Choose one: {PASSWORD_VARIABLE}, {PASSWORD_FILE_VARIABLE}, or the [auth] section of secrets.toml."
        )
    if provider is not None:
        return Access(invited=_invited(provider), trusts_silence=provider.get("trusts_silence") is True)
    if password:
        return Access({"": hash_password(password)})
    return Access(read_passwords(Path(file))) if file else Access()


def is_loopback(host: str) -> bool:
    """Tell whether an address is reached from this machine alone."""
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def refuse_open_door(host: str, access: Access) -> None:
    """Raise StudioError if anybody on the network could come in."""
    if access.is_open and not is_loopback(host):
        raise StudioError(
            f"At {host or 'every address'} everybody on the network could use the studio. Set {PASSWORD_VARIABLE}, or name a "
            "file of `studio password` with --password-file, or set up a provider in .streamlit/secrets.toml."
        )


def hash_password(password: str, *, salt: bytes | None = None) -> str:
    """Return what is kept of a password: nothing that leads back to it. Raises StudioError if it is too short or too long."""
    if not MIN_PASSWORD_CHARACTERS <= len(password) <= MAX_PASSWORD_CHARACTERS:
        raise StudioError(f"A password has {MIN_PASSWORD_CHARACTERS} to {MAX_PASSWORD_CHARACTERS} characters.")
    salt = salt or secrets.token_bytes(_SALT_BYTES)
    return f"scrypt${salt.hex()}${_digest(password, salt).hex()}"


def check_password(password: str, hashed: str) -> bool:
    """Compare a password with a hash, in a time that says nothing of how nearly it fits."""
    _, salt, digest = hashed.split("$")
    return hmac.compare_digest(_digest(password[:MAX_PASSWORD_CHARACTERS], bytes.fromhex(salt)), bytes.fromhex(digest))


def read_passwords(path: Path) -> dict[str, str]:
    """Read lines of `studio password`: NAME:HASH for each person, or one HASH alone; # begins a remark."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise StudioError(f"The password file {path} cannot be read.") from error
    found: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        name, _, hashed = line.rpartition(":")
        if (name and not _NAME.fullmatch(name)) or not _HASH.fullmatch(hashed) or name in found:
            raise StudioError(
                f"{path.name}, line {number}: wanted NAME:HASH as `studio password NAME` writes it, each name once."
            )
        found[name] = hashed
    if not found:
        raise StudioError(f"{path.name} holds no password. Write one with: studio password NAME >> {path.name}")
    return found


def password_line(name: str, password: str) -> str:
    """Return the line of a password file for a person."""
    if name and not _NAME.fullmatch(name):
        raise StudioError(
            "A name has up to 64 letters, digits, dots, dashes and @, and begins with a letter or a digit."
        )
    return f"{name}:{hash_password(password)}" if name else hash_password(password)


@dataclass
class Guesses:
    """How often somebody was wrong of late; more than a few times, and nobody is listened to for a while."""

    clock: Callable[[], float] = time.monotonic
    max_failures: int = MAX_FAILURES
    max_of_all: int = MAX_FAILURES_OF_ALL
    _failures: dict[str, list[float]] = field(default_factory=dict)

    def wait_seconds(self, who: str) -> float:
        """Return for how long an address is not listened to; 0 if it is."""
        now = self.clock()
        recent = self._recent(who, now)
        of_all = sorted(at for times in self._failures.values() for at in times if at > now - WINDOW_SECONDS)
        ends = [recent[-self.max_failures] + WINDOW_SECONDS] if len(recent) >= self.max_failures else []
        ends += [of_all[-self.max_of_all] + WINDOW_SECONDS] if len(of_all) >= self.max_of_all else []
        return max((end - now for end in ends), default=0.0)

    def note(self, who: str) -> None:
        """Count a guess before it is looked at, so that many at once are many."""
        now = self.clock()
        if len(self._failures) >= MAX_REMEMBERED:
            self._failures = {one: times for one, times in self._failures.items() if times[-1] > now - WINDOW_SECONDS}
        self._failures[who] = [*self._recent(who, now), now]

    def forgive(self, who: str) -> None:
        """Forget an address's guesses: it was right."""
        self._failures.pop(who, None)

    def _recent(self, who: str, now: float) -> list[float]:
        return [at for at in self._failures.get(who, ()) if at > now - WINDOW_SECONDS]


def session_key(home: Path) -> bytes:
    """Return the secret that sessions are signed with, made once, readable by its owner alone.

    It comes to its place whole, so that no second process reads, and signs with, half a key. Raises StudioError when
    the file there is no key of ours.
    """
    path = home / "session.key"
    with FileLock(home / "session.key.lock"):
        if not path.exists():
            with atomic(path, mode=0o600) as written:
                written.write_bytes(secrets.token_bytes(KEY_BYTES))
    key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise StudioError(f"{path} is damaged: delete it, and everybody signs in anew.")
    return key


def _digest(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=_N, r=_R, p=_P, maxmem=_MEMORY, dklen=32)


def _invited(provider: Mapping[str, object]) -> tuple[str, ...]:
    found = provider.get("invited")
    if (
        not isinstance(found, list | tuple)
        or not found
        or not all(isinstance(one, str) and "@" in one for one in found)
    ):
        raise StudioError(
            'A provider vouches for strangers too. Say who may come in, in secrets.toml: [studio] invited = ["anna@example.org", '
            '"@example.org"]'
        )
    return tuple(str(one).strip().lower() for one in found)


_NOBODY = f"scrypt${'0' * 32}${'0' * 64}"  # what the password of a name that nobody has is compared with

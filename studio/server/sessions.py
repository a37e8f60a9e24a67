"""Signed notes of who somebody is: in the cookie of a browser that gave its password, and in the addresses of media."""

import json
from dataclasses import dataclass

from itsdangerous import BadSignature, URLSafeTimedSerializer

from studio.server.access import Access

COOKIE = "studio_session"
KEEP_SECONDS = 7 * 24 * 3600
MEDIA_SECONDS = 24 * 3600


@dataclass(frozen=True)
class Sessions:
    """Makes and reads notes, signed with `key`."""

    key: bytes
    access: Access

    def token(self, name: str) -> str:
        """Return the note of a person who just gave their password; it ends with it, or after a week."""
        return self._signer("session").dumps([name, self.access.stamp(name)])

    def person(self, token: str) -> str | None:
        """Return whose note this is; None if it is forged, old, or of a password that has changed."""
        found = self._read("session", token, KEEP_SECONDS)
        if not isinstance(found, list) or len(found) != 2 or not isinstance(found[0], str):
            return None
        name, stamp = found
        return name if stamp is not None and stamp == self.access.stamp(name) else None

    def media_token(self, person: str) -> str:
        """Return what lets the pictures on a person's page be fetched where no cookie of ours tells who asks."""
        return self._signer("media").dumps(person)

    def media_person(self, token: str) -> str | None:
        """Return whose page a medium is fetched for."""
        found = self._read("media", token, MEDIA_SECONDS)
        return found if isinstance(found, str) else None

    def _signer(self, purpose: str) -> URLSafeTimedSerializer:
        return URLSafeTimedSerializer(self.key, salt=f"studio-{purpose}", serializer=json)

    def _read(self, purpose: str, token: str, seconds: int) -> object:
        try:
            return self._signer(purpose).loads(token, max_age=seconds)
        except BadSignature:
            return None

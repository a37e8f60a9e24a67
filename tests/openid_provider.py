"""A small OpenID provider on this machine: discovery, a page to sign in, tokens with a signed identity, its keys."""

import base64
import hashlib
import html
import json
import secrets
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, SECRET = "studio", "a secret of the studio and the provider"
KEY_BITS, KEEP_SECONDS = 2048, 300
SIGN_IN = (
    '<!doctype html><title>Provider</title><form method="post">{}'
    '<label>Address<input name="email"></label><button>Go on</button></form>'
)


@dataclass
class Provider:
    """Who asks is who they say they are. With `is_forging`, identities are signed with a key that is not the published one."""

    issuer: str
    redirect_uri: str
    is_forging: bool = False
    key: RSAKey = field(
        default_factory=lambda: RSAKey.generate_key(KEY_BITS, {"kid": "1", "use": "sig", "alg": "RS256"})
    )
    granted: dict[str, Mapping[str, str]] = field(default_factory=dict)  # by the code, what was asked with the address

    def discovery(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "code_challenge_methods_supported": ["S256"],
        }

    def grant(self, asked: Mapping[str, str]) -> str:
        """Return where the browser goes with a code. Raises PermissionError for a client that is not known."""
        if (asked["client_id"], asked["redirect_uri"], asked["response_type"]) != (CLIENT, self.redirect_uri, "code"):
            raise PermissionError
        if "openid" not in asked["scope"].split() or asked["code_challenge_method"] != "S256":
            raise PermissionError
        code = secrets.token_urlsafe()
        self.granted[code] = asked
        return f"{self.redirect_uri}?{urlencode({'code': code, 'state': asked['state']})}"

    def token(self, authorization: str, form: Mapping[str, str]) -> dict[str, Any]:
        """Take a code, once, from whoever has the secret and the verifier of the challenge. Raises PermissionError else."""
        asked = self.granted.pop(form["code"], None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).rstrip(b"=")
        known = "Basic " + base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        if asked is None or asked["code_challenge"] != challenge.decode() or authorization != known:
            raise PermissionError
        now = int(time.time())
        claims = {
            "iss": self.issuer, "sub": hashlib.sha256(asked["email"].encode()).hexdigest(), "aud": CLIENT,
            "iat": now, "exp": now + KEEP_SECONDS, "nonce": asked["nonce"], "email": asked["email"], "email_verified": True,
        }  # fmt: skip
        key = RSAKey.generate_key(KEY_BITS) if self.is_forging else self.key
        identity = jwt.encode({"alg": "RS256", "kid": "1"}, claims, key)
        return {
            "access_token": secrets.token_urlsafe(),
            "token_type": "Bearer",
            "expires_in": KEEP_SECONDS,
            "id_token": identity,
        }


@contextmanager
def providing(port: int, redirect_uri: str) -> Iterator[Provider]:
    """Have a provider answer at a port of this machine."""
    provider = Provider(f"http://127.0.0.1:{port}", redirect_uri)

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, _, query = self.path.partition("?")
            if path == "/.well-known/openid-configuration":
                self.tell(provider.discovery())
            elif path == "/jwks":
                self.tell({"keys": [provider.key.as_dict(private=False)]})
            elif path == "/authorize":
                asked = "".join(
                    f'<input type="hidden" name="{html.escape(name)}" value="{html.escape(value)}">'
                    for name, value in _fields(query).items()
                )
                self.send(200, SIGN_IN.format(asked).encode(), "text/html")
            else:
                self.send(404, b"", "text/plain")

        def do_POST(self) -> None:
            form = _fields(self.rfile.read(int(self.headers["Content-Length"])).decode())
            try:
                if urlsplit(self.path).path == "/token":
                    self.tell(provider.token(self.headers["Authorization"], form))
                else:
                    self.send(303, b"", "text/plain", Location=provider.grant(form))
            except (PermissionError, KeyError):
                self.send(400, b'{"error": "invalid_request"}', "application/json")

        def tell(self, told: Mapping[str, Any]) -> None:
            self.send(200, json.dumps(told).encode(), "application/json")

        def send(self, status: int, body: bytes, kind: str, **headers: str) -> None:
            self.send_response(status)
            for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Answer)
    thread = threading.Thread(target=server.serve_forever, name="provider")
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _fields(query: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(query).items()}

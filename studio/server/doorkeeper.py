"""What this process knows of who may come in: read once from its environment and its secrets."""

import os
from collections.abc import Mapping
from functools import cache

from studio.errors import StudioError
from studio.home import studio_home
from studio.server.access import PASSWORD_FILE_VARIABLE, read_access, session_key
from studio.server.sessions import Sessions
from studio.store import ADDRESS_VARIABLE


@cache
def sessions() -> Sessions:
    """Return who may come in, and the notes of who did. Raises StudioError for settings that cannot be meant."""
    access = read_access(os.environ, provider())
    if (access.has_names or access.invited) and os.environ.get(ADDRESS_VARIABLE):
        raise StudioError(
            f"People who share a studio have a database each, and {ADDRESS_VARIABLE} names one for all. Leave it out, or give "
            f"{PASSWORD_FILE_VARIABLE} one password without a name."
        )
    return Sessions(b"" if access.is_open else session_key(studio_home()), access)


def provider() -> Mapping[str, object] | None:
    """Return the [studio] section of the secrets if there is one beside [auth], which Streamlit's `st.login` reads: an [auth]
    alone is another program's.
    """
    import streamlit as st
    from streamlit.errors import StreamlitSecretNotFoundError

    try:
        if "auth" not in st.secrets or "studio" not in st.secrets:
            return None
        _check_provider(dict(st.secrets["auth"]))
        return dict(st.secrets["studio"])
    except StreamlitSecretNotFoundError:
        return None


def _check_provider(settings: Mapping[str, object]) -> None:
    from importlib.util import find_spec

    missing = [name for name in ("redirect_uri", "cookie_secret") if not settings.get(name)]
    if missing:
        raise StudioError(f"secrets.toml, [auth]: missing {' and '.join(missing)}. See Streamlit's page on st.login.")
    if find_spec("authlib") is None:
        raise StudioError("A provider needs Authlib: pip install 'multimodal-studio[oidc]'.")

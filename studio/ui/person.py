"""Whose page this is, and how they leave."""

import streamlit as st

from studio.server.access import Access
from studio.server.doorkeeper import sessions
from studio.server.gate import LOGIN, LOGOUT, MEDIA_TOKEN
from studio.server.sessions import COOKIE
from studio.ui.words import _


def person() -> str:
    """Return who looks at the page, "" where nobody is asked; the page ends here for whoever may not."""
    known = sessions()
    if known.access.is_open:
        return ""
    who = known.person(st.context.cookies.get(COOKIE, "")) if known.access.passwords else _vouched_for(known.access)
    if who is None:
        st.html(f'<p><a href="{LOGIN}" target="_self">{_("Sign in")}</a></p>')
        st.stop()
    return who


def is_shared() -> bool:
    """Tell whether people are let in from elsewhere: what is where on the server is then nobody's business on the pages."""
    return not sessions().access.is_open


def media_key() -> str:
    """Return what a medium's address needs at its end, where a provider, not a cookie of ours, says who asks."""
    known = sessions()
    if not known.access.invited:
        return ""
    if "media_token" not in st.session_state:  # one for a visit, so that a browser keeps what it has fetched
        st.session_state.media_token = known.media_token(person())
    return f"?{MEDIA_TOKEN}={st.session_state.media_token}"


def show_way_out() -> None:
    """Offer to sign out, where somebody signed in."""
    access = sessions().access
    if access.passwords:
        st.html(f'<p class="studio-note"><a href="{LOGOUT}" target="_self">{_("Sign out")}</a></p>')
    elif access.invited:
        st.button(_("Sign out"), key="sign-out", type="tertiary", on_click=st.logout)


def _vouched_for(access: Access) -> str:
    """Return the e-mail address that the provider vouches for, if it is invited."""
    if not st.user.is_logged_in:
        st.button(_("Sign in"), key="sign-in", type="primary", on_click=st.login)
        st.stop()
    address = str(st.user.get("email") or "").strip().lower()
    if not access.is_invited(address, is_verified=st.user.get("email_verified")):
        st.warning(_("You are not invited to this studio. Ask whoever runs it."), icon=":material/lock:")
        st.button(_("Sign out"), key="sign-out-stranger", on_click=st.logout)
        st.stop()
    return address

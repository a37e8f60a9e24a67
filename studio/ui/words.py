"""The pages' words in the reader's language: English as it is written, others from the catalogues in `locale/`."""

import gettext
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path

import streamlit as st

from studio.ui.catalogue import translations

LOCALES = Path(__file__).with_name("locale")


_spoken: ContextVar[str | None] = ContextVar("spoken", default=None)


def language() -> str:
    """Return the language that the browser asks for, as "zh-CN"; English where it says nothing."""
    return _spoken.get() or st.context.locale or "en"


@contextmanager
def speaking(name: str) -> Iterator[None]:
    """Say all in a language that was asked for before: where a page no longer runs, no browser is there to be asked."""
    token = _spoken.set(name)
    try:
        yield
    finally:
        _spoken.reset(token)


def _(message: str) -> str:
    """Return a message in the reader's language."""
    return in_language(message, language())


def in_language(message: str, name: str) -> str:
    """Return a message in a language named as "zh-CN"; any name may come from outside."""
    return _translations(_short(name)).gettext(message)


def reads_english() -> bool:
    """Tell whether the reader sees the messages as they are written here."""
    return _short(language()) == "en"


def N_(message: str) -> str:
    """Mark a message that is translated where it is shown."""
    return message


def _short(name: str) -> str:
    short = name.partition("-")[0].lower()
    return short if short in _languages() else "en"


@cache
def _languages() -> frozenset[str]:
    return frozenset(path.stem.partition("_")[0].lower() for path in LOCALES.glob("*.po"))


@cache
def _translations(language_name: str) -> gettext.NullTranslations:
    for path in LOCALES.glob(f"{language_name}*.po"):
        return translations(path)
    return gettext.NullTranslations()

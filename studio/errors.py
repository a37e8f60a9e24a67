"""The error meant for the person at the screen: what happened, and what to do about it."""

from collections.abc import Mapping


class StudioError(Exception):
    """Say in one or two sentences what was wrong and what to do; shown as it is, without a traceback.

    What `studio.faults` knows has a code and the values that its sentence tells, so that a page may translate it.
    """

    def __init__(self, message: str, *, code: str = "", values: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.values = dict(values or {})


class Cancelled(Exception):
    """Raised inside a running job, from its step callback, once the person asked it to stop."""

"""The error meant for the person at the screen: what happened, and what to do about it."""


class StudioError(Exception):
    """Say in one or two sentences what was wrong and what to do; shown as it is, without a traceback."""


class Cancelled(Exception):
    """Raised inside a running job, from its step callback, once the person asked it to stop."""

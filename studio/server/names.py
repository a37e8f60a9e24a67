"""What people who are let in see of the server's paths: the last name of each."""

import re
from pathlib import PurePosixPath

_PATH = re.compile(r"""(?<![\w/.~-])(?!//)~?/(?:[^/\s'"<>|]+/)*[^/\s'"<>|]*""")


def names_alone(text: str) -> str:
    """Return a text with the last name in the place of each absolute path; addresses and hub ids (owner/name) stay."""
    return _PATH.sub(lambda path: PurePosixPath(path[0]).name or path[0], text)

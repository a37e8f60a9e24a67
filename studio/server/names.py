"""What people who are let in see of the server's paths: the last name of each."""

import re
from pathlib import PurePosixPath

_START = r"(?:(?<!\w)file://|(?<![\w/.~-])(?!//))~?/"
_FOLDER = r"""(?:[^/\s'"<>|]+|[\w.()+-]+(?: [\w.()+-]+){1,4})/"""  # a name may hold a few spaces where a slash follows
_PATH = re.compile(rf"""{_START}(?:{_FOLDER})*[^/\s'"<>|]*""")


def names_alone(text: str) -> str:
    """Return a text with the last name in the place of each absolute path; addresses and hub ids (owner/name) stay."""
    return _PATH.sub(lambda path: PurePosixPath(path[0]).name or path[0], text)

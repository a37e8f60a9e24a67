"""A catalogue of translations: a gettext PO file, read as it is, without a compiled copy beside it."""

import ast
import gettext
import io
import re
import struct
from collections.abc import Mapping
from pathlib import Path

_MAGIC, _HEADER_BYTES = 0x950412DE, 28  # of the MO format (GNU gettext manual, "The Format of GNU MO Files")
_LINE = re.compile(r'(?:(msgid|msgstr)\s+)?(".*")')


def read_catalogue(path: Path) -> dict[str, str]:
    """Return every message of a PO file with its translation; the header is under "". Raises ValueError for an odd line."""
    found: dict[str, str] = {}
    message, keyword = "", ""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        matched = _LINE.fullmatch(line.strip())
        if matched is None:
            raise ValueError(f"{path.name}, line {number}: wanted msgid, msgstr or a text in quotes, got {line!r}.")
        keyword = matched[1] or keyword
        text: str = ast.literal_eval(matched[2])
        if keyword == "msgstr":
            found[message] = found.get(message, "") + text
        elif matched[1]:
            message = text
        else:
            message += text
    return found


def translations(path: Path) -> gettext.GNUTranslations:
    """Return the translations of a PO file; messages without one stay as they are."""
    return gettext.GNUTranslations(io.BytesIO(_compiled({k: v for k, v in read_catalogue(path).items() if v})))


def _compiled(messages: Mapping[str, str]) -> bytes:
    """Write messages as gettext's own reader takes them (MO)."""
    pairs = sorted((message.encode(), text.encode()) for message, text in messages.items())
    originals, texts = _HEADER_BYTES, _HEADER_BYTES + 8 * len(pairs)
    header = struct.pack("<7I", _MAGIC, 0, len(pairs), originals, texts, 0, texts + 8 * len(pairs))
    place, body, tables = texts + 8 * len(pairs), b"", b""
    for column in (0, 1):
        for pair in pairs:
            tables += struct.pack("<2I", len(pair[column]), place + len(body))
            body += pair[column] + b"\0"
    return header + tables + body

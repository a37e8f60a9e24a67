"""Finding a conversation by words that were said in it."""

import json

from studio.store import Store

ESCAPE = "\\"


def conversations_with(store: Store, text: str) -> frozenset[str]:
    """Return the conversations in whose title or messages a text occurs, in any case of Latin letters."""
    written = _like(json.dumps(text.strip())[1:-1])  # messages are kept as JSON, in which most letters stand as codes
    rows = store.rows(
        f"SELECT conversation AS id FROM messages WHERE LOWER(content) LIKE LOWER(?) ESCAPE '{ESCAPE}' "
        f"UNION SELECT id FROM conversations WHERE LOWER(title) LIKE LOWER(?) ESCAPE '{ESCAPE}'",
        written,
        _like(text.strip()),
    )
    return frozenset(row["id"] for row in rows)


def _like(text: str) -> str:
    for sign in (ESCAPE, "%", "_"):
        text = text.replace(sign, ESCAPE + sign)
    return f"%{text}%"

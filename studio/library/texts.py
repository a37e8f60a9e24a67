"""Words about media: captions, tags, names and prompts, found by full-text search."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from studio.store import Store

KINDS = ("caption", "tag", "name", "prompt")
# Scripts written without spaces: each sign becomes a word, and a run of them is searched as a phrase.
_SIGN = re.compile(r"([\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff])")
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class TextRecord:
    """A text about a medium; `source` is who wrote it: "person", "file", "recipe", or a model's name."""

    media: str
    kind: str
    text: str
    source: str


class Texts:
    """The words of one library."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def add(self, media: str, kind: str, text: str, *, source: str) -> None:
        """Say something about a medium; what was said already stays as it is."""
        if kind not in KINDS:
            raise ValueError(f"A text about a medium is one of {', '.join(KINDS)}; got {kind!r}.")
        text = text.strip()
        if not text:
            return
        with self.store.transaction() as database:
            database.execute(
                "INSERT INTO texts (media, kind, text, words, source) VALUES (?, ?, ?, ?, ?) "
                "ON CONFLICT (media, kind, text) DO NOTHING",
                (media, kind, text, search_words(text), source),
            )

    def remove(self, media: str, kind: str, text: str) -> bool:
        """Take back what was said; return whether it had been."""
        with self.store.transaction() as database:
            query = "DELETE FROM texts WHERE media = ? AND kind = ? AND text = ?"
            return database.execute(query, (media, kind, text.strip())).rowcount > 0

    def of(self, media: str) -> list[TextRecord]:
        rows = self.store.rows("SELECT * FROM texts WHERE media = ? ORDER BY kind, id", media)
        return [TextRecord(row["media"], row["kind"], row["text"], row["source"]) for row in rows]

    def tags(self) -> dict[str, int]:
        """Return every tag with the number of media that have it, the most frequent first."""
        rows = self.store.rows(
            "SELECT text, COUNT(*) AS number FROM texts WHERE kind = 'tag' GROUP BY text ORDER BY number DESC, text"
        )
        return {row["text"]: row["number"] for row in rows}

    def matching(self, query: str, *, limit: int, every: bool = False) -> list[tuple[str, float]]:
        """Return media whose texts hold any (or every) word of the query, with a rank that is higher for better ones.

        The best text of a medium counts; with `every`, one text must hold all words.
        """
        phrases = _phrases(query)
        if not phrases:
            return []
        if self.store.dialect == "sqlite":
            rows = self.store.rows(
                # A bare column beside MIN() comes from the row of the least, in SQLite; bm25 is lower for better.
                "SELECT texts.media AS media, MIN(texts_found.rank) AS number FROM texts_found "
                "JOIN texts ON texts.id = texts_found.rowid WHERE texts_found MATCH ? "
                "GROUP BY texts.media ORDER BY number, media LIMIT ?",
                (" AND " if every else " OR ").join(phrases),
                limit,
            )
            return [(row["media"], -row["number"]) for row in rows]
        rows = self.store.rows(
            "SELECT media, MAX(ts_rank(to_tsvector('simple', words), asked)) AS number "
            "FROM texts, websearch_to_tsquery('simple', ?) AS asked WHERE to_tsvector('simple', words) @@ asked "
            "GROUP BY media ORDER BY number DESC, media LIMIT ?",
            (" " if every else " or ").join(phrases),
            limit,
        )
        return [(row["media"], row["number"]) for row in rows]


def search_words(text: str) -> str:
    """Return a text as full-text search reads it."""
    return " ".join(_SIGN.sub(r" \1 ", text).split())


def _phrases(query: str) -> Sequence[str]:
    """Return the words of a query in quotes, so that none of them is taken for an operator."""
    return [f'"{search_words(word)}"' for word in _WORD.findall(query)]

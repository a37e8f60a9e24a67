"""Conversations kept in the database: listed, reopened, renamed, deleted."""

import json
import re
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from studio.errors import StudioError
from studio.faults import fault
from studio.notices import Notice
from studio.store import Row, Store

TITLE_CHARACTERS = 60
UNTITLED = "New conversation"

Content = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class ConversationRecord:
    """A line of the history list."""

    id: str
    title: str
    preset: str
    updated: float


@dataclass(frozen=True)
class Message:
    """One message; `job` ties a request to its reply.

    Content parts: {"type": "text", "text"}, {"type": "image" | "audio" | "video", "media": ID}; until the
    worker has read it, {"type": "upload", "upload": ID, "name", "modality"}; {"type": "notice", "text", "code", "values"} is
    for the person only, {"type": "tokens", "ids"} for the model only.
    """

    role: str
    content: Content
    job: str


class History:
    """The conversations of one studio."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def create(self, preset: str) -> ConversationRecord:
        record = ConversationRecord(uuid.uuid4().hex, UNTITLED, preset, time.time())
        with self.store.transaction() as database:
            database.execute(
                "INSERT INTO conversations VALUES (?, ?, ?, ?, ?)",
                (record.id, record.title, record.preset, record.updated, record.updated),
            )
        return record

    def get(self, conversation: str) -> ConversationRecord:
        row = self.store.row("SELECT * FROM conversations WHERE id = ?", conversation)
        if row is None:
            raise fault("unknown-conversation")
        return _record(row)

    def recent(self, *, limit: int = 50) -> list[ConversationRecord]:
        """Return conversations that hold a message, the one last used first."""
        rows = self.store.rows(
            "SELECT * FROM conversations WHERE id IN (SELECT conversation FROM messages) ORDER BY updated DESC LIMIT ?",
            limit,
        )
        return [_record(row) for row in rows]

    def messages(self, conversation: str) -> list[Message]:
        rows = self.store.rows("SELECT * FROM messages WHERE conversation = ? ORDER BY id", conversation)
        return [Message(row["role"], json.loads(row["content"]), row["job"]) for row in rows]

    def turns(self, conversation: str) -> list[tuple[Message, Message]]:
        """Return the requests that got a reply, each with it: what a model should be told happened so far."""
        messages = self.messages(conversation)
        replies = {message.job: message for message in messages if message.role == "assistant"}
        return [(asked, replies[asked.job]) for asked in messages if asked.role == "user" and asked.job in replies]

    def append(self, conversation: str, role: str, content: Content, *, job: str) -> None:
        """Add a message; the first text of a conversation becomes its title."""
        now = time.time()
        with self.store.transaction() as database:
            database.execute(
                "INSERT INTO messages (conversation, role, content, job, created) VALUES (?, ?, ?, ?, ?)",
                (conversation, role, json.dumps(list(content)), job, now),
            )
            database.execute("UPDATE conversations SET updated = ? WHERE id = ?", (now, conversation))
            title = _title(content)
            if title:
                database.execute(
                    "UPDATE conversations SET title = ? WHERE id = ? AND title = ?", (title, conversation, UNTITLED)
                )

    def replace_request(self, job: str, content: Content) -> None:
        """Put the media of the store in the place of the uploads that came with a request."""
        with self.store.transaction() as database:
            database.execute(
                "UPDATE messages SET content = ? WHERE job = ? AND role = 'user'", (json.dumps(list(content)), job)
            )

    def add_notices(self, job: str, notices: Sequence[Notice]) -> None:
        """Tell the person something more about a reply, if it is still there."""
        query = "SELECT content FROM messages WHERE job = ? AND role = 'assistant'"
        with self.store.transaction() as database:
            row = database.execute(query, (job,)).fetchone()
            if row is not None and notices:
                content = [*json.loads(row["content"]), *({"type": "notice", **one.to_dict()} for one in notices)]
                database.execute(
                    "UPDATE messages SET content = ? WHERE job = ? AND role = 'assistant'", (json.dumps(content), job)
                )

    def request(self, job: str) -> Message:
        """Return the person's message that a job answers."""
        row = self.store.row("SELECT * FROM messages WHERE job = ? AND role = 'user'", job)
        if row is None:
            raise StudioError("The conversation of this request was deleted.")
        return Message(row["role"], json.loads(row["content"]), row["job"])

    def delete(self, conversation: str) -> None:
        """Delete a conversation and its messages; files stay in the media folder, their recipes keep them findable."""
        with self.store.transaction() as database:
            database.execute("DELETE FROM conversations WHERE id = ?", (conversation,))


def _record(row: Row) -> ConversationRecord:
    return ConversationRecord(row["id"], row["title"], row["preset"], row["updated"])


def _title(content: Content) -> str:
    text = " ".join(part["text"] for part in content if part["type"] == "text")
    text = re.sub(r"\s+", " ", text).strip()
    return text if len(text) <= TITLE_CHARACTERS else text[: TITLE_CHARACTERS - 1].rstrip() + "…"

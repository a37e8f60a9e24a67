"""Branches of a conversation: everything up to a request taken over into a new one, in which it is said otherwise."""

import json
import uuid
from collections.abc import Sequence

from studio.conversation.ask import Upload, ask, spool_file
from studio.conversation.history import Content, History
from studio.faults import fault
from studio.jobs.queue import Job, JobQueue, JobState
from studio.media_store import MediaStore
from studio.options import ReplyOptions
from studio.store import Store, Transaction


def branch(store: Store, *, conversation: str, job: str, text: str, options: ReplyOptions) -> Job:
    """Say `text` in the place of the request that `job` answers, in a new conversation that holds what was said before.

    What was attached to the request goes along. The conversation itself stays as it is.
    """
    history, media = History(store), MediaStore(store)
    turns = history.turns(conversation)
    earlier = []
    for asked, answered in turns:
        if asked.job == job:
            break
        earlier.append((asked, answered))
    uploads = _uploads(media, history.request(job).content)
    with store.transaction() as database:
        record = history.create(history.get(conversation).preset)
        for asked, answered in earlier:
            copy = _copy_job(database, JobQueue(store).get(asked.job), record.id)
            history.append(record.id, "user", asked.content, job=copy)
            history.append(record.id, "assistant", answered.content, job=copy)
        return ask(store, conversation=record.id, text=text, uploads=uploads, options=options)


def words_of(content: Content) -> str:
    """Return what a request says, without what it shows."""
    return "\n".join(part["text"] for part in content if part["type"] == "text")


def _uploads(media: MediaStore, content: Content) -> Sequence[Upload]:
    if any(part["type"] == "upload" for part in content):
        raise fault("still-reading")
    return [spool_file(media, media.path(part["media"])) for part in content if "media" in part]


def _copy_job(database: Transaction, job: Job, conversation: str) -> str:
    """Write a finished job down once more, for a conversation that takes its reply over; return its id."""
    copy = uuid.uuid4().hex
    database.execute(
        "INSERT INTO jobs (position, id, kind, payload, state, attempts, result, created, finished) "
        "SELECT (SELECT MAX(position) + 1 FROM jobs), ?, kind, ?, ?, attempts, result, created, finished "
        "FROM jobs WHERE id = ?",
        (copy, json.dumps({**job.payload, "conversation": conversation}), JobState.DONE, job.id),
    )
    return copy

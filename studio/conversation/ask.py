"""Asking: write a request down as a message and a job, and see that a worker is there to answer it."""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

from studio.conversation.history import History
from studio.errors import StudioError
from studio.faults import fault
from studio.jobs.queue import Job, JobEvent, JobQueue
from studio.jobs.worker import ensure_worker
from studio.media_store import MediaStore
from studio.options import ReplyOptions
from studio.store import Store

MAX_CHARACTERS = 4000
MAX_ATTACHMENTS = 8
MAX_NAME_CHARACTERS = 80
POLL_SECONDS = 0.1
LOOK_FOR_WORKER_SECONDS = 2.0


@dataclass(frozen=True)
class Upload:
    """A file the person attached, spooled but not yet read; the name is only ever shown.

    `modality` is what the person said it holds, or None to go by its content.
    """

    id: str
    name: str
    modality: str | None = None


def ask(
    store: Store,
    *,
    conversation: str,
    text: str,
    uploads: Sequence[Upload] = (),
    options: ReplyOptions,
) -> Job:
    """Add the request to the conversation and queue its reply, in one transaction."""
    text = text.strip()
    if not text and not uploads:
        raise fault("nothing-said")
    if len(text) > MAX_CHARACTERS:
        raise fault("long-message", limit=MAX_CHARACTERS, count=len(text))
    if len(uploads) > MAX_ATTACHMENTS:
        raise fault("many-files", limit=MAX_ATTACHMENTS, count=len(uploads))
    content: list[dict[str, str | None]] = [
        {"type": "upload", "upload": upload.id, "name": _short(upload.name), "modality": upload.modality}
        for upload in uploads
    ]
    if text:
        content.append({"type": "text", "text": text})
    history = History(store)
    job_id = uuid.uuid4().hex
    with store.transaction():
        preset = history.get(conversation).preset
        history.append(conversation, "user", content, job=job_id)
        return JobQueue(store).submit(
            "chat", {"conversation": conversation, "preset": preset, "options": options.to_dict()}, job_id=job_id
        )


def _short(name: str) -> str:
    """Return the end of a long name: it says what kind of file it is."""
    return name if len(name) <= MAX_NAME_CHARACTERS else "…" + name[1 - MAX_NAME_CHARACTERS :]


def spool_file(media: MediaStore, path: Path) -> Upload:
    """Spool a file from this machine, for a request."""
    try:
        with path.open("rb") as file:
            return Upload(media.spool(file), path.name)
    except OSError as error:
        raise StudioError(f"Cannot read {path}: {(error.strerror or 'unreadable').lower()}.") from error


def watch(store: Store, job_id: str, *, preset: str) -> Iterator[JobEvent]:
    """Yield the job's events until it has ended, seeing to it that a worker is alive all the while."""
    queue = JobQueue(store)
    last_event, last_look = 0, -LOOK_FOR_WORKER_SECONDS
    while True:
        is_final = queue.get(job_id).state.is_final
        for event in queue.events(job_id, after=last_event):
            last_event = event.id
            yield event
        if is_final:
            return
        if monotonic() - last_look >= LOOK_FOR_WORKER_SECONDS:
            ensure_worker(store.home, preset=preset)
            last_look = monotonic()
        sleep(POLL_SECONDS)

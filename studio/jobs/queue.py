"""The job queue: work is written down first, done by one worker under a lease, and survives any interruption."""

import json
import time
import uuid
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Any

from studio.errors import Cancelled
from studio.faults import FAULTS, fault
from studio.store import Row, Store, Transaction

LEASE_SECONDS = 30.0
# A job that was interrupted runs again once; interrupted twice, it is taken to be what brings the worker down.
MAX_ATTEMPTS = 2
# A person may try again so often; what fails each time needs another request.
MAX_RETRIES = 5
KEEP_EVENTS_SECONDS = 24 * 3600.0
PAUSED = "paused"


class LeaseLost(Exception):
    """Raised when another worker has taken the job over: whatever this one still does must not count."""


class Leaving(Exception):
    """Raised when the worker is asked to end: the job goes back to the queue as if it had not been begun."""


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        return self not in (JobState.QUEUED, JobState.RUNNING)


class Priority(IntEnum):
    """What comes first: what a person waits for, then what they asked to be made, then what can wait."""

    LATER = 0
    USUAL = 1
    FIRST = 2


PRIORITIES: Mapping[str, Priority] = {
    "chat": Priority.FIRST,
    "search": Priority.FIRST,
    "check": Priority.FIRST,
    "take-in": Priority.LATER,
}


@dataclass(frozen=True)
class Job:
    """One piece of work as it stands; `result` once done, `error` (for the person) once failed."""

    id: str
    kind: str
    payload: Mapping[str, Any]
    state: JobState
    attempts: int
    cancel_requested: bool
    result: Mapping[str, Any] | None
    error: str | None
    priority: int = Priority.USUAL
    retries: int = 0
    meant_for: str | None = None
    is_confined: bool = False


@dataclass(frozen=True)
class JobEvent:
    """Something a running job reported; ids grow, so a reader asks for what came after the last one it saw."""

    id: int
    kind: str
    data: Mapping[str, Any]
    created: float = 0.0


class JobQueue:
    """Jobs in the database. Any process may submit, watch, cancel and pause; a worker claims, under its name if it has one.

    What a confined one submits may name only what its person is offered.
    """

    def __init__(
        self,
        store: Store,
        *,
        lease_seconds: float = LEASE_SECONDS,
        clock: Callable[[], float] = time.time,
        is_leaving: Callable[[], bool] = lambda: False,
        worker: str = "",
        is_confined: bool = False,
    ) -> None:
        self.store = store
        self.worker = worker
        self.is_confined = is_confined
        self.lease_seconds = lease_seconds
        self.clock = clock
        self.is_leaving = is_leaving

    def submit(
        self,
        kind: str,
        payload: Mapping[str, Any],
        *,
        job_id: str | None = None,
        priority: Priority | None = None,
        worker: str | None = None,
    ) -> Job:
        """Write a job down, in its kind's place in the queue if none is given; with `worker`, for the worker of that name alone.

        Inside a transaction it becomes part of that.
        """
        job_id = job_id or uuid.uuid4().hex
        if priority is None:
            priority = PRIORITIES.get(kind, Priority.USUAL)
        with self.store.transaction() as database:
            database.execute(
                "INSERT INTO jobs (position, id, kind, payload, state, created, priority, meant_for, "
                "is_confined) VALUES ((SELECT COALESCE(MAX(position), 0) + 1 FROM jobs), ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(job_id, kind, json.dumps(payload), JobState.QUEUED, self.clock(), int(priority)),
                    *(worker, int(self.is_confined)),
                ),
            )
        return self.get(job_id)

    def get(self, job_id: str) -> Job:
        row = self.store.row("SELECT * FROM jobs WHERE id = ?", job_id)
        if row is None:
            raise fault("unknown-job")
        return _job(row)

    def events(self, job_id: str, *, after: int = 0) -> list[JobEvent]:
        """Return what the job reported after event `after`, oldest first."""
        rows = self.store.rows("SELECT * FROM events WHERE job = ? AND id > ? ORDER BY id", job_id, after)
        return [JobEvent(row["id"], row["kind"], json.loads(row["data"]), row["created"]) for row in rows]

    def preview(self, job_id: str, slot: int) -> bytes | None:
        """Return the newest preview (PNG) of the job's output number `slot`, if it has one."""
        row = self.store.row("SELECT png FROM previews WHERE job = ? AND slot = ?", job_id, slot)
        return None if row is None else bytes(row["png"])

    def cancel(self, job_id: str) -> Job:
        """Ask for an end: a waiting job ends here, a running one at its next step, a finished one stays as it is."""
        with self.store.transaction() as database:
            database.execute(
                "UPDATE jobs SET state = ?, finished = ? WHERE id = ? AND state = ?",
                (JobState.CANCELLED, self.clock(), job_id, JobState.QUEUED),
            )
            database.execute(
                "UPDATE jobs SET cancel_requested = 1 WHERE id = ? AND state = ?", (job_id, JobState.RUNNING)
            )
        return self.get(job_id)

    def cancel_all(self) -> int:
        """Ask for an end of everything that waits or runs; return how much that was."""
        with self.store.transaction() as database:
            waiting = database.execute(
                "UPDATE jobs SET state = ?, finished = ? WHERE state = ?",
                (JobState.CANCELLED, self.clock(), JobState.QUEUED),
            ).rowcount
            running = database.execute(
                "UPDATE jobs SET cancel_requested = 1 WHERE state = ?", (JobState.RUNNING,)
            ).rowcount
        return waiting + running

    def cancel_orphans(self, workers: Collection[str]) -> None:
        """End what waits for a worker that is none of these: it would wait for ever."""
        rows = self.store.rows(
            "SELECT id, meant_for FROM jobs WHERE state = ? AND meant_for IS NOT NULL", JobState.QUEUED
        )
        for row in rows:
            if row["meant_for"] not in workers:
                self.cancel(row["id"])

    def pause(self) -> None:
        """Begin no new work until `resume`; what runs goes on to its end."""
        with self.store.transaction() as database:
            database.execute(
                "INSERT INTO settings VALUES (?, ?) ON CONFLICT (name) DO NOTHING", (PAUSED, str(self.clock()))
            )

    def resume(self) -> None:
        """Go on after `pause`."""
        with self.store.transaction() as database:
            database.execute("DELETE FROM settings WHERE name = ?", (PAUSED,))

    @property
    def is_paused(self) -> bool:
        return self.store.row("SELECT 1 FROM settings WHERE name = ?", PAUSED) is not None

    def counts(self) -> Mapping[JobState, int]:
        """Return how many jobs wait and how many run."""
        rows = self.store.rows(
            "SELECT state, COUNT(*) AS number FROM jobs WHERE state IN (?, ?) GROUP BY state",
            JobState.QUEUED,
            JobState.RUNNING,
        )
        return {JobState.QUEUED: 0, JobState.RUNNING: 0} | {JobState(row["state"]): row["number"] for row in rows}

    def retry(self, job_id: str) -> Job:
        """Queue a failed or cancelled job again, with the same payload and so the same seeds, up to MAX_RETRIES times."""
        if self.get(job_id).retries >= MAX_RETRIES:
            raise fault("often-tried", limit=MAX_RETRIES)
        with self.store.transaction() as database:
            changed = database.execute(
                "UPDATE jobs SET state = ?, attempts = 0, cancel_requested = 0, error = NULL, finished = NULL, "
                "retries = retries + 1, position = (SELECT MAX(position) + 1 FROM jobs) WHERE id = ? AND state IN (?, ?)",
                (JobState.QUEUED, job_id, JobState.FAILED, JobState.CANCELLED),
            ).rowcount
            if changed:
                database.execute("DELETE FROM events WHERE job = ?", (job_id,))
        job = self.get(job_id)
        if not changed:
            raise fault("not-failed")
        return job

    def claim(self) -> "Lease | None":
        """Take the oldest waiting job of those that come first and are not another worker's, or None.

        What an earlier attempt reported is forgotten.
        """
        self.reclaim()
        token = uuid.uuid4().hex
        now = self.clock()
        with self.store.transaction() as database:
            row = database.execute(
                "UPDATE jobs SET state = ?, attempts = attempts + 1, lease = ?, lease_until = ?, worker = ? "
                "WHERE position = (SELECT position FROM jobs WHERE state = ? AND COALESCE(meant_for, ?) = ? "
                "ORDER BY priority DESC, position LIMIT 1) "
                "AND NOT EXISTS (SELECT 1 FROM settings WHERE name = ?) RETURNING *",
                (
                    *(JobState.RUNNING, token, now + self.lease_seconds, self.worker),
                    *(JobState.QUEUED, self.worker, self.worker, PAUSED),
                ),
            ).fetchone()
            if row is None:
                return None
            database.execute("DELETE FROM events WHERE job = ?", (row["id"],))
            database.execute("DELETE FROM previews WHERE job = ?", (row["id"],))
        lease = Lease(self, _job(row), token)
        lease.emit("started", attempt=lease.job.attempts)
        return lease

    def reclaim(self, *, worker_is_gone: bool = False) -> int:
        """Put interrupted jobs back in the queue; return how many.

        With `worker_is_gone`, whoever worked under this one's name has died, and its jobs' leases need not end first.
        """
        now = self.clock()
        expired = "state = ? AND ((? AND COALESCE(worker, '') = ?) OR lease_until < ?)"
        which = (JobState.RUNNING, worker_is_gone, self.worker, now)
        with self.store.transaction() as database:
            database.execute(
                f"UPDATE jobs SET state = ?, lease = NULL, finished = ? WHERE cancel_requested = 1 AND {expired}",
                (JobState.CANCELLED, now, *which),
            )
            database.execute(
                f"UPDATE jobs SET state = ?, lease = NULL, finished = ?, error = ? WHERE attempts >= ? AND {expired}",
                (JobState.FAILED, now, FAULTS["interrupted"], MAX_ATTEMPTS, *which),
            )
            return database.execute(
                f"UPDATE jobs SET state = ?, lease = NULL WHERE {expired}", (JobState.QUEUED, *which)
            ).rowcount

    def has_work(self) -> bool:
        """Tell whether there is something for a worker to do."""
        counts = self.counts()
        return counts[JobState.RUNNING] > 0 or (counts[JobState.QUEUED] > 0 and not self.is_paused)

    def forget_old_events(self) -> None:
        """Drop the events of jobs that ended long ago; their results stay."""
        with self.store.transaction() as database:
            database.execute(
                "DELETE FROM events WHERE job IN (SELECT id FROM jobs WHERE finished < ?)",
                (self.clock() - KEEP_EVENTS_SECONDS,),
            )


class Lease:
    """The right to run one job; every write checks that it still holds, so no job is ever finished twice."""

    def __init__(self, queue: JobQueue, job: Job, token: str) -> None:
        self.queue = queue
        self.job = job
        self._token = token

    def renew(self) -> None:
        """Hold the job for another while; called from a heartbeat while it runs."""
        with self.queue.store.transaction() as database:
            self._hold(database)
            database.execute(
                "UPDATE jobs SET lease_until = ? WHERE lease = ?",
                (self.queue.clock() + self.queue.lease_seconds, self._token),
            )

    def check(self) -> None:
        """Raise Cancelled if the person asked for an end, LeaseLost if the job is no longer ours, Leaving if this worker is to
        end; for every step.
        """
        row = self.queue.store.row("SELECT cancel_requested FROM jobs WHERE lease = ?", self._token)
        if row is None:
            raise LeaseLost
        if row["cancel_requested"]:
            raise Cancelled
        if self.queue.is_leaving():
            raise Leaving

    def emit(self, kind: str, **data: Any) -> None:
        """Report something to whoever watches."""
        with self.queue.store.transaction() as database:
            self._hold(database)
            database.execute(
                "INSERT INTO events (job, kind, data, created) VALUES (?, ?, ?, ?)",
                (self.job.id, kind, json.dumps(data), self.queue.clock()),
            )

    def show_preview(self, slot: int, png: bytes) -> None:
        """Keep the newest preview of output number `slot`."""
        with self.queue.store.transaction() as database:
            self._hold(database)
            database.execute(
                "INSERT INTO previews VALUES (?, ?, ?) ON CONFLICT (job, slot) DO UPDATE SET png = excluded.png",
                (self.job.id, slot, png),
            )

    def finish(self, result: Mapping[str, Any], *, record: Callable[[], None] = lambda: None) -> None:
        """End the job well; what `record` writes to the same store is kept if and only if the job counts as done."""
        with self.queue.store.transaction() as database:
            self._hold(database)
            record()
            self._end(database, JobState.DONE, result=json.dumps(result))

    def fail(self, message: str) -> None:
        """End the job with a message for the person."""
        with self.queue.store.transaction() as database:
            self._hold(database)
            self._end(database, JobState.FAILED, error=message)

    def stop(self) -> None:
        """End the job because the person asked for it."""
        with self.queue.store.transaction() as database:
            self._hold(database)
            self._end(database, JobState.CANCELLED)

    def give_back(self) -> None:
        """Let go of the job in its place in the queue; this attempt does not count."""
        with self.queue.store.transaction() as database:
            self._hold(database)
            database.execute(
                "UPDATE jobs SET state = ?, attempts = attempts - 1, lease = NULL WHERE lease = ?",
                (JobState.QUEUED, self._token),
            )
            database.execute("DELETE FROM previews WHERE job = ?", (self.job.id,))

    def _hold(self, database: Transaction) -> None:
        if database.execute("SELECT 1 FROM jobs WHERE lease = ?", (self._token,)).fetchone() is None:
            raise LeaseLost

    def _end(
        self, database: Transaction, state: JobState, *, result: str | None = None, error: str | None = None
    ) -> None:
        database.execute(
            "UPDATE jobs SET state = ?, lease = NULL, result = ?, error = ?, finished = ? WHERE lease = ?",
            (state, result, error, self.queue.clock(), self._token),
        )
        database.execute("DELETE FROM previews WHERE job = ?", (self.job.id,))


def _job(row: Row) -> Job:
    return Job(
        id=row["id"],
        kind=row["kind"],
        payload=json.loads(row["payload"]),
        state=JobState(row["state"]),
        attempts=row["attempts"],
        cancel_requested=bool(row["cancel_requested"]),
        result=None if row["result"] is None else json.loads(row["result"]),
        error=row["error"],
        priority=row["priority"],
        retries=row["retries"],
        meant_for=row["meant_for"],
        is_confined=bool(row["is_confined"]),
    )

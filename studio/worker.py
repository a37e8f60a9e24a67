"""The worker: the one process that owns the models and works through the queue (`python -m studio.worker`)."""

import argparse
import logging
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from filelock import FileLock, Timeout

from studio.background import start_apart
from studio.errors import Cancelled, StudioError
from studio.home import studio_home
from studio.jobs import JobQueue, Lease, LeaseLost
from studio.media_store import MediaStore
from studio.store import Store

LOCK_NAME = "worker.lock"
LOG_NAME = "worker.log"
IDLE_SECONDS = 300.0
POLL_SECONDS = 0.05
# A starter holds the lock for an instant while it looks whether somebody else does.
LOCK_PATIENCE_SECONDS = 2.0

JobKind = Callable[[Lease], None]

logger = logging.getLogger(__name__)


def ensure_worker(home: Path, *, preset: str = "tiny") -> bool:
    """Start a worker for this home unless one is running; return whether one was started."""
    lock = FileLock(home / LOCK_NAME)
    try:
        with lock.acquire(blocking=False):
            pass
    except Timeout:
        return False
    start_apart("studio.worker", "--home", str(home), "--preset", preset, log=home / LOG_NAME)
    return True


def work(
    store: Store,
    kinds: Mapping[str, JobKind],
    *,
    idle_seconds: float = IDLE_SECONDS,
    prepare: Callable[[], None] = lambda: None,
) -> None:
    """Run jobs until none came for `idle_seconds`; return at once when another worker holds this home's lock.

    `prepare` runs first, under the lock. Holding the lock proves that whoever ran a job before is gone, so its jobs
    return to the queue without waiting for their leases.
    """
    try:
        with FileLock(store.home / LOCK_NAME).acquire(timeout=LOCK_PATIENCE_SECONDS):
            queue = JobQueue(store)
            queue.reclaim(worker_is_gone=True)
            queue.forget_old_events()
            MediaStore(store).forget_old_uploads()
            prepare()
            idle_since = time.monotonic()
            while time.monotonic() - idle_since < idle_seconds:
                lease = queue.claim()
                if lease is None:
                    time.sleep(POLL_SECONDS)
                    continue
                run_job(lease, kinds)
                idle_since = time.monotonic()
    except Timeout:
        logger.info("Another worker is running; nothing to do.")


def run_job(lease: Lease, kinds: Mapping[str, JobKind]) -> None:
    """Run one job to one of its ends; a job kind finishes its own lease when all went well."""
    with _Heartbeat(lease):
        try:
            try:
                kind = kinds.get(lease.job.kind)
                if kind is None:
                    raise StudioError(f"This version cannot do {lease.job.kind!r} work. Update the program.")
                lease.check()
                kind(lease)
            except Cancelled:
                lease.stop()
            except (StudioError, ValueError) as error:
                logger.info("Job %s: %s", lease.job.id, error)
                lease.fail(str(error))
            except MemoryError:
                lease.fail("There is not enough memory for this. Ask for less at once, or close other programs.")
            except LeaseLost:
                raise
            except Exception:
                logger.exception("Job %s failed", lease.job.id)
                lease.fail(f"Something went wrong inside the studio. The details are in {LOG_NAME} in its folder.")
        except LeaseLost:
            logger.warning("Job %s was taken over by another worker.", lease.job.id)


class _Heartbeat:
    """Renew a lease in the background for as long as its job runs."""

    def __init__(self, lease: Lease) -> None:
        self._lease = lease
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="lease", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _beat(self) -> None:
        while not self._stop.wait(self._lease.queue.lease_seconds / 4):
            try:
                self._lease.renew()
            except LeaseLost:
                return


def main() -> None:
    parser = argparse.ArgumentParser(description="Answer the studio's queued requests.")
    parser.add_argument("--home", help="the studio's folder")
    parser.add_argument("--preset", default="tiny", help="the preset to have ready")
    parser.add_argument("--idle-seconds", type=float, default=IDLE_SECONDS, help="stop after so long without work")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")

    from studio.answer import Answerer
    from studio.creating import Creator
    from studio.finding import Finder
    from studio.lab_job import LabWork
    from studio.models import OneModel
    from studio.training_plan import check_data

    store = Store(studio_home(arguments.home))
    models = OneModel()
    answerer = Answerer(store, models=models)
    creator = Creator(store, models=models, replay_reply=answerer.replay)
    finder = Finder(store, preset=arguments.preset)
    work(
        store,
        {**answerer.kinds(), **creator.kinds(), **finder.kinds(), **LabWork(store).kinds(), "check": check_data},
        idle_seconds=arguments.idle_seconds,
        prepare=lambda: answerer.prepare(arguments.preset),
    )


if __name__ == "__main__":
    main()

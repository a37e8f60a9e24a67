"""The worker: the one process that owns the models and works through the queue (`python -m studio.worker`)."""

import argparse
import logging
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType

from filelock import FileLock, Timeout

from studio.background import start_apart
from studio.errors import Cancelled, StudioError
from studio.home import studio_home
from studio.jobs import JobQueue, Lease, LeaseLost, Leaving
from studio.media_store import MediaStore
from studio.store import Store

LOCK_NAME = "worker.lock"
LOG_NAME = "worker.log"
IDLE_SECONDS = 300.0
POLL_SECONDS = 0.05
# A starter holds the lock for an instant while it looks whether somebody else does.
LOCK_PATIENCE_SECONDS = 2.0
GRACE_SECONDS = 10.0  # for a worker that is asked to leave: a step, or the part of a model that is being read

JobKind = Callable[[Lease], None]

logger = logging.getLogger(__name__)
_started: dict[Path, "subprocess.Popen[bytes]"] = {}  # the workers that this process started, by their homes


def ensure_worker(home: Path, *, preset: str = "tiny") -> bool:
    """Start a worker for this home unless one is running; return whether one was started."""
    ours = _started.get(home)
    if ours is not None and ours.poll() is None:
        return False
    lock = FileLock(home / LOCK_NAME)
    try:
        with lock.acquire(blocking=False):
            pass
    except Timeout:
        return False
    _started[home] = start_apart("studio.worker", "--home", str(home), "--preset", preset, log=home / LOG_NAME)
    return True


def stop_worker(home: Path, *, grace_seconds: float = GRACE_SECONDS) -> None:
    """End the worker that this process started for a home, if it runs: at its next step, or by force after the grace.

    What it was doing goes back to the queue, and is done from the beginning by whoever works there next.
    """
    ours = _started.pop(home, None)
    if ours is None or ours.poll() is not None:
        return
    ours.terminate()
    try:
        ours.wait(grace_seconds)
    except subprocess.TimeoutExpired:
        ours.kill()
        ours.wait()


class Orders:
    """What a worker was told by SIGTERM: to leave, at once while it is idle, else at the next step of its job."""

    def __init__(self) -> None:
        self.is_told_to_leave = False
        self.is_busy = False

    def obey(self) -> None:
        """Listen to the signal from now on; for the main thread of a process."""
        signal.signal(signal.SIGTERM, self._leave)

    def _leave(self, number: int, frame: FrameType | None) -> None:
        self.is_told_to_leave = True
        if not self.is_busy:
            raise SystemExit(0)


def work(
    store: Store,
    kinds: Mapping[str, JobKind],
    *,
    idle_seconds: float = IDLE_SECONDS,
    prepare: Callable[[], None] = lambda: None,
    orders: Orders | None = None,
) -> None:
    """Run jobs until none came for `idle_seconds`; return at once when another worker holds this home's lock.

    `prepare` runs first, under the lock. Holding the lock proves that whoever ran a job before is gone, so its jobs
    return to the queue without waiting for their leases.
    """
    orders = orders or Orders()
    try:
        with FileLock(store.home / LOCK_NAME).acquire(timeout=LOCK_PATIENCE_SECONDS):
            queue = JobQueue(store, is_leaving=lambda: orders.is_told_to_leave)
            queue.reclaim(worker_is_gone=True)
            queue.forget_old_events()
            MediaStore(store).forget_old_uploads()
            prepare()
            idle_since = time.monotonic()
            while time.monotonic() - idle_since < idle_seconds and not orders.is_told_to_leave:
                orders.is_busy = True
                lease = queue.claim()
                if lease is not None:
                    run_job(lease, kinds)
                    idle_since = time.monotonic()
                orders.is_busy = False
                if lease is None and not orders.is_told_to_leave:
                    time.sleep(POLL_SECONDS)
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
            except Leaving:
                lease.give_back()
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
    orders = Orders()
    orders.obey()

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
        orders=orders,
    )


if __name__ == "__main__":
    main()

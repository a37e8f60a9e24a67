"""The worker: the one process that owns the models and works through the queue (`python -m studio.jobs.worker`)."""

import argparse
import logging
import os
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from filelock import FileLock, Timeout

from studio.background import start_apart
from studio.errors import Cancelled, StudioError
from studio.faults import fault
from studio.home import homes_of_people, root_home, studio_home
from studio.jobs.queue import JobQueue, Lease, LeaseLost, Leaving
from studio.media_store import MediaStore
from studio.store import Store

LOCK_NAME = "worker.lock"
LOG_NAME = "worker.log"
LOOK_FOR_DESKS_SECONDS = 1.0
GPUS_VARIABLE = "STUDIO_GPUS"
IDLE_SECONDS = 300.0
POLL_SECONDS = 0.05
# A starter holds the lock for an instant while it looks whether somebody else does.
LOCK_PATIENCE_SECONDS = 2.0
GRACE_SECONDS = 10.0  # for a worker that is asked to leave: a step, or the part of a model that is being read

JobKind = Callable[[Lease], None]

logger = logging.getLogger(__name__)
# The workers that this process started, by their homes and names.
_started: dict[tuple[Path, str], "subprocess.Popen[bytes]"] = {}


def ensure_worker(home: Path, *, preset: str = "tiny") -> bool:
    """Start the workers of this home that do not run, one for each graphics processor named by STUDIO_GPUS, else one in all.

    The home may be that of one of several people: the worker is everybody's. Return whether any was started.
    """
    home = root_home(home)
    started = [_ensure(home, name, preset) for name in worker_names()]
    return any(started)


def worker_names() -> tuple[str, ...]:
    """Return the names of the workers that there should be: the numbers of the graphics processors, or "" for the one."""
    return tuple(os.environ.get(GPUS_VARIABLE, "").split(","))


def lock_name(name: str) -> str:
    """Return the file that a worker holds while it runs."""
    return f"worker-{name}.lock" if name else LOCK_NAME


def _ensure(home: Path, name: str, preset: str) -> bool:
    ours = _started.get((home, name))
    if ours is not None and ours.poll() is None:
        return False
    try:
        with FileLock(home / lock_name(name)).acquire(blocking=False):
            pass
    except Timeout:
        return False
    options = ["--home", str(home), "--preset", preset, *(("--gpu", name) if name else ())]
    _started[home, name] = start_apart("studio.jobs.worker", *options, log=home / LOG_NAME)
    return True


def stop_workers(home: Path, *, grace_seconds: float = GRACE_SECONDS) -> None:
    """End the workers that this process started for a home: at their next step, or by force after the grace.

    What they were doing goes back to the queue, and is done from the beginning by whoever works there next.
    """
    ours = [_started.pop(key) for key in tuple(_started) if key[0] == home]
    for process in ours:
        process.terminate()
    until = time.monotonic() + grace_seconds
    for process in ours:
        try:
            process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


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


@dataclass(frozen=True)
class Desk:
    """A database with a queue, and what can be done for it; everybody who shares a studio has one."""

    store: Store
    kinds: Mapping[str, JobKind]


def work(
    store: Store,
    kinds: Mapping[str, JobKind],
    *,
    idle_seconds: float = IDLE_SECONDS,
    prepare: Callable[[], None] = lambda: None,
    orders: Orders | None = None,
    name: str = "",
    others: Callable[[], Iterable[Desk]] = lambda: (),
) -> None:
    """Run jobs until none came for `idle_seconds`; return at once when another worker holds this home's lock.

    `prepare` runs first, under the lock. Holding the lock proves that whoever ran a job before is gone, so its jobs
    return to the queue without waiting for their leases. `others` are looked for again and again; between the desks it goes
    by turns, so that nobody waits for all that somebody else has asked for.
    """
    orders = orders or Orders()
    try:
        with FileLock(store.home / lock_name(name)).acquire(timeout=LOCK_PATIENCE_SECONDS):
            desks = _Desks(Desk(store, kinds), others, orders, name)
            prepare()
            idle_since = time.monotonic()
            while time.monotonic() - idle_since < idle_seconds and not orders.is_told_to_leave:
                orders.is_busy = True
                found = desks.claim()
                if found is not None:
                    run_job(*found)
                    idle_since = time.monotonic()
                orders.is_busy = False
                if found is None and not orders.is_told_to_leave:
                    time.sleep(POLL_SECONDS)
    except Timeout:
        logger.info("Another worker is running; nothing to do.")


class _Desks:
    """The desks in the order of their turns."""

    def __init__(self, first: Desk, others: Callable[[], Iterable[Desk]], orders: Orders, name: str) -> None:
        self._others = others
        self._orders = orders
        self._name = name
        self._turns: deque[tuple[JobQueue, Mapping[str, JobKind]]] = deque()
        self._known: set[Path] = set()
        self._looked = time.monotonic()
        self._open(first)
        self._look()

    def claim(self) -> tuple[Lease, Mapping[str, JobKind]] | None:
        """Take a job from the next desk that has one."""
        if time.monotonic() - self._looked > LOOK_FOR_DESKS_SECONDS:
            self._look()
        for _ in range(len(self._turns)):
            queue, kinds = self._turns[0]
            self._turns.rotate(-1)
            lease = queue.claim()
            if lease is not None:
                return lease, kinds
        return None

    def _look(self) -> None:
        self._looked = time.monotonic()
        for desk in self._others():
            if desk.store.home not in self._known:
                self._open(desk)

    def _open(self, desk: Desk) -> None:
        self._known.add(desk.store.home)
        queue = JobQueue(desk.store, is_leaving=lambda: self._orders.is_told_to_leave, worker=self._name)
        queue.reclaim(worker_is_gone=True)
        queue.forget_old_events()
        MediaStore(desk.store).forget_old_uploads()
        self._turns.append((queue, desk.kinds))


def run_job(lease: Lease, kinds: Mapping[str, JobKind]) -> None:
    """Run one job to one of its ends; a job kind finishes its own lease when all went well."""
    from studio.jobs.confined import check_names

    with _Heartbeat(lease):
        try:
            try:
                kind = kinds.get(lease.job.kind)
                if kind is None:
                    raise fault("unknown-work", kind=lease.job.kind)
                lease.check()
                check_names(lease.job, lease.queue.store)
                kind(lease)
            except Cancelled:
                lease.stop()
            except (StudioError, ValueError) as error:
                logger.info("Job %s: %s", lease.job.id, error)
                _fail(lease, error)
            except MemoryError:
                _fail(lease, fault("memory"))
            except Leaving:
                lease.give_back()
            except LeaseLost:
                raise
            except Exception:
                logger.exception("Job %s failed", lease.job.id)
                _fail(lease, fault("inside", log=LOG_NAME))
        except LeaseLost:
            logger.warning("Job %s was taken over by another worker.", lease.job.id)


def _fail(lease: Lease, error: Exception) -> None:
    """End a job with its reason; one that is known by a code is told so, too, for pages in other languages."""
    if isinstance(error, StudioError) and error.code:
        lease.emit("fault", code=error.code, values=error.values)
    lease.fail(str(error))


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
    parser.add_argument("--gpu", default="", help="the number of the graphics processor that is this worker's own")
    arguments = parser.parse_args()
    if arguments.gpu:
        os.environ["CUDA_VISIBLE_DEVICES"] = arguments.gpu  # before anything asks for devices
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    orders = Orders()
    orders.obey()

    from studio.jobs.answer import Answerer
    from studio.jobs.creating import Creator
    from studio.jobs.finding import Finder
    from studio.jobs.importing import import_checkpoint
    from studio.jobs.lab import LabWork
    from studio.models.in_memory import OneModel
    from studio.models.loaded import note_loaded
    from studio.models.training_plan import check_data

    home = studio_home(arguments.home)
    models = OneModel(note=note_loaded(home, worker=arguments.gpu))

    def desk(one: Path) -> Desk:
        store = Store(one)
        answerer = Answerer(store, models=models)
        creator = Creator(store, models=models, replay_reply=answerer.replay)
        kinds = {
            **answerer.kinds(),
            **creator.kinds(),
            **Finder(store, preset=arguments.preset).kinds(),
            **LabWork(store).kinds(),
            "check": check_data,
            "import": import_checkpoint,
        }
        return Desk(store, kinds)

    desks: dict[Path, Desk] = {}

    def others() -> Iterable[Desk]:
        for one in homes_of_people(home):
            if one not in desks:
                desks[one] = desk(one)
            yield desks[one]

    first = desk(home)
    work(
        first.store,
        first.kinds,
        idle_seconds=arguments.idle_seconds,
        prepare=lambda: Answerer(first.store, models=models).prepare(arguments.preset),
        orders=orders,
        name=arguments.gpu,
        others=others,
    )


if __name__ == "__main__":
    main()

"""The queue: leases, cancelling, trying again, and work that survives its worker."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from studio.errors import Cancelled, StudioError
from studio.jobs.queue import MAX_RETRIES, JobQueue, JobState, Lease, LeaseLost, Priority
from studio.jobs.worker import run_job, work
from studio.store import Store

ROOT = Path(__file__).resolve().parents[3]


class Clock:
    """A clock that stands still until it is told the time."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def queue(tmp_path: Path, clock: Clock) -> JobQueue:
    return JobQueue(Store(tmp_path), lease_seconds=30, clock=clock)


def claimed(queue: JobQueue) -> Lease:
    lease = queue.claim()
    assert lease is not None
    return lease


def test_jobs_are_claimed_in_the_order_they_came_and_only_once(queue: JobQueue) -> None:
    first, second = queue.submit("count", {"to": 1}), queue.submit("count", {"to": 2})
    assert [claimed(queue).job.id, claimed(queue).job.id] == [first.id, second.id]
    assert queue.claim() is None


def test_a_finished_job_keeps_its_result_and_its_events_are_read_from_where_one_left_off(queue: JobQueue) -> None:
    job = queue.submit("count", {})
    lease = claimed(queue)
    lease.emit("text", text="one")
    seen = queue.events(job.id)[-1].id
    lease.emit("text", text="two")
    lease.finish({"total": 2})
    assert queue.get(job.id).result == {"total": 2}
    assert [event.data["text"] for event in queue.events(job.id, after=seen)] == ["two"]


def test_an_interrupted_job_runs_again_only_after_its_lease_and_only_once(queue: JobQueue, clock: Clock) -> None:
    job = queue.submit("count", {})
    dead = claimed(queue)
    dead.emit("text", text="half")
    clock.now += 29
    assert queue.claim() is None
    clock.now += 2
    again = claimed(queue)
    assert (again.job.id, again.job.attempts) == (job.id, 2)
    assert [event.kind for event in queue.events(job.id)] == ["started"]
    assert queue.claim() is None


def test_a_worker_that_comes_back_too_late_can_write_nothing(queue: JobQueue, clock: Clock) -> None:
    job = queue.submit("count", {})
    late = claimed(queue)
    clock.now += 31
    again = claimed(queue)
    recorded: list[str] = []
    attempts: tuple[Callable[[], None], ...] = (
        lambda: late.emit("text", text="late"),
        lambda: late.finish({}, record=lambda: recorded.append("late")),
        lambda: late.fail("late"),
        late.renew,
        late.check,
    )
    for attempt in attempts:
        with pytest.raises(LeaseLost):
            attempt()
    again.finish({"by": "second"})
    assert (recorded, queue.get(job.id).result) == ([], {"by": "second"})


def test_renewing_holds_the_lease(queue: JobQueue, clock: Clock) -> None:
    queue.submit("count", {})
    lease = claimed(queue)
    for _ in range(4):
        clock.now += 20
        lease.renew()
        assert queue.claim() is None


def test_a_job_interrupted_twice_fails_with_advice(queue: JobQueue, clock: Clock) -> None:
    job = queue.submit("count", {})
    for _ in range(2):
        claimed(queue)
        clock.now += 31
    assert queue.claim() is None
    assert queue.get(job.id).state == JobState.FAILED
    assert "Try again" in (queue.get(job.id).error or "")


def test_what_finish_records_is_kept_only_with_the_job(queue: JobQueue) -> None:
    job = queue.submit("count", {})
    lease = claimed(queue)

    def record() -> None:
        queue.submit("follow", {})
        raise RuntimeError("the disk is full")

    with pytest.raises(RuntimeError):
        lease.finish({}, record=record)
    assert queue.get(job.id).state == JobState.RUNNING
    assert queue.claim() is None


def test_cancelling_ends_a_waiting_job_at_once_and_a_running_one_at_its_next_step(queue: JobQueue) -> None:
    waiting = queue.submit("count", {})
    assert queue.cancel(waiting.id).state == JobState.CANCELLED
    running = queue.submit("count", {})

    def count(lease: Lease) -> None:
        lease.check()
        queue.cancel(running.id)
        with pytest.raises(Cancelled):
            lease.check()
        lease.check()
        pytest.fail("the job went on")

    run_job(claimed(queue), {"count": count})
    assert queue.get(running.id).state == JobState.CANCELLED


def test_cancelling_a_job_whose_worker_died_ends_it(queue: JobQueue, clock: Clock) -> None:
    job = queue.submit("count", {})
    claimed(queue)
    queue.cancel(job.id)
    clock.now += 31
    assert queue.claim() is None
    assert queue.get(job.id).state == JobState.CANCELLED


def test_a_failed_or_cancelled_job_can_be_tried_again_and_a_finished_one_not(queue: JobQueue) -> None:
    job = queue.submit("count", {})
    queue.cancel(job.id)
    assert queue.retry(job.id).state == JobState.QUEUED
    claimed(queue).fail("no")
    assert queue.retry(job.id).error is None
    claimed(queue).finish({})
    with pytest.raises(StudioError, match="failed or was stopped"):
        queue.retry(job.id)


def test_a_job_is_tried_again_only_so_often(queue: JobQueue) -> None:
    job = queue.submit("count", {})
    for _ in range(MAX_RETRIES):
        queue.cancel(job.id)
        queue.retry(job.id)
    queue.cancel(job.id)
    with pytest.raises(StudioError, match="tried again"):
        queue.retry(job.id)
    assert queue.get(job.id).state == JobState.CANCELLED


def test_what_a_person_waits_for_comes_first_and_the_rest_in_its_order(queue: JobQueue) -> None:
    kinds = ("take-in", "create", "lab", "chat", "search")
    for kind in kinds:
        queue.submit(kind, {})
    queue.submit("create", {"urgent": True}, priority=Priority.FIRST)
    taken = [claimed(queue).job for _ in range(len(kinds) + 1)]
    assert [job.kind for job in taken] == ["chat", "search", "create", "create", "lab", "take-in"]
    assert taken[2].payload == {"urgent": True}


def test_a_job_that_runs_again_keeps_its_place(queue: JobQueue, clock: Clock) -> None:
    job = queue.submit("chat", {})
    queue.submit("chat", {})
    claimed(queue)
    clock.now += 31
    assert claimed(queue).job.id == job.id


def test_a_paused_queue_begins_nothing_and_finishes_what_runs(queue: JobQueue) -> None:
    running, waiting = queue.submit("count", {}), queue.submit("count", {})
    lease = claimed(queue)
    queue.pause()
    queue.pause()
    assert (queue.is_paused, queue.claim()) == (True, None)
    assert queue.has_work()
    lease.finish({})
    assert not queue.has_work()
    assert JobQueue(Store(queue.store.home)).is_paused, "a restart leaves it paused"
    queue.resume()
    assert queue.has_work()
    assert claimed(queue).job.id == waiting.id
    assert queue.get(running.id).state == JobState.DONE


def test_all_is_cancelled_at_once_and_what_has_ended_stays(queue: JobQueue) -> None:
    jobs = [queue.submit("count", {}) for _ in range(4)]
    claimed(queue).finish({})
    lease = claimed(queue)
    assert queue.counts() == {JobState.QUEUED: 2, JobState.RUNNING: 1}
    assert queue.cancel_all() == 3
    with pytest.raises(Cancelled):
        lease.check()
    lease.stop()
    assert [queue.get(job.id).state for job in jobs] == [JobState.DONE, *[JobState.CANCELLED] * 3]
    assert queue.cancel_all() == 0


def test_a_worker_takes_back_its_own_jobs_and_not_those_of_another_that_lives(queue: JobQueue, clock: Clock) -> None:
    first, second = (JobQueue(queue.store, clock=clock, worker=name) for name in ("0", "1"))
    jobs = [queue.submit("count", {}) for _ in range(2)]
    leases = [claimed(first), claimed(second)]
    assert JobQueue(queue.store, clock=clock, worker="0").reclaim(worker_is_gone=True) == 1
    assert [queue.get(job.id).state for job in jobs] == [JobState.QUEUED, JobState.RUNNING]
    with pytest.raises(LeaseLost):
        leases[0].check()
    leases[1].check()


def test_previews_are_replaced_and_go_when_the_job_ends(queue: JobQueue) -> None:
    job = queue.submit("count", {})
    lease = claimed(queue)
    lease.show_preview(0, b"first")
    lease.show_preview(0, b"second")
    assert (queue.preview(job.id, 0), queue.preview(job.id, 1)) == (b"second", None)
    lease.finish({})
    assert queue.preview(job.id, 0) is None


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (StudioError("Attach it again."), "Attach it again."),
        (ValueError("13 is too many."), "13 is too many."),
        (MemoryError(), "not enough memory"),
        (RuntimeError("/secret/path"), "Something went wrong inside the studio"),
    ],
)
def test_an_error_becomes_a_message_of_our_own(queue: JobQueue, error: Exception, message: str) -> None:
    job = queue.submit("break", {})

    def fail(lease: Lease) -> None:
        raise error

    run_job(claimed(queue), {"break": fail})
    assert queue.get(job.id).state == JobState.FAILED
    assert message in (queue.get(job.id).error or "")
    assert "/secret" not in (queue.get(job.id).error or "")


def test_work_of_an_unknown_kind_fails_with_advice(queue: JobQueue) -> None:
    job = queue.submit("dance", {})
    run_job(claimed(queue), {})
    assert "Update the program" in (queue.get(job.id).error or "")


def test_the_worker_stops_when_idle_and_does_not_run_beside_another(queue: JobQueue) -> None:
    job = queue.submit("count", {})
    done: list[str] = []

    def count(lease: Lease) -> None:
        work(Store(queue.store.home), {"count": lambda inner: done.append("stolen")}, idle_seconds=0.1)
        done.append(lease.job.id)
        lease.finish({})

    work(queue.store, {"count": count}, idle_seconds=0.1)
    assert done == [job.id]


def wait_for(condition: Callable[[], bool], *, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)


def start_worker(home: Path) -> subprocess.Popen[bytes]:
    """Start a worker whose one kind of work writes a line, waits for a file, writes another."""
    script = """
        import sys, time
        from pathlib import Path
        from studio.store import Store
        from studio.jobs.worker import work

        home = Path(sys.argv[1])

        def slow(lease):
            with (home / "lines").open("a") as lines:
                lines.write(f"begun {lease.job.attempts}\\n")
            while not (home / "go").exists():
                lease.check()
                time.sleep(0.01)
            lease.finish({"attempt": lease.job.attempts})

        work(Store(home), {"slow": slow}, idle_seconds=20)
    """
    return subprocess.Popen([sys.executable, "-c", textwrap.dedent(script), str(home)], cwd=ROOT)


def test_a_job_whose_worker_is_killed_runs_again_exactly_once(tmp_path: Path) -> None:
    queue = JobQueue(Store(tmp_path))
    job = queue.submit("slow", {})
    lines = tmp_path / "lines"
    first = start_worker(tmp_path)
    wait_for(lines.exists)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    assert queue.get(job.id).state == JobState.RUNNING
    second = start_worker(tmp_path)
    try:
        wait_for(lambda: lines.read_text().count("begun") == 2)
        (tmp_path / "go").touch()
        wait_for(lambda: queue.get(job.id).state == JobState.DONE)
        time.sleep(0.2)
        assert queue.get(job.id).result == {"attempt": 2}
        assert lines.read_text() == "begun 1\nbegun 2\n"
    finally:
        second.kill()
        second.wait()


def test_a_running_job_of_another_process_can_be_cancelled(tmp_path: Path) -> None:
    queue = JobQueue(Store(tmp_path))
    job = queue.submit("slow", {})
    worker = start_worker(tmp_path)
    try:
        wait_for((tmp_path / "lines").exists)
        queue.cancel(job.id)
        wait_for(lambda: queue.get(job.id).state == JobState.CANCELLED)
    finally:
        worker.kill()
        worker.wait()

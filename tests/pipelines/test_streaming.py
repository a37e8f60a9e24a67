"""Work that reports events, as an iterator over them."""

import threading
from collections.abc import Callable

import pytest

from pipelines.decoders.base import Cancelled
from pipelines.streaming import iterate


def test_events_come_one_by_one_and_the_work_waits_for_its_turn() -> None:
    log: list[str] = []

    def work(report: Callable[[int], None]) -> None:
        for number in range(3):
            log.append(f"made {number}")
            report(number)

    for number in iterate(work):
        log.append(f"used {number}")
    assert log == ["made 0", "used 0", "made 1", "used 1", "made 2", "used 2"]


def test_nothing_runs_before_the_first_event_is_asked_for() -> None:
    log: list[str] = []
    events = iterate(lambda report: log.append("ran"))
    assert log == []
    assert list(events) == []
    assert log == ["ran"]


def test_closing_raises_out_of_the_report_and_waits_for_the_work_to_unwind() -> None:
    unwound: list[str] = []

    def work(report: Callable[[int], None]) -> None:
        try:
            report(1)
        except Cancelled:
            unwound.append("cancelled")
            raise

    before = threading.active_count()
    events = iterate(work)
    assert next(events) == 1
    events.close()  # type: ignore[attr-defined]
    assert unwound == ["cancelled"]
    assert threading.active_count() == before


def test_what_the_work_raises_is_raised_to_the_reader() -> None:
    def work(report: Callable[[int], None]) -> None:
        report(1)
        raise KeyError("lost")

    events = iterate(work)
    assert next(events) == 1
    with pytest.raises(KeyError, match="lost"):
        next(events)

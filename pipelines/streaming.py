"""A callback turned inside out: work that reports events becomes an iterator over them."""

import threading
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import TypeVar

from pipelines.decoders.base import Cancelled

T = TypeVar("T")


def iterate(work: Callable[[Callable[[T], None]], object]) -> Iterator[T]:
    """Run `work(report)` in a thread and yield what it reports.

    The work stands still at each report until the next event is asked for, so only one side ever runs. Closing the
    iterator raises Cancelled out of the report, and returns when the work has unwound. What the work raises is raised
    here.
    """
    turns: SimpleQueue[bool] = SimpleQueue()  # to the work: go on (True) or stop (False)
    events: SimpleQueue[tuple[T] | BaseException | None] = SimpleQueue()  # from the work; None is its end

    def report(event: T) -> None:
        events.put((event,))
        if not turns.get():
            raise Cancelled

    def run() -> None:
        try:
            if turns.get():
                work(report)
            events.put(None)
        except BaseException as error:
            events.put(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    going = True
    try:
        while going:
            turns.put(True)
            event = events.get()
            if isinstance(event, tuple):
                yield event[0]
                continue
            going = False
            if event is not None:
                raise event
    finally:
        if going:
            turns.put(False)
        thread.join()

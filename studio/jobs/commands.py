"""`studio queue ...`: what is under way and what waits; pause it, go on, stop all of it."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from studio.home import studio_home
from studio.terminal import Terminal

if TYPE_CHECKING:
    from studio.jobs.queue import JobQueue

Home = Annotated[Path | None, typer.Option("--home", help="The studio's folder.", envvar="STUDIO_HOME")]


def queue_app(helpful: Callable[[Callable[..., Any]], Callable[..., Any]]) -> typer.Typer:
    """Return the commands; `helpful` turns errors meant for a person into a line."""
    app = typer.Typer(help="Look at the work under way; pause it, go on, stop all of it.", no_args_is_help=True)
    for name, command in (("show", show), ("pause", pause), ("resume", resume), ("stop", stop)):
        app.command(name)(helpful(command))
    return app


def show(home: Home = None) -> None:
    """Say how much is under way and how much waits."""
    from studio.jobs.queue import JobState

    queue = _queue(home)
    counts = queue.counts()
    state = " The queue is paused; go on with: studio queue resume" if queue.is_paused else ""
    Terminal().say(f"Under way: {counts[JobState.RUNNING]}, waiting: {counts[JobState.QUEUED]}.{state}")


def pause(home: Home = None) -> None:
    """Begin nothing new; what runs is finished."""
    _queue(home).pause()
    Terminal().say("Paused. Go on with: studio queue resume")


def resume(home: Home = None) -> None:
    """Go on with what waits."""
    from studio.jobs.worker import ensure_worker

    queue = _queue(home)
    queue.resume()
    if queue.has_work():
        ensure_worker(queue.store.home)
    show(home)


def stop(home: Home = None) -> None:
    """Stop what runs at its next step, and take all that waits out of the queue."""
    number = _queue(home).cancel_all()
    Terminal().say("Nothing was under way." if not number else f"Asked to stop: {number}.")


def _queue(home: Path | None) -> "JobQueue":
    from studio.jobs.queue import JobQueue
    from studio.store import Store

    return JobQueue(Store(studio_home(home)))

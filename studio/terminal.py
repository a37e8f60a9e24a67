"""A reply in the terminal: text as it comes, a progress bar for every medium, files written and named."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from studio.conversation.ask import watch
from studio.errors import Cancelled, StudioError
from studio.jobs.queue import Job, JobEvent, JobQueue, JobState
from studio.plain_text import printable
from studio.store import Store

VERBS: Mapping[str, str] = {"image": "Drawing", "audio": "Playing", "video": "Animating"}
LOADING = -1  # the bar of the model being loaded; media have slots from 0


@dataclass
class Terminal:
    """Answers go to `out`, progress and remarks to `err`, so that answers can be piped."""

    out: Console = field(default_factory=lambda: Console(highlight=False))
    err: Console = field(default_factory=lambda: Console(stderr=True, highlight=False))
    is_quiet: bool = False

    def say(self, text: str) -> None:
        """Print a line of the answer."""
        if not self.is_quiet:
            self.out.print(Text(printable(text)), soft_wrap=True)

    def remark(self, text: str, *, style: str = "dim") -> None:
        """Print a line about the work."""
        if not self.is_quiet:
            self.err.print(Text(printable(text), style=style), soft_wrap=True)

    def error(self, text: str) -> None:
        self.err.print(Text.assemble(("Error: ", "bold red"), printable(text)), soft_wrap=True)


def follow(terminal: Terminal, store: Store, job: Job, *, preset: str, shows_text: bool = True) -> Job:
    """Show a job until it is done and return it; Ctrl-C cancels it. StudioError if it failed, Cancelled if it was."""
    view = _JobView(terminal, shows_text=shows_text)
    if JobQueue(store).is_paused:
        terminal.remark("The queue is paused, so this waits. Go on with: studio queue resume")
    try:
        try:
            for event in watch(store, job.id, preset=preset):
                view.show(event)
        except KeyboardInterrupt:
            JobQueue(store).cancel(job.id)
            for _ in watch(store, job.id, preset=preset):
                pass
    finally:
        view.close()
    job = JobQueue(store).get(job.id)
    if job.state == JobState.CANCELLED:
        raise Cancelled
    if job.state == JobState.FAILED:
        raise StudioError(job.error or "The work failed.")
    return job


class _JobView:
    """Text and bars on one screen: bars are taken down while text is written."""

    def __init__(self, terminal: Terminal, *, shows_text: bool) -> None:
        self._terminal = terminal
        self._shows_text = shows_text and not terminal.is_quiet
        self._progress: Progress | None = None
        self._bars: dict[int, TaskID] = {}
        self._is_within_line = False
        self._waiting_text = ""

    def show(self, event: JobEvent) -> None:
        data = event.data
        match event.kind:
            case "started":
                self.close()
            case "loading":
                self._add_bar(LOADING, "Loading the model", None)
            case "ready":
                self._remove_bar(LOADING)
            case "text":
                self._write(data["text"])
            case "notice":
                self._end_line()
                self._terminal.remark(data["text"])
            case "media_started":
                self._end_line()
                self._add_bar(data["slot"], VERBS[data["modality"]], data["num_steps"])
            case "media_step":
                if self._progress is not None:
                    self._progress.update(self._bars[data["slot"]], completed=data["step"], total=data["num_steps"])
            case "media_done":
                self._remove_bar(data["slot"])
            case "ways":
                pass  # the page tells it, to who asks
            case "fault":
                pass  # its sentence is the job's error
            case _:
                raise ValueError(f"A job has no event of kind {event.kind!r}.")

    def close(self) -> None:
        for slot in tuple(self._bars):
            self._remove_bar(slot)
        self._end_line()

    def _write(self, text: str) -> None:
        if not self._shows_text:
            return
        if self._progress is not None:
            self._waiting_text += text
            return
        self._terminal.out.print(Text(printable(text)), end="", soft_wrap=True)
        self._is_within_line = not text.endswith("\n") if text else self._is_within_line

    def _end_line(self) -> None:
        if self._is_within_line:
            self._terminal.out.print()
            self._is_within_line = False

    def _add_bar(self, slot: int, label: str, num_steps: int | None) -> None:
        if slot in self._bars:  # a video's sound follows its pictures
            self._remove_bar(slot)
        if self._progress is None:
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
            self._progress = Progress(
                *columns, console=self._terminal.err, transient=True, disable=self._terminal.is_quiet
            )
            self._progress.start()
        self._bars[slot] = self._progress.add_task(label, total=num_steps)

    def _remove_bar(self, slot: int) -> None:
        if self._progress is None or slot not in self._bars:
            return
        self._progress.remove_task(self._bars.pop(slot))
        if not self._bars:
            self._progress.stop()
            self._progress = None
            self._write(self._waiting_text)
            self._waiting_text = ""

"""A conversation at the terminal: one-shot requests, the interactive prompt, and replaying a file."""

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from studio.conversation.ask import Upload, ask, spool_file
from studio.conversation.export import copy_media
from studio.conversation.history import Content, History
from studio.errors import Cancelled, StudioError
from studio.home import studio_home
from studio.jobs.queue import JobQueue
from studio.library.near_copies import await_comparison, near_copy_sentences
from studio.media_store import MediaStore
from studio.models.presets import DEFAULT_PRESET, HONEST_LABEL, preset_name
from studio.options import ReplyOptions, draw_seed
from studio.replay import ReplayReport
from studio.store import Store
from studio.terminal import Terminal, follow

COMPARING_SECONDS = 3.0  # that are waited for word of near-copies once a reply is there; a search tells them too
HELP = """/image FILE, /audio FILE, /video FILE   attach a file to what you say next
/save FOLDER                            where to write what is made
/seed NUMBER                            the same seed gives the same reply; /seed alone draws a new one each time
/new                                    start a new conversation
/quit                                   leave"""


@dataclass(frozen=True)
class Answer:
    """A reply with the files it was written to."""

    content: Content
    files: tuple[Path, ...]
    seed: int
    conversation: str

    @property
    def text(self) -> str:
        return "\n".join(part["text"] for part in self.content if part["type"] == "text").strip()

    def to_dict(self) -> dict[str, Any]:
        return {
            "text": self.text,
            "files": [str(path) for path in self.files],
            "notices": [part["text"] for part in self.content if part["type"] == "notice"],
            "seed": self.seed,
            "conversation": self.conversation,
        }


@dataclass
class ChatSession:
    """What is said next goes to `conversation`, with `attachments`, answered under `options`, written to `folder`."""

    store: Store
    terminal: Terminal
    preset: str
    conversation: str
    options: ReplyOptions
    folder: Path
    attachments: list[Upload] = field(default_factory=list)

    @classmethod
    def open(
        cls,
        home: Path | None,
        *,
        preset: str,
        options: ReplyOptions,
        folder: Path,
        terminal: Terminal,
        resume: bool = False,
    ) -> "ChatSession":
        """Open a new conversation, or the last one with `resume`."""
        store = Store(studio_home(home))
        history = History(store)
        recent = history.recent(limit=1) if resume else []
        if resume and not recent:
            raise StudioError("There is no earlier conversation to continue. Leave out --continue.")
        record = recent[0] if recent else history.create(preset_name(preset))
        return cls(store, terminal, record.preset, record.id, options, folder)

    def attach(self, path: Path, *, modality: str) -> None:
        """Attach a file to the next request; it must hold what was said."""
        self.attachments.append(replace(spool_file(MediaStore(self.store), path), modality=modality))

    def send(self, text: str) -> Answer:
        """Ask, show the reply as it comes, write its media."""
        uploads, self.attachments = tuple(self.attachments), []
        job = ask(self.store, conversation=self.conversation, text=text, uploads=uploads, options=self.options)
        job = follow(self.terminal, self.store, job, preset=self.preset)
        assert job.result is not None, "a job that is done has a result"
        content = job.result["content"]
        files = tuple(copy_media(MediaStore(self.store), content, self.folder))
        for path in files:
            self.terminal.say(f"→ {path}")
        notices = self._near_copies([part["media"] for part in content if "media" in part])
        return Answer([*content, *notices], files, self.options.seed, self.conversation)

    def _near_copies(self, media: Sequence[str]) -> Content:
        """Say what is nearly the same as something in the library, which is found out after the reply."""
        await_comparison(self.store, media, seconds=COMPARING_SECONDS)
        sentences = near_copy_sentences(self.store, media)
        for sentence in sentences:
            self.terminal.remark(sentence)
        return [{"type": "notice", **sentence.to_dict()} for sentence in sentences]

    def start_over(self) -> None:
        self.conversation = History(self.store).create(self.preset).id
        self.attachments = []


def run_interactive(session: ChatSession, *, draws_seeds: bool) -> None:
    """Talk until the person leaves; with `draws_seeds` every reply gets a new seed."""
    prompt = _Prompt(session, draws_seeds=draws_seeds)
    session.terminal.remark("Say something, or /help.")
    if session.preset == DEFAULT_PRESET:
        session.terminal.remark(HONEST_LABEL)
    while True:
        try:
            line = session.terminal.err.input("[bold]you ›[/bold] ").strip()
        except (EOFError, KeyboardInterrupt):
            session.terminal.remark("")
            return
        if line in ("/quit", "/exit"):
            return
        if not line:
            continue
        try:
            prompt.take(line)
        except Cancelled:
            session.terminal.remark("Stopped.")
        except (StudioError, ValueError) as error:
            session.terminal.error(str(error))


class _Prompt:
    """What the lines of an interactive conversation mean."""

    def __init__(self, session: ChatSession, *, draws_seeds: bool) -> None:
        self._session = session
        self._draws_seeds = draws_seeds
        self._commands: dict[str, Callable[[str], None]] = {
            "/image": lambda word: self._attach("image", word),
            "/audio": lambda word: self._attach("audio", word),
            "/video": lambda word: self._attach("video", word),
            "/save": self._save,
            "/seed": self._seed,
            "/new": self._new,
            "/help": lambda word: session.terminal.remark(HELP),
        }

    def take(self, line: str) -> None:
        if not line.startswith("/"):
            if self._draws_seeds:
                self._session.options = replace(self._session.options, seed=draw_seed())
            self._session.send(line)
            return
        name, _, rest = line.partition(" ")
        command = self._commands.get(name)
        if command is None:
            raise StudioError(f"There is no command {name}. Say /help to see the commands.")
        command(_first_word(rest))

    def _attach(self, modality: str, word: str) -> None:
        if not word:
            raise StudioError(f"Name the file: /{modality} FILE")
        self._session.attach(Path(word).expanduser(), modality=modality)
        self._session.terminal.remark(f"Attached {Path(word).name} to what you say next.")

    def _save(self, word: str) -> None:
        if not word:
            raise StudioError("Name the folder: /save FOLDER")
        self._session.folder = Path(word).expanduser()
        self._session.terminal.remark(f"Files go to {self._session.folder}.")

    def _seed(self, word: str) -> None:
        self._draws_seeds = not word
        if word:
            if not word.isdecimal():
                raise StudioError(f"A seed is a whole number, got {word!r}.")
            self._session.options = replace(self._session.options, seed=int(word))

    def _new(self, word: str) -> None:
        self._session.start_over()
        self._session.terminal.remark("A new conversation.")


def _first_word(rest: str) -> str:
    """Return what follows a command, without the quotes that a name with blanks may stand in."""
    try:
        words = shlex.split(rest)
    except ValueError as error:
        raise StudioError("A quotation mark is not closed. Write the name again, with one at each end.") from error
    return words[0] if words else ""


def replay_file(
    terminal: Terminal, file: Path, *, preset: str | None, home: Path | None, folder: Path | None
) -> ReplayReport:
    """Have the worker make a file again and compare; keep the remake in `folder` if one is given."""
    if not file.is_file():
        raise StudioError(f"There is no file {file}.")
    store = Store(studio_home(home))
    chosen = None if preset is None else preset_name(preset)
    job = JobQueue(store).submit("replay", {"path": str(file.resolve()), "preset": chosen})
    job = follow(terminal, store, job, preset=chosen or DEFAULT_PRESET, shows_text=False)
    assert job.result is not None, "a job that is done has a result"
    if folder is not None:
        for path in copy_media(MediaStore(store), job.result["content"], folder):
            terminal.say(f"→ {path}")
    return ReplayReport.from_dict(job.result["report"])

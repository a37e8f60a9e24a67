"""A conversation at the terminal: what is said once a reply is there."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from encoders.files import read_media
from studio.conversation.session import ChatSession
from studio.jobs.answer import Answerer
from studio.jobs.queue import JobQueue
from studio.jobs.worker import run_job
from studio.library.library import Library
from studio.models.in_memory import OneModel
from studio.options import ReplyOptions
from studio.store import Store
from studio.terminal import Terminal

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # diffusers' own


@pytest.fixture
def session(store: Store, models: OneModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ChatSession:
    """A conversation whose worker answers within this process."""
    answerer = Answerer(store, models=models)

    def work_now(home: Path, *, preset: str) -> bool:
        lease = JobQueue(store).claim()
        if lease is not None:
            run_job(lease, answerer.kinds())
        return True

    monkeypatch.setattr("studio.conversation.ask.ensure_worker", work_now)
    terminal = Terminal(Console(file=io.StringIO()), Console(file=io.StringIO(), width=200))
    options = ReplyOptions(seed=0, max_new_tokens=40, temperature=1.0, outputs=("image",))
    return ChatSession.open(store.home, preset="tiny", options=options, folder=tmp_path / "made", terminal=terminal)


def test_a_near_copy_is_said_once_the_reply_is_there(session: ChatSession, store: Store) -> None:
    library = Library(store)
    for seed in range(60):
        session.options = ReplyOptions(seed=seed, max_new_tokens=40, temperature=1.0, outputs=("image",))
        session.start_over()
        answer = session.send("draw a bell")
        if answer.files:
            break
    assert not any("library" in notice for notice in answer.to_dict()["notices"])
    made = next(part["media"] for part in answer.content if "media" in part)
    content = read_media(library.path(made))
    with store.transaction() as database:
        database.execute("DELETE FROM media")
    copy, _ = library.media.add(content)
    session.start_over()
    again = session.send("draw a bell")
    said = f"The picture {made[:12]} is the same as {copy.id[:12]} in the library."
    assert said in again.to_dict()["notices"]
    assert isinstance(session.terminal.err.file, io.StringIO) and said in session.terminal.err.file.getvalue()

"""The bench of the pages measures what it says, at a size that a test can afford."""

import re
from pathlib import Path

import pytest

from studio.conversation.history import History
from studio.errors import StudioError
from studio.jobs.queue import JobQueue
from studio.server.page_bench import PageBenchOptions, _answered, run_bench
from studio.store import Store


def test_replies_are_counted_and_a_failed_turn_ends_the_bench(store: Store) -> None:
    history, queue = History(store), JobQueue(store)
    assert _answered(store) == 0
    conversation = history.create("tiny").id
    job = queue.submit("chat", {})
    history.append(conversation, "user", [{"type": "text", "text": "a"}], job=job.id)
    assert _answered(store) == 0
    history.append(conversation, "assistant", [{"type": "text", "text": "b"}], job=job.id)
    assert _answered(store) == 1
    lease = queue.claim()
    assert lease is not None
    lease.fail("no")
    with pytest.raises(StudioError, match="no"):
        _answered(store)


@pytest.mark.browser
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_first_paint_clicks_and_memory_are_measured_on_the_real_preset(tmp_path: Path) -> None:
    text = "\n".join(run_bench(PageBenchOptions(loads=1, clicks=2, turns=2, preset="tiny"), tmp_path))
    assert re.search(r"first paint of Chat, warm: median [\d,]+ ms", text)
    assert re.search(r"a click while a job runs: median [\d,]+ ms, slowest [\d,]+ ms of 2", text)
    assert re.search(r"after +2 turns: server [\d,]+ MB, worker [\d,]+ MB", text)
    assert "over the second half" in text

"""Conversations kept: titles, order, what a model is told, deletion."""

import pytest

from studio.conversation.ask import MAX_ATTACHMENTS, MAX_CHARACTERS, Upload, ask
from studio.conversation.history import TITLE_CHARACTERS, History
from studio.errors import StudioError
from studio.jobs.queue import JobQueue
from studio.options import ReplyOptions
from studio.store import Store


@pytest.fixture
def history(store: Store) -> History:
    return History(store)


def text(words: str) -> list[dict[str, str]]:
    return [{"type": "text", "text": words}]


def test_a_conversation_is_reopened_as_it_was(store: Store, history: History) -> None:
    conversation = history.create("tiny").id
    history.append(conversation, "user", text("Draw a bell"), job="a")
    history.append(conversation, "assistant", text("Here."), job="a")
    reopened = History(Store(store.home)).messages(conversation)
    assert [(message.role, message.content[0]["text"]) for message in reopened] == [
        ("user", "Draw a bell"),
        ("assistant", "Here."),
    ]


def test_the_first_words_become_the_title_in_one_short_line(history: History) -> None:
    conversation = history.create("tiny").id
    history.append(conversation, "user", text("Draw\n a  bell " + "x" * 100), job="a")
    history.append(conversation, "user", text("Another"), job="b")
    title = history.get(conversation).title
    assert title.startswith("Draw a bell xxx")
    assert len(title) == TITLE_CHARACTERS


def test_the_list_shows_the_last_used_first_and_no_empty_ones(history: History) -> None:
    first, second, _ = (history.create("tiny").id for _ in range(3))
    history.append(first, "user", text("one"), job="a")
    history.append(second, "user", text("two"), job="b")
    history.append(first, "user", text("three"), job="c")
    assert [record.id for record in history.recent()] == [first, second]


def test_a_model_is_told_only_what_was_answered_in_turns(history: History) -> None:
    conversation = history.create("tiny").id
    for role, words, job in (
        ("user", "stopped", "a"),
        ("user", "first", "b"),
        ("user", "second", "c"),
        ("assistant", "to the first", "b"),
        ("assistant", "to the second", "c"),
    ):
        history.append(conversation, role, text(words), job=job)
    turns = history.turns(conversation)
    assert [(asked.content[0]["text"], answered.content[0]["text"]) for asked, answered in turns] == [
        ("first", "to the first"),
        ("second", "to the second"),
    ]


def test_a_job_cannot_be_answered_twice(history: History) -> None:
    conversation = history.create("tiny").id
    history.append(conversation, "assistant", text("once"), job="a")
    with pytest.raises(Exception, match="UNIQUE"):
        history.append(conversation, "assistant", text("twice"), job="a")


def test_a_deleted_conversation_is_gone_with_its_messages(history: History) -> None:
    conversation = history.create("tiny").id
    history.append(conversation, "user", text("one"), job="a")
    history.delete(conversation)
    assert history.messages(conversation) == []
    with pytest.raises(StudioError, match="deleted"):
        history.get(conversation)


def test_asking_writes_the_request_and_its_job_in_one_step(store: Store, history: History) -> None:
    conversation = history.create("tiny").id
    options = ReplyOptions(seed=7)
    job = ask(
        store, conversation=conversation, text=" Draw a bell ", uploads=[Upload("f" * 32, "a.png")], options=options
    )
    request = history.request(job.id)
    assert [part["type"] for part in request.content] == ["upload", "text"]
    assert request.content[1]["text"] == "Draw a bell"
    assert ReplyOptions.from_dict(job.payload["options"]) == options


@pytest.mark.parametrize(
    ("words", "num_files", "advice"),
    [
        ("  ", 0, "Write something"),
        ("x" * (MAX_CHARACTERS + 1), 0, "Shorten it"),
        ("look", MAX_ATTACHMENTS + 1, "Remove some"),
    ],
)
def test_a_request_beyond_the_limits_is_refused_and_leaves_nothing(
    store: Store, history: History, words: str, num_files: int, advice: str
) -> None:
    conversation = history.create("tiny").id
    with pytest.raises(StudioError, match=advice):
        ask(
            store,
            conversation=conversation,
            text=words,
            uploads=[Upload("f" * 32, "a.png")] * num_files,
            options=ReplyOptions(),
        )
    assert history.messages(conversation) == []
    assert not JobQueue(store).has_work()

"""Conversations are found by what was said in them, in any script, and signs mean themselves."""

import pytest

from studio.conversation.history import History
from studio.conversation.history_search import conversations_with
from studio.store import Store


@pytest.mark.parametrize("asked", ["red BELL", "铃铛", '"loud"', "100%", "a_b", "back\\slash"])
def test_a_conversation_is_found_by_its_words(store: Store, asked: str) -> None:
    history = History(store)
    wanted, other = history.create("tiny").id, history.create("tiny").id
    said = 'Draw a Red bell 铃铛 and "loud" 100% a_b back\\slash'
    history.append(wanted, "user", [{"type": "text", "text": said}], job="1")
    history.append(other, "user", [{"type": "text", "text": "Something 100 aXb"}], job="2")
    assert conversations_with(store, asked) == {wanted}
    assert conversations_with(store, "nobody said this") == frozenset()

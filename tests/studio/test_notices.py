"""What is told beside results: the same in the catalogue of the pages, known again by its shape, in the reader's language."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import parts
import pytest
import torch
from studio_pages import html_of, latin_words, open_page

from encoders.media import Audio, Image
from encoders.modality import Modality
from pipelines.any_to_any import AnyToAnyPipeline
from pipelines.bridge import Bridge
from pipelines.conversation import Conversation
from pipelines.options import GenerationOptions
from studio.comparison import compare
from studio.conversation.history import History
from studio.conversation.live import LiveReply
from studio.jobs.queue import JobEvent, JobQueue
from studio.media_store import MediaStore
from studio.notices import NOTICES, Notice, known_again, notice
from studio.recipe import Environment
from studio.store import Store
from studio.ui.notices import SENTENCES, in_language

pytestmark = pytest.mark.usefixtures("started_workers")

VALUES = {
    "kind": "picture", "media": "0123456789ab", "original": "ba9876543210 (1.png)", "count": "3", "things": "a sound or a video",
    "limit": "64", "preset": "tiny", "before": "1", "after": "2", "signal": "soundtrack", "what": "threads",
}  # fmt: skip
OTHERS = ("tiny", "png")  # names that are the same in every language


def every_notice() -> list[Notice]:
    return [notice(code, **{k: v for k, v in VALUES.items() if f"{{{k}}}" in NOTICES[code]}) for code in NOTICES]


def codes(texts: Iterable[str]) -> set[str]:
    return {one.code for text in texts for one in known_again(text)}


def test_the_pages_know_every_notice_in_the_same_words() -> None:
    assert dict(SENTENCES) == dict(NOTICES)


@pytest.mark.parametrize("one", every_notice(), ids=lambda one: one.code)
def test_a_notice_is_kept_whole_and_known_again_without_its_code(one: Notice) -> None:
    for kept in (one.to_dict(), {"text": str(one)}):
        again = Notice.from_dict(kept)
        assert (again, again.code, dict(again.values)) == (one, one.code, dict(one.values))


def test_several_in_one_text_are_told_apart_and_what_is_unknown_stays() -> None:
    several = [notice("turns-forgotten", count=2), notice("unread", things="a sound"), Notice("The moon is full.")]
    again = known_again(" ".join(several))
    assert [(one, one.code) for one in again] == [(one, one.code) for one in several]


def test_what_a_model_tells_of_a_reply_is_known(tmp_path: Path) -> None:
    pipe = AnyToAnyPipeline.from_pretrained(parts.save_model(tmp_path / "model", max_positions=96))
    options = GenerationOptions(max_new_tokens=12, seed=1, modalities=frozenset())
    conversation = Conversation(pipe, system="s")
    told = [conversation.send(["tell me", Image(torch.rand(3, 8, 8))], options).notice for _ in range(6)]
    assert codes(filter(None, told)) == {"turn-forgotten"}
    bridge = Bridge(makes=(Modality.IMAGE,), reads=frozenset())
    picture, sound = Image(torch.zeros(3, 8, 8)), Audio(torch.zeros(1, 8), 8)
    assert codes([str(bridge.notice([picture, sound], [picture]))]) == {"unread", "from-captions"}


def test_what_a_replay_tells_is_known() -> None:
    picture, larger = Image(torch.zeros(3, 8, 8)), Image(torch.zeros(3, 9, 9))
    sound, slower = Audio(torch.zeros(1, 8), 8), Audio(torch.zeros(1, 8), 4)
    reasons = [compare(a, b).reason for a, b in ((picture, larger), (picture, sound), (sound, slower))]
    assert [known_again(reason)[0].code for reason in reasons] == ["another-shape", "another-kind", "another-rate"]
    before, after = Environment({"torch": "1"}, "a", 1, "cpu"), Environment({"torch": "2"}, "b", 2, "cuda")
    assert codes(before.differences(after)) == {"another-version"}


def test_a_reply_under_way_tells_its_notices_as_they_are_known() -> None:
    live = LiveReply()
    live.apply(JobEvent(1, "notice", notice("cut").to_dict()))
    assert [one.code for one in live.notices] == ["cut"]


def chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studio.ui.words.language", lambda: "zh-CN")


@pytest.mark.parametrize("one", every_notice(), ids=lambda one: one.code)
def test_every_notice_is_told_in_the_readers_language(one: Notice, monkeypatch: pytest.MonkeyPatch) -> None:
    assert in_language(one) == one
    chinese(monkeypatch)
    said = in_language(one)
    for name in ("tiny", "png", VALUES["media"], "ba9876543210"):
        said = said.replace(name, "")
    assert not any(letter.isascii() and letter.isalpha() for letter in said), said


def finished(store: Store, kind: str, payload: dict[str, Any], result: dict[str, Any]) -> str:
    job = JobQueue(store).submit(kind, payload)
    lease = JobQueue(store).claim()
    assert lease is not None
    lease.finish(result)
    return job.id


def test_what_the_worker_tells_reaches_no_chinese_page_unworded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    media = MediaStore(store).add(Image(torch.zeros(3, 8, 8)))[0].id
    told = every_notice()
    history = History(store)
    conversation = history.create("tiny").id
    reply = [
        *({"type": "notice", **one.to_dict()} for one in told),
        *({"type": "notice", "text": str(one)} for one in told),
    ]
    job = finished(store, "chat", {"options": {"seed": 1}}, {"seconds": 1.0})
    for role, content in (("user", [{"type": "text", "text": "画"}]), ("assistant", reply)):
        history.append(conversation, role, content, job=job)
    recipe = {"preset": "tiny", "options": {"seed": 1}, "messages": [{"content": [{"type": "text", "text": "画"}]}]}
    with store.transaction() as database:
        database.execute("INSERT INTO recipes VALUES (?, ?, ?)", (media, json.dumps(recipe), 1.0))
    report = {"verdict": "different", "reason": str(notice("only-one", signal="soundtrack"))}
    report |= {"differences": [str(one) for one in told if not one.endswith(".")]}
    asked = {"text": "铃铛", "uploads": [], "filters": "", "everything": True}
    found = {"matches": [], "notices": [one.to_dict() for one in told], "is_small": True}
    addresses = {
        "chat": {"c": conversation},
        "library": {"found": finished(store, "search", asked, found)},
        "item": {"item": media, "job": finished(store, "replay", {}, {"report": report, "content": []})},
    }
    chinese(monkeypatch)
    for name, address in addresses.items():
        page = open_page("library" if name == "item" else name)
        for key, value in address.items():
            page.query_params[key] = value
        page.run()
        assert not page.exception, name
        assert "音轨" in html_of(page), name
        allowed = {"Multimodal", "Studio", "ba", "KiB", *OTHERS, "studio", "library", "add", "FOLDER"}
        assert not latin_words(page, allowed=allowed), name

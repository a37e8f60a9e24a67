"""The worker's answers, with a small random model: history, uploads, cancelling, open conversations, replays."""

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from encoders.files import read_media, write_media
from encoders.media import Image
from encoders.modality import Modality
from studio.conversation.ask import Upload, ask
from studio.conversation.export import copy_media
from studio.conversation.history import History
from studio.conversation.how import how_it_came
from studio.conversation.live import LiveMedia, LiveReply, LiveText
from studio.jobs.answer import Answerer
from studio.jobs.queue import Job, JobQueue, JobState, Lease
from studio.jobs.worker import run_job
from studio.library.library import Library
from studio.library.near_copies import originals_of
from studio.media_store import MediaStore
from studio.models.in_memory import OneModel
from studio.options import ReplyOptions
from studio.recipe import read_recipe
from studio.store import Store

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # diffusers' own


class Person:
    """Somebody who asks in one conversation, and the worker that answers."""

    def __init__(self, store: Store, models: OneModel) -> None:
        self.store = store
        self.queue = JobQueue(store)
        self.history = History(store)
        self.media = MediaStore(store)
        self.models = models
        self.conversation = self.history.create("tiny").id
        self.answerer = Answerer(store, models=models)

    def ask(self, text: str, *, seed: int = 0, outputs: tuple[str, ...] = (), uploads: tuple[Upload, ...] = ()) -> Job:
        options = ReplyOptions(seed=seed, max_new_tokens=40, temperature=1.0, outputs=outputs)
        return ask(self.store, conversation=self.conversation, text=text, uploads=uploads, options=options)

    def work(self) -> None:
        lease = self.queue.claim()
        assert lease is not None
        run_job(lease, self.answerer.kinds())

    def hear(self, text: str, **options: Any) -> Job:
        job = self.ask(text, **options)
        self.work()
        return self.queue.get(job.id)

    def get(self, modality: str) -> tuple[Job, dict[str, Any]]:
        """Ask with one seed after the other until the random model makes this modality."""
        for seed in range(60):
            job = self.hear("draw a bell", seed=seed, outputs=(modality,))
            assert job.result is not None, job.error
            for part in job.result["content"]:
                if "media" in part:
                    return job, part
        raise AssertionError(f"no {modality} in 60 replies")

    def reply_to(self, job: Job) -> list[dict[str, Any]]:
        return next(
            [dict(part) for part in message.content]
            for message in self.history.messages(self.conversation)
            if message.job == job.id and message.role == "assistant"
        )


@pytest.fixture
def person(store: Store, models: OneModel) -> Person:
    return Person(store, models)


def picture() -> Image:
    return Image.from_uint8(np.random.default_rng(0).integers(0, 255, (20, 20, 3), dtype=np.uint8))


def png(folder: Path) -> bytes:
    return write_media(folder / "in.png", picture()).read_bytes()


def test_a_reply_enters_the_history_and_its_events_add_up_to_it(person: Person) -> None:
    job, part = person.get("image")
    content = person.reply_to(job)
    assert job.state == JobState.DONE
    assert job.result is not None
    assert [one for one in content if one["type"] != "tokens"] == job.result["content"]
    live = LiveReply()
    for event in person.queue.events(job.id):
        live.apply(event)
    shown = [
        {"type": "text", "text": one.text.strip()}
        if isinstance(one, LiveText)
        else {"type": one.modality, "media": one.media}
        for one in live.parts
    ]
    assert shown == [one for one in job.result["content"] if one["type"] != "notice"]
    how = how_it_came(person.queue.events(job.id))
    assert how is not None
    signals = person.models.get("tiny").pipe.config.counts[Modality.IMAGE]
    assert {making.way and making.way.signals for making in how.makings} == {signals}
    assert any(isinstance(one, LiveMedia) and one.step == one.num_steps > 0 for one in live.parts)
    assert read_media(person.media.path(part["media"])).modality == "image"


def test_an_open_conversation_says_the_same_as_one_taken_up_again(person: Person) -> None:
    person.hear("hello", seed=1)
    person.hear("and a bell", seed=2)
    kept_open = person.reply_to(person.hear("and another", seed=3))
    other = Person(person.store, person.models)
    for text, seed in (("hello", 1), ("and a bell", 2)):
        other.hear(text, seed=seed)
    other.answerer = Answerer(person.store, models=person.models)
    assert other.reply_to(other.hear("and another", seed=3)) == kept_open


def test_an_upload_is_decoded_kept_in_our_own_format_and_the_original_discarded(person: Person, tmp_path: Path) -> None:
    upload = Upload(person.media.spool(io.BytesIO(png(tmp_path))), "cat.png")
    job = person.hear("What is this?", uploads=(upload,))
    assert job.state == JobState.DONE, job.error
    image, text = person.history.request(job.id).content
    assert (image["type"], text["text"]) == ("image", "What is this?")
    assert person.media.get(image["media"]).content_hash == picture().content_hash
    assert list((person.store.home / "incoming").iterdir()) == []


@pytest.mark.parametrize(
    ("content", "modality", "message"),
    [
        (lambda folder: b"<svg onload='alert(1)'/>", None, "'mine.png' is an SVG drawing"),
        (lambda folder: b"", None, "'mine.png' is empty"),
        (png, "audio", "'mine.png' holds image, not audio"),
    ],
    ids=["svg", "empty", "another kind"],
)
def test_a_file_that_cannot_be_used_is_named_and_the_request_may_be_tried_again(
    person: Person, tmp_path: Path, content: Callable[[Path], bytes], modality: str | None, message: str
) -> None:
    upload = Upload(person.media.spool(io.BytesIO(content(tmp_path))), "mine.png", modality)
    job = person.hear("Look", uploads=(upload,))
    assert job.state == JobState.FAILED
    assert message in (job.error or "")
    assert upload.id not in (job.error or "")
    assert person.queue.retry(job.id).state == JobState.QUEUED


def test_cancelling_stops_at_the_next_step_and_leaves_no_reply(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    seed = person.get("image")[0].payload["options"]["seed"]
    monkeypatch.setattr(person, "conversation", person.history.create("tiny").id)
    job = person.ask("draw a bell", seed=seed, outputs=("image",))
    steps: list[int] = []
    emit = Lease.emit

    def emit_and_cancel(lease: Lease, kind: str, **data: Any) -> None:
        emit(lease, kind, **data)
        if kind == "media_step":
            steps.append(data["step"])
            person.queue.cancel(job.id)

    monkeypatch.setattr(Lease, "emit", emit_and_cancel)
    person.work()
    assert (person.queue.get(job.id).state, steps) == (JobState.CANCELLED, [1])
    assert person.history.turns(person.conversation) == []


def test_a_job_that_was_interrupted_and_runs_again_leaves_one_reply(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = person.ask("hello")
    interrupted = person.queue.claim()
    assert interrupted is not None
    monkeypatch.setattr(interrupted, "finish", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        run_job(interrupted, person.answerer.kinds())
    person.queue.reclaim(worker_is_gone=True)
    person.work()
    assert person.queue.get(job.id).attempts == 2
    assert len(person.history.messages(person.conversation)) == 2


def same_again(person: Person) -> tuple[Job, str, str]:
    """Have a picture made of which the library holds a copy; return the job, the picture and the copy."""
    job, part = person.get("image")
    content = read_media(person.media.path(part["media"]))
    person.history.delete(person.conversation)
    Library(person.store).remove(part["media"])
    copy, _ = person.media.add(content)
    person.conversation = person.history.create("tiny").id
    options = job.payload["options"]
    again = person.hear("draw a bell", seed=options["seed"], outputs=tuple(options["outputs"]))
    return again, part["media"], copy.id


def test_a_near_copy_is_flagged_right_after_the_reply_and_said_in_the_history(person: Person) -> None:
    job, made, copy = same_again(person)
    *reply, notice = person.reply_to(job)
    assert notice == {
        "type": "notice", "text": f"The picture {made[:12]} is the same as {copy[:12]} in the library.",
        "code": "copy", "values": {"kind": "picture", "media": made[:12], "original": copy[:12]},
    }  # fmt: skip
    assert job.result is not None and notice not in job.result["content"]
    assert [part for part in reply if part["type"] != "tokens"] == job.result["content"]
    assert originals_of(person.store, made) == [copy] and originals_of(person.store, copy) == []


def test_a_comparison_that_fails_harms_no_reply(person: Person, caplog: pytest.LogCaptureFixture) -> None:
    with person.store.transaction() as database:
        database.execute("DROP TABLE near_copies")
    job, made, _ = same_again(person)
    assert job.state == JobState.DONE and made in str(person.reply_to(job))
    assert all(part["type"] != "notice" or "library" not in part["text"] for part in person.reply_to(job))
    assert "was not compared with the library" in caplog.text


def test_a_reply_of_a_deleted_conversation_is_dropped(person: Person) -> None:
    job = person.ask("hello")
    person.history.delete(person.conversation)
    person.work()
    assert person.queue.get(job.id).state == JobState.FAILED
    assert "deleted" in (person.queue.get(job.id).error or "")


def test_a_file_is_replayed_and_the_remake_kept(person: Person, tmp_path: Path) -> None:
    _, part = person.get("image")
    (file,) = copy_media(person.media, [part], tmp_path)
    replay = person.queue.submit("replay", {"path": str(file), "preset": "tiny"})
    person.work()
    result = person.queue.get(replay.id).result
    assert result is not None, person.queue.get(replay.id).error
    assert result["report"]["verdict"] in ("identical", "equivalent")
    assert result["content"][0]["type"] == "image"


def test_a_file_cannot_choose_which_model_is_loaded(person: Person, tmp_path: Path) -> None:
    _, part = person.get("image")
    (file,) = copy_media(person.media, [part], tmp_path)
    write_media(file, picture(), replace(read_recipe(file), preset="somebody/model").metadata())
    replay = person.queue.submit("replay", {"path": str(file), "preset": None})
    person.work()
    assert "If you trust it" in (person.queue.get(replay.id).error or "")


def test_a_model_that_cannot_be_loaded_is_told_with_the_request(store: Store) -> None:
    def load(preset: str) -> Any:
        raise ValueError("The preset 'tiny' is not complete: config.json is missing.")

    person = Person(store, OneModel(load))
    person.answerer.prepare("tiny")
    job = person.hear("hello")
    assert (job.state, job.error) == (JobState.FAILED, "The preset 'tiny' is not complete: config.json is missing.")

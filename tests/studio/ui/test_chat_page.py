"""The chat page: what a person sees and does, with work done by a stand-in for the worker."""

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest
from studio_pages import answer, ask, conversation_of, html_of, make_everything, open_page, say

from encoders.media import Image
from studio.conversation.history import History
from studio.jobs.queue import JobQueue, JobState, Lease
from studio.media_store import MediaStore
from studio.store import Store

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def page(started_workers: list[Path]) -> AppTest:
    return AppTest.from_file(str(ROOT / "app.py"), default_timeout=20).run()


def test_the_pages_do_not_import_torch() -> None:
    script = "import sys, studio.ui.pages\nassert not {'torch', 'transformers', 'diffusers'} & set(sys.modules)"
    subprocess.run([sys.executable, "-W", "ignore", "-c", script], cwd=ROOT, check=True)


def test_an_empty_page_offers_examples_and_says_what_the_model_is(page: AppTest) -> None:
    assert not page.exception
    assert sum((button.key or "").startswith("example-") for button in page.button) == 4
    assert "tiny model in a tiny world" in html_of(page)


def test_an_example_is_asked_at_a_click(page: AppTest, store: Store) -> None:
    page.button(key="example-0").click().run()
    assert not page.exception
    conversation = History(store).recent()[0]
    assert conversation_of(page) == conversation.id
    assert conversation.title == "Draw a red bell above a blue boat"


def test_the_work_is_queued_and_a_worker_is_called_for(
    page: AppTest, store: Store, started_workers: list[Path]
) -> None:
    ask(page, "Draw a red bell")
    assert JobQueue(store).has_work()
    assert started_workers[-1] == store.home
    assert page.chat_input[0].disabled
    assert "Draw a red bell" in html_of(page)


def test_a_reply_shows_text_players_downloads_and_its_seed(page: AppTest, store: Store) -> None:
    ask(page, "Draw a red bell and play it")
    answer(store, make_everything)
    page.run()
    assert not page.exception
    assert "Here." in html_of(page)
    assert [len(page.get(kind)) for kind in ("image", "audio", "video")] == [1, 1, 1]
    assert sum((button.key or "").startswith("download-") for button in page.get("download_button")) == 3
    assert "seed " in html_of(page)
    assert not page.chat_input[0].disabled


def test_a_reply_under_way_shows_text_progress_and_a_preview(page: AppTest, store: Store) -> None:
    ask(page, "Draw a red bell")
    lease = JobQueue(store).claim()
    assert lease is not None
    png = MediaStore(store).path(MediaStore(store).add(Image.from_uint8(np.zeros((8, 8, 3), np.uint8)))[0].id)
    lease.emit("text", part=0, text="Coming up")
    lease.emit("media_started", part=1, sample=0, slot=0, modality="image", num_steps=20)
    lease.emit("media_step", part=1, sample=0, slot=0, step=7, num_steps=20)
    lease.show_preview(0, png.read_bytes())
    page.run()
    assert not page.exception
    assert "Coming up" in html_of(page)
    assert page.get("progress")[0].proto.text == "Drawing, step 7 of 20"
    assert "data:image/png;base64," in html_of(page)


def test_stop_cancels_the_job_and_the_page_offers_to_try_again(page: AppTest, store: Store) -> None:
    ask(page, "Draw a red bell")
    next(button for button in page.button if button.label == "Stop").click().run()
    assert not page.exception
    assert "Stopped." in html_of(page)
    next(button for button in page.button if button.label == "Try again").click().run()
    answer(store, say("Done after all"))
    page.run()
    assert "Done after all" in html_of(page)


def test_a_failure_is_told_in_our_words(page: AppTest, store: Store) -> None:
    def fail(lease: Lease, media: MediaStore) -> list[dict[str, Any]]:
        raise ValueError("'cat.svg' is an SVG drawing. Export it as PNG.")

    ask(page, "Look")
    answer(store, fail)
    page.run()
    assert "SVG drawing" in page.error[0].value.replace("\\", "")
    assert not page.chat_input[0].disabled


def test_a_refreshed_page_comes_back_to_a_reply_under_way(page: AppTest, store: Store) -> None:
    ask(page, "Draw a red bell")
    conversation = conversation_of(page)
    again = AppTest.from_file(str(ROOT / "app.py"), default_timeout=20)
    again.query_params["c"] = conversation
    again.run()
    assert again.chat_input[0].disabled
    answer(store, say("For both"))
    assert "For both" in html_of(again.run())


def test_earlier_conversations_are_listed_reopened_and_deleted(page: AppTest, store: Store) -> None:
    ask(page, "First")
    answer(store, say("One"))
    first = conversation_of(page)
    page.run()
    page.button(key="new").click().run()
    assert "First" not in html_of(page)
    ask(page, "Second")
    answer(store, say("Two"))
    page.run()
    page.button(key=f"history-{first}").click().run()
    assert "One" in html_of(page)
    assert "Two" not in html_of(page)
    page.button(key="delete").click().run()
    assert [record.title for record in History(store).recent()] == ["Second"]


@pytest.mark.parametrize(
    "words",
    ["<script>alert(1)</script>", "![x](http://example.com/x.png)", ":red[hot] **bold** $x$", "a\x00b\x1b[31m"],
)
def test_what_anybody_says_is_shown_as_it_is(page: AppTest, store: Store, words: str) -> None:
    ask(page, words)
    answer(store, say(words))
    page.run()
    assert not page.exception
    assert "<script>" not in html_of(page)
    assert not page.markdown
    conversation = conversation_of(page)
    label = page.button(key=f"history-{conversation}").label
    assert "![" not in label
    assert ":red[" not in label


def test_an_unknown_address_is_told_and_starts_anew(started_workers: list[Path]) -> None:
    page = AppTest.from_file(str(ROOT / "app.py"), default_timeout=20)
    page.query_params["c"] = "../../etc/passwd"
    page.run()
    assert not page.exception
    assert "not known here" in page.warning[0].value.replace("\\", "")
    assert page.button(key="example-0")


def test_an_attached_file_is_spooled_and_shown_by_name_until_it_is_read(page: AppTest, store: Store) -> None:
    page.chat_input[0].upload("<b>.png", b"\x89PNG...", "image/png").set_value("What is this?").run()
    assert not page.exception
    assert "&lt;b&gt;.png" in html_of(page)
    conversation = conversation_of(page)
    (upload,) = [part for part in History(store).messages(conversation)[0].content if part["type"] == "upload"]
    assert MediaStore(store).upload_path(upload["upload"]).read_bytes() == b"\x89PNG..."


def test_an_attached_picture_is_shown_as_soon_as_it_is_read(page: AppTest, store: Store) -> None:
    page.chat_input[0].upload("cat.png", b"...", "image/png").set_value("What is this?").run()
    assert "being read" in html_of(page)
    lease = JobQueue(store).claim()
    assert lease is not None
    stored, _ = MediaStore(store).add(Image.from_uint8(np.zeros((8, 8, 3), np.uint8)))
    History(store).replace_request(lease.job.id, [{"type": "image", "media": stored.id}])
    page.run()
    assert "being read" not in html_of(page)
    assert len(page.get("image")) == 1


def test_deleting_a_conversation_stops_its_reply(page: AppTest, store: Store) -> None:
    ask(page, "Draw a red bell")
    lease = JobQueue(store).claim()
    assert lease is not None
    page.button(key="delete").click().run()
    assert not page.exception
    assert JobQueue(store).get(lease.job.id).cancel_requested


def test_the_server_listens_to_this_machine_alone_and_tells_no_details() -> None:
    settings = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))
    assert settings["server"]["address"] == "127.0.0.1"
    assert settings["server"]["allowedHosts"] == ["127.0.0.1", "localhost"]
    assert settings["client"]["showErrorDetails"] == "none"
    assert not settings["browser"]["gatherUsageStats"]


def test_options_go_with_the_request(page: AppTest, store: Store) -> None:
    page.toggle(key="holds_seed").set_value(True).run()
    page.number_input(key="seed").set_value(1234).run()
    ask(page, "Draw a red bell")
    job = JobQueue(store).claim()
    assert job is not None
    assert job.job.payload["options"]["seed"] == 1234
    assert job.job.state == JobState.RUNNING


def test_a_request_is_said_otherwise_in_a_branch_that_knows_what_came_before(page: AppTest, store: Store) -> None:
    ask(page, "First")
    answer(store, say("One"))
    page.run()
    ask(page, "Second")
    answer(store, say("Two"))
    page.run()
    before = conversation_of(page)
    second = History(store).messages(before)[2].job
    page.text_area(key=f"edit-{second}").set_value("Second, otherwise").run()
    page.button(key=f"ask-{second}").click().run()
    assert not page.exception
    branched = conversation_of(page)
    assert branched != before
    assert [asked.content[0]["text"] for asked, _ in History(store).turns(branched)] == ["First"]
    answer(store, say("Three"))
    page.run()
    assert "Three" in html_of(page) and "One" in html_of(page) and "Two" not in html_of(page)
    assert len(History(store).messages(before)) == 4


def test_a_request_is_asked_again_with_what_was_attached_and_another_seed(page: AppTest, store: Store) -> None:
    page.chat_input[0].upload("cat.png", b"...", "image/png").set_value("What is this?").run()
    lease = JobQueue(store).claim()
    assert lease is not None
    stored, _ = MediaStore(store).add(Image.from_uint8(np.zeros((8, 8, 3), np.uint8)))
    history, conversation = History(store), conversation_of(page)
    history.replace_request(
        lease.job.id, [{"type": "image", "media": stored.id}, {"type": "text", "text": "What is it?"}]
    )
    content = [{"type": "text", "text": "A cat"}]
    lease.finish(
        {"content": content, "seconds": 1.0},
        record=lambda: history.append(conversation, "assistant", content, job=lease.job.id),
    )
    page.run()
    page.button(key=f"again-{lease.job.id}").click().run()
    assert not page.exception
    again = JobQueue(store).claim()
    assert again is not None
    (upload, words) = history.request(again.job.id).content
    assert words["text"] == "What is it?"
    assert (
        MediaStore(store).upload_path(upload["upload"]).read_bytes() == MediaStore(store).path(stored.id).read_bytes()
    )
    assert again.job.payload["options"]["seed"] != lease.job.payload["options"]["seed"]


def test_a_reply_shows_how_it_came(page: AppTest, store: Store) -> None:
    ask(page, "Draw a red bell")

    def reply(lease: Lease, media: MediaStore) -> list[dict[str, Any]]:
        lease.emit("text", part=0, text="Here.")
        lease.emit("media_started", part=1, sample=0, slot=0, modality="image", num_steps=20)
        made, _ = media.add(Image.from_uint8(np.zeros((8, 8, 3), np.uint8)))
        lease.emit("media_done", part=1, sample=0, slot=0, modality="image", media=made.id)
        return [{"type": "text", "text": "Here."}, {"type": "image", "media": made.id}]

    answer(store, reply)
    page.run()
    assert not page.exception
    assert "Image: its signal fired; the output projection" in html_of(page)
    assert "Image: the decoder took 20 steps" in html_of(page)


def test_a_reply_shows_which_signals_and_projections_it_went_through(page: AppTest, store: Store) -> None:
    ask(page, "Draw what you hear, and let me hear it again")

    def reply(lease: Lease, media: MediaStore) -> list[dict[str, Any]]:
        heard = {"modality": "audio", "encoder": "imagebind", "projection": "resampler", "positions": 8}
        lease.emit("ways", read=[heard], make={"image": {"signals": 4, "projections": ["mlp"]}})
        for sample in (0, 1):
            lease.emit("media_started", part=1, sample=sample, slot=sample, modality="image", num_steps=20)
        lease.emit("media_started", part=2, sample=0, slot=2, modality="audio", num_steps=10)
        made, _ = media.add(Image.from_uint8(np.zeros((8, 8, 3), np.uint8)))
        for part, sample, modality in ((1, 0, "image"), (1, 1, "image"), (2, 0, "audio")):
            lease.emit("media_done", part=part, sample=sample, slot=0, modality=modality, media=made.id)
        return [{"type": "image", "media": made.id}]

    answer(store, reply)
    page.run()
    assert not page.exception
    shown = html_of(page)
    assert "Sound: the encoder imagebind read it; its input projection, a layer of learned queries, made 8" in shown
    assert shown.count("Image: its signal fired, 4 tokens; its output projection, a small network") == 1
    assert shown.count("Image: the decoder took 20 steps") == 2
    assert "Sound: the core wrote a caption" in shown


def test_of_a_long_conversation_the_last_turns_are_shown_and_the_earlier_on_demand(store: Store, page: AppTest) -> None:
    history, queue = History(store), JobQueue(store)
    conversation = history.create("tiny").id
    for number in range(25):
        job = queue.submit("chat", {"conversation": conversation, "options": {"seed": 1}})
        history.append(conversation, "user", [{"type": "text", "text": f"Question {number}."}], job=job.id)
        answer(store, say(f"Answer {number}."))
    page.query_params["c"] = conversation
    page.run()
    assert not page.exception
    assert "Answer 24." in html_of(page) and "Question 4." not in html_of(page)
    page.button(key="earlier-turns").click().run()
    assert "Question 0." in html_of(page)


def test_who_chose_another_model_is_told_which_it_is(store: Store) -> None:
    page = open_page("chat")
    page.session_state.preset = "/srv/models/mine"
    page.run()
    assert "You talk with mine" in html_of(page)
    conversation = History(store).create("/srv/models/older").id
    queued = JobQueue(store).submit("chat", {"conversation": conversation, "options": {"seed": 1}})
    History(store).append(conversation, "user", [{"type": "text", "text": "hello"}], job=queued.id)
    page.query_params["c"] = conversation
    page.run()
    assert "This conversation is with older" in html_of(page)
    assert "/srv" not in html_of(page)


def test_each_kind_is_decoded_by_numbers_of_its_own(page: AppTest, store: Store) -> None:
    page.toggle(key="by_kind").set_value(True).run()
    page.slider(key="count_of_each_image").set_value(3).run()
    page.toggle(key="sets_steps_video").set_value(True).run()
    page.slider(key="steps_video").set_value(7).run()
    ask(page, "draw and animate")
    lease = JobQueue(store).claim()
    assert lease is not None
    decode = lease.job.payload["options"]["decode"]
    assert [decode[kind]["count"] for kind in ("image", "audio", "video")] == [3, 1, 1]
    assert [decode[kind]["steps"] for kind in ("image", "audio", "video")] == [None, None, 7]

"""The library page: a gallery of everything, searched by words and by a picture, one medium by itself, the bin."""

import io
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage
from streamlit.testing.v1 import AppTest
from studio_pages import html_of, open_page

from encoders.media import Image
from studio.conversation.ask import ask
from studio.conversation.history import History
from studio.errors import StudioError
from studio.jobs.answer import Answerer
from studio.jobs.finding import Finder, read_page_query
from studio.jobs.queue import JobQueue
from studio.jobs.worker import run_job
from studio.library.gallery import BIN, View, browse, empty_bin, names_of, packed
from studio.library.library import Library
from studio.models.in_memory import Model, OneModel
from studio.options import ReplyOptions
from studio.store import Store

pytestmark = pytest.mark.usefixtures("started_workers")


@pytest.fixture
def library(store: Store) -> Library:
    return Library(store)


@pytest.fixture
def work(store: Store) -> Callable[[], None]:
    """Do the worker's part of all that waits, without any encoder."""
    finder = Finder(store, load=lambda preset: [])

    def do() -> None:
        while (lease := JobQueue(store).claim()) is not None:
            run_job(lease, finder.kinds())

    return do


def put(library: Library, shade: int, name: str) -> str:
    stored, _ = library.media.add(Image.from_uint8(np.full((8, 8, 3), shade, np.uint8)))
    library.texts.add(stored.id, "name", name, source="file")
    return stored.id


def tiles(page: AppTest) -> list[str]:
    return [button.label for button in page.button if (button.key or "").startswith("open-")]


def test_an_empty_library_says_how_it_fills(store: Store) -> None:
    page = open_page("library").run()
    assert not page.exception
    assert "Nothing here yet" in html_of(page)


def test_what_is_new_is_looked_at_once_and_shown_with_a_thumbnail(library: Library, work: Callable[[], None]) -> None:
    first = put(library, 10, "first")
    put(library, 20, "second <b>")
    page = open_page("library").run()
    assert len(tiles(page)) == 2
    assert "data:image/webp" not in html_of(page)
    assert f'src="{library.path(first)}"' in html_of(page)  # as it is, until there is a thumbnail
    assert "adding" in page.query_params
    work()
    page.run()
    assert not page.exception
    assert html_of(page).count("data:image/webp") == 2
    assert any("second \\<b\\>" in tile for tile in tiles(page))
    page.run()
    assert not JobQueue(library.store).has_work()


def test_kinds_stars_and_collections_narrow_the_view(library: Library) -> None:
    first, second = put(library, 10, "first"), put(library, 20, "second")
    library.star(first)
    library.collect("Best", [second])
    page = open_page("library").run()
    page.button_group(key="kinds").set_value(["star"]).run()
    assert [("first" in tile) for tile in tiles(page)] == [True]
    page.button_group(key="kinds").set_value(["audio"]).run()
    assert tiles(page) == []
    assert "Nothing of this kind" in html_of(page)
    page.button_group(key="kinds").set_value([]).run()
    page.selectbox(key="collection").set_value("Best").run()
    assert ["second" in tile for tile in tiles(page)] == [True]


def test_a_click_opens_a_medium_with_its_facts_and_a_star_is_given(library: Library, work: Callable[[], None]) -> None:
    first = put(library, 10, "first")
    page = open_page("library").run()
    work()
    page.button(key=f"open-{first[:16]}").click().run()
    assert not page.exception
    assert page.query_params["item"] in (first, [first])
    assert "8 × 8" in html_of(page)
    page.button(key="star").click().run()
    assert library.get(first).is_starred
    page.multiselect(key=f"tags-{first[:16]}").set_value(["brass"]).run()
    page.multiselect(key=f"collections-{first[:16]}").set_value(["Best"]).run()
    assert library.texts.tags() == {"brass": 1}
    assert library.collections() == {"Best": 1}


def test_what_is_deleted_lies_in_the_bin_until_it_is_undone_or_emptied(library: Library) -> None:
    first = put(library, 10, "first")
    page = open_page("library").run()
    page.button(key=f"open-{first[:16]}").click().run()
    page.button(key="delete").click().run()
    assert tiles(page) == []
    page.button(key="undo-delete").click().run()
    assert len(tiles(page)) == 1
    page.button(key=f"open-{first[:16]}").click().run()
    page.button(key="delete").click().run()
    page.selectbox(key="collection").set_value(BIN).run()
    assert len(tiles(page)) == 1
    page.button(key="empty-bin").click().run()
    assert not page.exception
    assert library.items() == []


def test_several_are_chosen_starred_packed_and_deleted_at_once(library: Library) -> None:
    ids = [put(library, shade, f"thing {shade}") for shade in (10, 120, 250)]
    page = open_page("library").run()
    page.toggle(key="chooses").set_value(True).run()
    for media_id in ids[:2]:
        page.checkbox(key=f"pick-{media_id[:16]}").check()
    page.run()
    assert "2 chosen" in html_of(page)
    page.button(key="star-picked").click().run()
    assert {item.id for item in library.items(starred=True)} == set(ids[:2])
    with zipfile.ZipFile(io.BytesIO(packed(library, ids[:2]))) as archive:
        assert len(archive.namelist()) == 2
    page.button(key="delete-picked").click().run()
    assert not page.exception
    assert browse(library, View(), limit=5)[1] == 1
    page.button(key="undo-delete").click().run()
    assert browse(library, View(), limit=5)[1] == 3


def test_what_a_conversation_shows_stays_when_the_bin_is_emptied(library: Library) -> None:
    first = put(library, 10, "first")
    history = History(library.store)
    history.append(history.create("tiny").id, "user", [{"type": "image", "media": first}], job="j")
    library.collect(BIN, [first])
    assert empty_bin(library) == 1
    assert browse(library, View(), limit=5) == ([], 0)
    assert browse(library, View(collection=BIN), limit=5)[1] == 1


def test_added_files_are_kept_named_and_refusals_are_told(
    library: Library, work: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    png = io.BytesIO()
    PillowImage.new("RGB", (8, 8), "red").save(png, format="PNG")
    page = open_page("library").run()
    page.file_uploader[0].upload("sunset.png", png.getvalue(), "image/png")
    page.file_uploader[0].upload("odd.png", b"<svg onload=alert(1)>", "image/png").run()
    page.button(key="add").click().run()
    work()
    page.run()
    assert not page.exception
    (item,) = library.items()
    assert names_of(library, [item.id]) == {item.id: "sunset"}
    assert "odd" in page.warning[0].value
    monkeypatch.setattr("studio.ui.words.language", lambda: "zh-CN")
    sentence, detail = page.run().warning[0].value.splitlines()
    assert sentence.startswith("有一个文件无法加入") and "odd" in detail


def test_a_search_never_reads_a_file_that_is_only_named(library: Library) -> None:
    for text in ("./secret.png", "/etc/passwd", 'boat + file:"x.png"'):
        with pytest.raises(StudioError, match="Attach the file"):
            read_page_query(text)
    put(library, 10, "first")
    page = open_page("library").run()
    page.chat_input[0].set_value("./secret.png").run()
    assert "Attach the file" in page.error[0].value
    assert "found" not in page.query_params


def test_the_real_encoder_finds_by_words_and_by_a_picture_and_by_example(library: Library, tmp_path: Path) -> None:
    ids = [put(library, shade, f"thing {shade}") for shade in (10, 120, 250)]
    finder = Finder(library.store)

    def do() -> None:
        while (lease := JobQueue(library.store).claim()) is not None:
            run_job(lease, finder.kinds())

    page = open_page("library").run()
    page.chat_input[0].set_value("thing 120").run()
    assert "Found for: thing 120" in html_of(page)
    do()
    page.run()
    assert not page.exception
    assert any("thing 120" in tile for tile in tiles(page))
    page.button(key="show-all").click().run()
    page.chat_input[0].upload("given.png", library.path(ids[2]).read_bytes(), "image/png").set_value("").run()
    do()
    page.run()
    assert "thing 250" in tiles(page)[0]
    page.button(key=f"open-{ids[0][:16]}").click().run()
    page.button(key="similar").click().run()
    do()
    page.run()
    assert not page.exception
    assert "Found for: like “thing 10”" in html_of(page)
    assert "still too small" in html_of(page)
    assert "of the kind" not in html_of(page)
    assert "thing 10" not in "".join(tiles(page))
    assert len(tiles(page)) == 2


def test_a_medium_is_made_again_with_its_verdict(library: Library, model: Model) -> None:
    named = replace(model, preset="tiny")
    history, queue = History(library.store), JobQueue(library.store)
    answerer = Answerer(library.store, models=OneModel(lambda preset: named))
    for seed in range(20):
        conversation = history.create("tiny").id
        ask(library.store, conversation=conversation, text=f"draw {seed}", options=ReplyOptions(seed=seed))
        lease = queue.claim()
        assert lease is not None
        run_job(lease, answerer.kinds())
        if any(item.modality == "image" for item in library.items()):
            break
    made = next(item for item in library.items() if item.modality == "image")
    page = open_page("library")
    page.query_params["item"] = made.id
    page.run()
    assert not page.exception
    page.button(key="replay").click().run()
    lease = queue.claim()
    assert lease is not None
    run_job(lease, answerer.kinds())
    page.run()
    assert not page.exception
    assert "Identical" in page.success[0].value

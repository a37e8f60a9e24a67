"""What is known to go wrong: the same in the catalogue of the pages, told in the reader's language by its code."""

from collections.abc import Mapping

import pytest
from streamlit.testing.v1 import AppTest
from studio_pages import open_page

from studio.errors import StudioError
from studio.faults import FAULTS, fault
from studio.jobs.queue import JobQueue, Lease
from studio.jobs.worker import JobKind, run_job
from studio.store import Store
from studio.ui.faults import MESSAGES, told

pytestmark = pytest.mark.usefixtures("started_workers")


def failing(error: Exception) -> Mapping[str, JobKind]:
    def fail(lease: Lease) -> None:
        raise error

    return {"create": fail}


def failed_page(store: Store, error: Exception) -> AppTest:
    page = open_page("create").run()
    page.text_area(key="wish").set_value("a bell")
    page.button(key="create").click().run()
    lease = JobQueue(store).claim()
    assert lease is not None
    run_job(lease, failing(error))
    return page.run()


def test_the_pages_know_every_fault_in_the_same_words() -> None:
    assert dict(MESSAGES) == dict(FAULTS)


def test_an_error_carries_its_sentence_and_its_code() -> None:
    error = fault("many-cells", limit=36, count=40)
    assert str(error) == "A grid has up to 36 cells; this one has 40. Give fewer values."
    assert (error.code, error.values) == ("many-cells", {"limit": "36", "count": "40"})


@pytest.mark.parametrize(
    ("error", "english", "chinese"),
    [
        (
            fault("no-decoder", preset="mine", modality="video", able="image"),
            "makes no video",
            "模型 mine 不能生成 视频",
        ),
        (MemoryError(), "not enough memory", "内存不足"),
        (RuntimeError("secret"), "inside the studio", "工作室内部出错"),
    ],
    ids=["known", "memory", "unforeseen"],
)
def test_what_the_worker_could_not_do_is_told_in_the_readers_language(
    store: Store, monkeypatch: pytest.MonkeyPatch, error: Exception, english: str, chinese: str
) -> None:
    page = failed_page(store, error)
    assert english in page.error[0].value.replace("\\", "")
    monkeypatch.setattr("studio.ui.words.language", lambda: "zh-CN")
    page.run()
    assert not page.exception
    assert chinese in page.error[0].value.replace("\\", "")
    assert "secret" not in page.error[0].value


@pytest.mark.parametrize(
    ("error", "chinese"),
    [
        (StudioError("The moon is full."), "没能做到"),
        (ValueError("The moon is full."), "没能做到"),
        (fault("unreadable", said="The moon is full.", name="moon.png"), "无法读取文件 moon.png"),
    ],
    ids=["without a code", "a value", "more than its sentence"],
)
def test_what_was_said_beyond_a_known_sentence_stands_below_one_in_the_readers_language(
    store: Store, monkeypatch: pytest.MonkeyPatch, error: Exception, chinese: str
) -> None:
    page = failed_page(store, error)
    assert page.error[0].value.replace("\\", "") == "The moon is full."
    monkeypatch.setattr("studio.ui.words.language", lambda: "zh-CN")
    sentence, detail = page.run().error[0].value.replace("\\", "").splitlines()
    assert chinese in sentence
    assert detail == ":small[The moon is full.]"


def test_a_known_sentence_is_known_also_where_it_was_kept_without_its_code(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studio.ui.words.language", lambda: "zh-CN")
    page = failed_page(store, StudioError(FAULTS["interrupted"]))
    assert "中断了两次" in page.error[0].value
    assert ":small" not in page.error[0].value


def test_where_a_studio_is_shared_an_error_names_files_and_no_folders(
    store: Store, shared: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for language in ("en", "zh-CN"):
        monkeypatch.setattr("studio.ui.words.language", lambda language=language: language)
        for error in (
            ValueError("/srv/models/core holds nothing"),
            fault("no-pictures-there", path="/srv/models/core"),
        ):
            said = told(error if isinstance(error, StudioError) else StudioError(str(error)))
            assert "core" in said and "srv" not in said

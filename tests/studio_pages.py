"""The studio's pages as tests open them, a worker's part in the chat, and the words in their source and on them."""

import ast
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from streamlit.testing.v1 import AppTest

from encoders.media import Audio, Image, Video
from pipelines.presets import PRESETS
from studio.conversation.history import History
from studio.jobs.queue import JobQueue, Lease
from studio.jobs.worker import run_job
from studio.media_store import MediaStore
from studio.models.preset_state import figures_of
from studio.models.presets import HONEST_LABEL
from studio.store import Store
from studio.ui.preset_words import to_do_message

ROOT = Path(__file__).resolve().parents[1]
MARKS = ("_", "N_")
LATIN = re.compile(r"[A-Za-z]{3,}")
PROSE = re.compile(r"(?<![\w./-])[a-z]{2,}(?![\w./-])")  # a word, where names are written large or with signs
SHOWN: dict[str, str] = {
    "library": "show_library",
    "models": "show_models",
    "create": "show_create",
    "train": "show_train",
    "lab": "show_lab",
}


def open_page(name: str) -> AppTest:
    """Return a page, not yet run: alone, or the chat with the way to the others, as a person finds it."""
    if name == "chat":
        return AppTest.from_file(str(ROOT / "app.py"), default_timeout=30)
    script = f"from studio.ui.frame import open_page\nfrom studio.ui.{name} import {SHOWN[name]}\n"
    return AppTest.from_string(f"{script}open_page()\n{SHOWN[name]}()\n", default_timeout=30)


def pages() -> dict[str, AppTest]:
    """Return every page by its name."""
    return {name: open_page(name) for name in ("chat", *SHOWN)}


def marked_messages() -> set[str]:
    """Return every text in the pages' source that stands in _() or N_()."""
    return {text for path in (ROOT / "studio" / "ui").rglob("*.py") for text in _marked(ast.parse(path.read_text()))}


def preset_messages() -> set[str]:
    """Return what presets, their parts and their figures say of themselves in words, which the pages translate."""
    said = {HONEST_LABEL}
    for preset in PRESETS.values():
        said |= {preset.title, preset.summary, preset.licence, to_do_message(preset)}
        said |= {text for part in preset.parts for text in (part.title, part.licence)}
        said |= {figure.title for figure in figures_of(preset)}
    return {text for text in said if PROSE.search(text)}


def _marked(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in MARKS:
            (argument,) = node.args
            if isinstance(argument, ast.Constant):
                yield argument.value


def html_of(page: AppTest) -> str:
    return "\n".join(element.proto.body for element in page.get("html"))


def chart_words(page: AppTest) -> set[str]:
    """Return what the axes and the legends of a page's charts are called, which is said where a chart is pointed at, too."""
    charts = [*page.get("arrow_vega_lite_chart"), *page.get("vega_lite_chart")]
    return {word for chart in charts for word in _named_in(json.loads(chart.proto.spec))}


def _named_in(spec: object) -> Iterator[str]:
    """Yield every title and field of a chart's description that is text."""
    for name, value in spec.items() if isinstance(spec, dict) else enumerate(spec) if isinstance(spec, list) else ():
        if name in ("title", "field") and isinstance(value, str):
            yield value
        yield from _named_in(value)


def latin_words(page: AppTest, *, allowed: set[str]) -> set[str]:
    """Return the words in Latin letters that a page shows, without the allowed ones, cells of tables, and what says of itself
    that it is not to be translated.
    """
    shown = [
        re.sub(
            r"<style>.*?</style>|<(\w+)[^>]* translate=\"no\".*?</\1>|<tbody.*?</tbody>|<[^>]*>",
            " ",
            html_of(page),
            flags=re.DOTALL,
        )
    ]
    for kind in (
        "button", "toggle", "slider", "select_slider", "number_input", "text_input", "text_area", "selectbox",
        "multiselect", "checkbox", "radio", "expander", "button_group", "popover",
    ):  # fmt: skip
        shown += [str(getattr(element.proto, "label", "")) for element in page.get(kind)]
        shown += [re.sub(r"`[^`]*`", "", str(getattr(element.proto, "help", ""))) for element in page.get(kind)]
    return {word for text in shown for word in LATIN.findall(re.sub(r":material/\w+:", "", text))} - allowed


def conversation_of(page: AppTest) -> str:
    """Return the conversation that the page's address names."""
    name = page.query_params["c"]
    return name if isinstance(name, str) else name[0]


def ask(page: AppTest, text: str) -> AppTest:
    return page.chat_input[0].set_value(text).run()


def answer(store: Store, reply: Callable[[Lease, MediaStore], list[dict[str, Any]]]) -> None:
    """Do the worker's part of the oldest waiting request."""

    def chat(lease: Lease) -> None:
        content = reply(lease, MediaStore(store))
        lease.finish(
            {"content": content, "seconds": 1.5},
            record=lambda: History(store).append(
                lease.job.payload["conversation"], "assistant", content, job=lease.job.id
            ),
        )

    lease = JobQueue(store).claim()
    assert lease is not None
    run_job(lease, {"chat": chat})


def say(words: str) -> Callable[[Lease, MediaStore], list[dict[str, Any]]]:
    return lambda lease, media: [{"type": "text", "text": words}]


def make_everything(lease: Lease, media: MediaStore) -> list[dict[str, Any]]:
    frames = np.full((8, 16, 16, 3), 90, dtype=np.uint8)
    made = (
        Image.from_uint8(frames[0]),
        Audio.from_numpy(np.zeros(1600, dtype=np.float32), 16000),
        Video.from_uint8(frames, 4.0),
    )
    stored = [media.add(one)[0] for one in made]
    return [{"type": "text", "text": "Here."}, *({"type": one.modality, "media": one.id} for one in stored)]

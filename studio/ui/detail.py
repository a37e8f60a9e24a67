"""One medium of the library: large, with all that is known of it, its recipe, and what can be done with it."""

import html
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import streamlit as st

from studio.errors import StudioError
from studio.jobs.queue import Job
from studio.library.gallery import BIN, collections_of, is_thrown_away, names_of, put_back, throw_away
from studio.library.library import Item
from studio.notices import Notice
from studio.plain_text import printable
from studio.ui.faults import shown
from studio.ui.frame import PageStudio, go_to_page, show_text
from studio.ui.messages import MIME, seconds_of, show_media
from studio.ui.notices import in_language, show_notice
from studio.ui.similar import find_similar
from studio.ui.tiles import title_of
from studio.ui.variations import creation_of, vary
from studio.ui.words import N_, _
from studio.ui.work import follow_job, job_in_address, show_failure, start

LARGE = 560
NEW = "+"
VERDICTS: Mapping[str, str] = {
    "identical": N_("Identical: every bit of it came out the same."),
    "equivalent": N_("Equivalent: it came out the same but for rounding."),
    "different": N_("Different: it did not come out the same."),
}


def show_detail(studio: PageStudio, media_id: str) -> None:
    """Show a medium by its id."""
    st.button(_("Back to the library"), key="back", icon=":material/arrow_back:", type="tertiary", on_click=_close)
    try:
        item = studio.library.get(media_id)
        path = studio.library.path(item.id)
    except StudioError:
        st.warning(_("This is not in the library any more."), icon=":material/info:")
        return
    st.html(
        f'<div class="studio-title"><h1>{html.escape(printable(title_of(item, names_of(studio.library, [item.id]))))}</h1></div>'
    )
    left, right = st.columns([3, 2], gap="large")
    recipe = recipe_of(studio, item.id)
    with left:
        with st.container(key="large"):
            show_media(studio, item.modality, item.id, width=LARGE)
        _show_actions(studio, item, path)
    with right:
        _show_facts(studio, item, recipe)
        if recipe is not None:
            st.button(
                _("Make it again and compare"), key="replay", icon=":material/replay:", width="stretch",
                on_click=_replay, args=(studio, item),
            )  # fmt: skip
            _show_replay(studio)
            with st.expander(_("The whole recipe"), icon=":material/receipt_long:"):
                st.json(recipe | {"preset": shown(recipe["preset"])}, expanded=1)
        _show_gathering(studio, item)


def recipe_of(studio: PageStudio, media_id: str) -> dict[str, Any] | None:
    """Return the recipe of something that the studio made."""
    row = studio.store.row("SELECT recipe FROM recipes WHERE media = ?", media_id)
    return None if row is None else dict(json.loads(row["recipe"]))


def _show_actions(studio: PageStudio, item: Item, path: Path) -> None:
    with st.container(key="actions", horizontal=True, vertical_alignment="center", gap="xsmall"):
        st.button(
            _("Starred") if item.is_starred else _("Star"), key="star", icon=":material/star:",
            type="primary" if item.is_starred else "secondary",
            on_click=studio.library.star, args=(item.id,), kwargs={"is_starred": not item.is_starred},
        )  # fmt: skip
        st.download_button(
            _("Download"), path.read_bytes, file_name=f"{item.modality}-{item.id[:8]}{path.suffix}", mime=MIME[item.modality],
            key="download", icon=":material/download:", on_click="ignore",
        )  # fmt: skip
        st.button(
            _("Find similar"), key="similar", icon=":material/image_search:", on_click=_find_similar,
            args=(studio, item.id),
        )  # fmt: skip
        creation = creation_of(studio, item.id)
        if creation is not None and st.button(
            _("Variations"), key="vary", icon=":material/dynamic_feed:",
            help=_("Variations: four more of the same wish, with other seeds"),
        ):  # fmt: skip
            go_to_page("create", job=vary(studio, creation).id)
        if st.button(_("Use in chat"), key="use", icon=":material/chat_bubble:"):
            st.session_state.used = [item.id]
            go_to_page("chat")
        if is_thrown_away(studio.library, item.id):
            st.button(
                _("Put back"), key="put-back", icon=":material/undo:", on_click=put_back,
                args=(studio.library, [item.id]),
            )  # fmt: skip
        else:
            st.button(_("Delete"), key="delete", icon=":material/delete:", on_click=_delete, args=(studio, item.id))


def _show_facts(studio: PageStudio, item: Item, recipe: Mapping[str, Any] | None) -> None:
    facts = {_("Added"): time.strftime("%Y-%m-%d %H:%M", time.localtime(item.created))}
    if item.width is not None:
        facts[_("Size")] = f"{item.width} × {item.height}"
    if item.seconds is not None:
        facts[_("Length")] = seconds_of(item.seconds)
    facts[_("File")] = f"{item.num_bytes / 1024:,.0f} KiB"
    if recipe is not None:
        facts |= {
            _("Asked for"): _request(recipe),
            _("Made by"): recipe["preset"],
            _("Seed"): str(recipe["options"]["seed"]),
        }
    for text in studio.library.texts.of(item.id):
        if text.kind == "caption":
            facts[_("Caption")] = text.text
    lines = (f"<dt>{html.escape(name)}</dt><dd>{html.escape(printable(value))}</dd>" for name, value in facts.items())
    st.html(f'<dl class="studio-facts">{"".join(lines)}</dl>')


def _request(recipe: Mapping[str, Any]) -> str:
    return " ".join(part["text"] for part in recipe["messages"][-1]["content"] if part["type"] == "text")


def _show_gathering(studio: PageStudio, item: Item) -> None:
    """Collections and tags, which a person gives and takes."""
    inside = collections_of(studio.library, item.id)
    known = [name for name in studio.library.collections() if name != BIN]
    chosen = st.multiselect(
        _("Collections"), known, default=inside, accept_new_options=True, key=f"collections-{item.id[:16]}",
        placeholder=_("Choose one, or write a new name"),
    )  # fmt: skip
    tags = [text.text for text in studio.library.texts.of(item.id) if text.kind == "tag"]
    said = st.multiselect(
        _("Tags"), sorted({*studio.library.texts.tags(), *tags}), default=tags, accept_new_options=True,
        key=f"tags-{item.id[:16]}", placeholder=_("Write a tag"),
    )  # fmt: skip
    for name in set(chosen) - set(inside) - {BIN}:
        studio.library.collect(name, [item.id])
    for name in set(inside) - set(chosen):
        studio.library.uncollect(name, [item.id])
    for tag in set(said) - set(tags):
        studio.library.texts.add(item.id, "tag", tag, source="person")
    for tag in set(tags) - set(said):
        studio.library.texts.remove(item.id, "tag", tag)


def _show_replay(studio: PageStudio) -> None:
    job = job_in_address(studio, "replay")
    if job is None:
        return
    if not job.state.is_final:
        follow_job(job.id, _("Making it again"))
    elif job.result is None:
        show_failure(studio, job)
    else:
        _show_verdict(studio, job)


def _show_verdict(studio: PageStudio, job: Job) -> None:
    assert job.result is not None, "the caller looked"
    report = job.result["report"]
    is_same = report["verdict"] != "different"
    words = _(VERDICTS[report["verdict"]])
    (st.success if is_same else st.warning)(words, icon=":material/verified:" if is_same else ":material/info:")
    if report["reason"]:
        show_notice(Notice.from_dict({"text": report["reason"]}))
    if report["differences"] and report["verdict"] != "identical":
        differences = "; ".join(in_language(Notice.from_dict({"text": one})) for one in report["differences"])
        show_text(_("What differs here: {differences}").format(differences=differences), kind="note")
    if report["verdict"] != "identical":
        for part in job.result["content"]:
            show_media(studio, part["type"], part["media"], width=LARGE // 2)


def _replay(studio: PageStudio, item: Item) -> None:
    start(studio, "replay", {"path": str(studio.library.path(item.id)), "preset": None})


def _find_similar(studio: PageStudio, media_id: str) -> None:
    _close()
    find_similar(studio, media_id)


def _delete(studio: PageStudio, media_id: str) -> None:
    throw_away(studio.library, [media_id])
    st.session_state.thrown = [media_id]
    _close()


def _close() -> None:
    for name in ("item", "job"):
        st.query_params.pop(name, None)

"""The page of everything that was made here or added: a gallery, searched by words and by example."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from studio.errors import StudioError
from studio.jobs.finding import read_page_query
from studio.jobs.queue import Job, JobState
from studio.library.gallery import (
    BIN,
    View,
    browse,
    empty_bin,
    is_thrown_away,
    names_of,
    packed,
    put_back,
    throw_away,
    unpictured,
)
from studio.library.library import Item
from studio.media_store import MAX_UPLOAD_BYTES
from studio.notices import Notice
from studio.ui.detail import show_detail
from studio.ui.faults import told, with_detail
from studio.ui.frame import (
    FILE_TYPES,
    WIDE,
    PageStudio,
    label,
    page_studio,
    set_width,
    show_empty,
    show_text,
    show_title,
    wake_worker,
)
from studio.ui.map import show_map
from studio.ui.notices import show_notice
from studio.ui.tiles import KIND_ICONS, KIND_NAMES, show_tiles
from studio.ui.words import N_, _
from studio.ui.work import follow_job, job_in_address, show_failure, start

PAGE_ITEMS = 48
LIKE = "like:"  # how a search names a medium of the library
STAR = "star"
GALLERY, MAP = "gallery", "map"
REFUSED = N_("A file could not be taken in.")
LAYOUTS = {GALLERY: N_("Gallery"), MAP: N_("Map")}
LAYOUT_ICONS = {GALLERY: ":material/grid_view:", MAP: ":material/scatter_plot:"}


def show_library() -> None:
    """Show the gallery, what a search found, or one medium."""
    set_width(WIDE)
    studio = page_studio()
    wake_worker(studio)
    if "item" in st.query_params:
        st.session_state.pop("thrown", None)
        show_detail(studio, st.query_params["item"])
        return
    _show_undo(studio)
    show_title(_("Library"), _("Everything that was made here or added, found by what it shows."))
    view = _choose_view(studio)
    _show_search(studio, view)
    _take_in(studio)
    search = job_in_address(studio, "search", name="found")
    if search is not None:
        _show_found(studio, search)
    elif st.session_state.get("layout") == MAP:
        show_map(studio, view)
    else:
        _show_gallery(studio, view)


def _choose_view(studio: PageStudio) -> View:
    names = [name for name in studio.library.collections() if name != BIN]
    with st.container(key="view", horizontal=True, vertical_alignment="center", gap="small"):
        chosen = st.pills(
            _("Show"),
            [*KIND_NAMES, STAR],
            selection_mode="multi",
            format_func=lambda one: ":material/star:" if one == STAR else f"{KIND_ICONS[one]} {_(KIND_NAMES[one])}",
            label_visibility="collapsed",
            key="kinds",
        )
        collection = None
        if names or studio.library.collections().get(BIN):
            collection = st.selectbox(
                _("Collection"),
                [None, *names, *([BIN] if studio.library.collections().get(BIN) else [])],
                format_func=lambda name: _("All collections") if name is None else _("Bin") if name == BIN else name,
                label_visibility="collapsed",
                key="collection",
                width=200,
            )
        st.segmented_control(
            _("Layout"), list(LAYOUTS), default=GALLERY, required=True, label_visibility="collapsed", key="layout",
            format_func=lambda one: f"{LAYOUT_ICONS[one]} {_(LAYOUTS[one])}",
        )  # fmt: skip
        _show_adding(studio)
        if st.session_state.layout == GALLERY:
            st.toggle(_("Choose several"), key="chooses")
    return View(tuple(one for one in chosen if one != STAR), STAR in chosen, collection)


def _show_adding(studio: PageStudio) -> None:
    with st.popover(_("Add"), icon=":material/add:"):
        show_text(
            _("Pictures, sounds and videos of your own, kept in the studio and found by what they show."), kind="note"
        )
        files = st.file_uploader(
            _("Files"), FILE_TYPES, accept_multiple_files=True, label_visibility="collapsed",
            key=f"files-{st.session_state.get('num_added', 0)}",
        )  # fmt: skip
        if st.button(_("Add them"), key="add", type="primary", disabled=not files):
            uploads = _spooled(studio, files)
            if uploads is not None:
                st.session_state.num_added = st.session_state.get("num_added", 0) + 1
                start(studio, "take-in", {"uploads": uploads}, name="adding")
                st.rerun()
        show_text(_("Whole folders, left where they are: studio library add FOLDER"), kind="note")


def _spooled(studio: PageStudio, files: Sequence[Any]) -> list[dict[str, str]] | None:
    """Keep files for the worker; None, with a word to the person, if one is too large."""
    try:
        return [{"upload": studio.media.spool(file), "name": file.name} for file in files]
    except StudioError as error:
        st.error(told(error), icon=":material/error:")
        return None


def _take_in(studio: PageStudio) -> None:
    """Have the worker look at what is new, and show how far it has come."""
    adding = job_in_address(studio, "take-in", name="adding")
    if adding is None:
        new = unpictured(studio.library)
        if new and st.session_state.get("looked_at") != new:
            st.session_state.looked_at = new
            adding = start(studio, "take-in", {}, name="adding")
    if adding is None:
        return
    if not adding.state.is_final:
        follow_job(adding.id, _("Looking at what is new"))
    elif adding.state == JobState.DONE:
        assert adding.result is not None, "a job that is done has a result"
        for reason in adding.result["refused"]:
            st.warning(with_detail(REFUSED, reason), icon=":material/info:")
        if not adding.result["refused"]:
            del st.query_params["adding"]
    else:
        show_failure(studio, adding)


def _show_search(studio: PageStudio, view: View) -> None:
    with st.container(key="search"):
        asked = st.chat_input(
            _("Search by words, or with a picture, a sound or a video"),
            accept_file="multiple",
            file_type=FILE_TYPES,
            max_upload_size=MAX_UPLOAD_BYTES // 2**20,
            key="asked",
        )
    if asked:
        try:
            if (asked.text or "").strip():
                read_page_query(asked.text)
            uploads = [{"upload": studio.media.spool(file), "name": file.name} for file in asked.files]
        except StudioError as error:
            st.error(told(error), icon=":material/error:")
            return
        search(studio, asked.text or "", uploads=uploads, view=view)
        st.rerun()


def search(
    studio: PageStudio,
    text: str,
    *,
    uploads: Sequence[dict[str, str]] = (),
    view: View | None = None,
    everything: bool = False,
) -> None:
    """Queue a search, and have the page show what it finds."""
    filters = " ".join(map(str, (view or View()).filters))
    payload = {"text": text, "uploads": list(uploads), "filters": filters, "everything": everything}
    start(studio, "search", payload, name="found")


def _show_found(studio: PageStudio, job: Job) -> None:
    asked = [*(one["name"] for one in job.payload["uploads"]), _asked(studio, job.payload["text"])]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        show_text(_("Found for: {asked}").format(asked=" + ".join(filter(None, asked))), kind="chip")
        st.button(_("Show all"), key="show-all", icon=":material/close:", type="tertiary", on_click=_forget_search)
    if not job.state.is_final:
        follow_job(job.id, _("Searching"))
        return
    if job.result is None:
        show_failure(studio, job)
        return
    for notice in job.result["notices"]:
        show_notice(Notice.from_dict(notice) if isinstance(notice, dict) else Notice(notice))
    if job.result["is_small"]:
        show_text(_("The library is still too small to tell what stands out: the nearest come first."), kind="note")
    matches = [m for m in job.result["matches"] if not is_thrown_away(studio.library, m["media"])]
    items = _known(studio, [match["media"] for match in matches])
    notes = {match["media"]: _told(match) for match in matches}
    show_tiles(studio, items, names_of(studio.library, [item.id for item in items]), notes=notes)
    if not job.payload["everything"]:
        with st.container(horizontal_alignment="center"):
            if not items:
                show_text(_("Nothing here stands out from the rest."), kind="note")
            if st.button(_("Show the nearest, whatever they are"), key="everything", type="tertiary"):
                payload = dict(job.payload) | {"everything": True}
                start(studio, "search", payload, name="found")
                st.rerun()


def _asked(studio: PageStudio, text: str) -> str:
    """Return what was asked as a person reads it: a medium by its name."""
    media_id = text.strip().removeprefix(LIKE)
    if media_id == text.strip():
        return media_id
    return _("like “{name}”").format(name=names_of(studio.library, [media_id]).get(media_id, media_id[:12]))


def _known(studio: PageStudio, ids: Sequence[str]) -> list[Item]:
    """Return the media that are still there."""
    found = []
    for media_id in ids:
        try:
            found.append(studio.library.get(media_id))
        except StudioError:
            continue
    return found


def _told(match: dict[str, Any]) -> str:
    """Say in a word or two how a match stands out."""
    if match["moments"]:
        best = match["moments"][0]
        return _("at {start:.0f}-{stop:.0f} s").format(start=best["start"], stop=best["stop"])
    if match["score"] is None:
        return _("in its words") if match["has_words"] else ""
    return _("stands out {score:.1f}").format(score=match["score"])


def _forget_search() -> None:
    st.query_params.pop("found", None)


def _show_gallery(studio: PageStudio, view: View) -> None:
    shown = PAGE_ITEMS * (1 + st.session_state.get("more", 0))
    items, count = browse(studio.library, view, limit=shown)
    if not items:
        _show_nothing(view)
        return
    if view.collection == BIN:
        _show_bin(studio, items)
    names = names_of(studio.library, [item.id for item in items])
    above = st.container(key="picked", horizontal=True, vertical_alignment="center", gap="small")
    picked = show_tiles(studio, items, names, chooses=bool(st.session_state.get("chooses")))
    if picked:
        with above:
            _show_picked(studio, picked)
    if count > len(items):
        with st.container(horizontal_alignment="center"):
            words = _("Show more ({shown} of {count})").format(shown=len(items), count=count)
            st.button(words, key="show-more", on_click=_show_more)


def _show_picked(studio: PageStudio, picked: list[str]) -> None:
    """Show what can be done with several media at once."""
    show_text(_("{count} chosen").format(count=len(picked)), kind="note")
    st.button(_("Star"), key="star-picked", icon=":material/star:", on_click=_star, args=(studio, picked))
    with st.popover(_("Collect"), icon=":material/create_new_folder:"):
        name = st.text_input(_("Collection"), key="collect_into", placeholder=_("Choose one, or write a new name"))
        if st.button(_("Put them there"), key="collect-picked", type="primary", disabled=name.strip() in ("", BIN)):
            studio.library.collect(name, picked)
            st.rerun()
    st.download_button(
        _("Download"), lambda: packed(studio.library, picked), file_name="library.zip", mime="application/zip",
        key="download-picked", icon=":material/download:", on_click="ignore",
    )  # fmt: skip
    st.button(_("Delete"), key="delete-picked", icon=":material/delete:", on_click=_delete, args=(studio, picked))


def _star(studio: PageStudio, picked: list[str]) -> None:
    for media_id in picked:
        studio.library.star(media_id)


def _delete(studio: PageStudio, picked: list[str]) -> None:
    throw_away(studio.library, picked)
    st.session_state.thrown = picked


def _show_more() -> None:
    st.session_state.more = st.session_state.get("more", 0) + 1


def _show_nothing(view: View) -> None:
    if view == View():
        show_empty(
            _("Nothing here yet"),
            _(
                "What the model makes comes here by itself. Add pictures, sounds and videos of your own with the button above."
            ),
        )
    else:
        show_empty(_("Nothing of this kind"), _("Choose other kinds, or take the star or the collection away."))


def _show_bin(studio: PageStudio, items: Sequence[Item]) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        show_text(_("Open something to put it back."), kind="note")
        with st.popover(_("Empty the bin"), icon=":material/delete_forever:"):
            show_text(_("What is in the bin goes for good. Your own files outside the studio stay."), kind="note")
            if st.button(_("Delete for good"), key="empty-bin", type="primary"):
                kept = empty_bin(studio.library)
                if kept:
                    stay = _("{count} stay: a conversation shows them. Delete the conversation first.")
                    st.session_state.remark = stay.format(count=kept)
                st.rerun()


def _show_undo(studio: PageStudio) -> None:
    """After something was thrown away, offer it back; tell what else there is to tell."""
    if remark := st.session_state.pop("remark", None):
        st.info(label(remark), icon=":material/info:")
    thrown = st.session_state.get("thrown")
    if thrown is None:
        return
    with st.container(key="undo", horizontal=True, vertical_alignment="center", gap="small"):
        show_text(_("It is in the bin."), kind="chip")
        st.button(_("Undo"), key="undo-delete", icon=":material/undo:", on_click=_undo, args=(studio, thrown))


def _undo(studio: PageStudio, thrown: list[str]) -> None:
    put_back(studio.library, thrown)
    st.session_state.pop("thrown", None)

"""The page on which a person talks with the model. Work lives in the job queue; the page asks, and shows what came."""

import html
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import streamlit as st

from studio.conversation.ask import MAX_ATTACHMENTS, MAX_CHARACTERS, Upload, ask, spool_file
from studio.conversation.history import ConversationRecord, Message
from studio.conversation.history_search import conversations_with
from studio.conversation.live import LiveReply
from studio.errors import StudioError
from studio.faults import fault
from studio.jobs.queue import Job, JobState
from studio.media_store import MAX_UPLOAD_BYTES
from studio.models.presets import DEFAULT_PRESET, HONEST_LABEL
from studio.options import ReplyOptions
from studio.ui.faults import told, why_failed
from studio.ui.frame import (
    FILE_TYPES,
    MARK,
    NARROW,
    PageStudio,
    chosen_preset,
    label,
    look_for_worker,
    page_studio,
    set_width,
    show_text,
    wake_worker,
)
from studio.ui.messages import is_there, show_live, show_media, show_reply, show_request
from studio.ui.settings import choose_options
from studio.ui.turns import show_keeping, show_turn_actions
from studio.ui.uses import show_uses
from studio.ui.words import N_, _
from studio.ui.work import show_pause

POLL_SECONDS = 0.4
SHOWN_TURNS = 20  # of a long conversation, so that the page stays quick
SEARCHED_FROM = 5  # conversations; fewer are seen at a glance
EXAMPLES = (
    (":material/palette:", N_("Draw a red bell above a blue boat")),
    (":material/music_note:", N_("Play a trumpet")),
    (":material/animation:", N_("Show a green frog that bounces")),
    (":material/auto_awesome:", N_("Draw a yellow bird at night and let me hear it")),
)


def show_chat() -> None:
    """Show the whole page."""
    set_width(NARROW)
    studio = page_studio()
    wake_worker(studio)
    conversation = _open_conversation(studio)
    options = _show_sidebar(studio, conversation)
    messages = studio.history.messages(conversation.id) if conversation else []
    is_busy = _show_messages(studio, conversation, messages, options)
    if not messages:
        _show_empty_state(studio, conversation, options)
    used = _show_used(studio)
    said = st.chat_input(
        _("Answering…") if is_busy else _("Say, show or play something"),
        accept_file="multiple",
        file_type=FILE_TYPES,
        accept_audio=True,
        max_chars=MAX_CHARACTERS,
        max_upload_size=MAX_UPLOAD_BYTES // 2**20,
        disabled=is_busy,
        key="said",
    )
    if said:
        files = list(said.files) + ([said.audio] if said.audio else [])
        _ask(studio, conversation, said.text or "", files, options, used=used)


def _show_used(studio: PageStudio) -> list[str]:
    """Show what was chosen elsewhere to be said something about; return it, by its ids."""
    used = [one for one in st.session_state.get("used", []) if is_there(studio, one)]
    if used:
        with st.container(key="used", horizontal=True, vertical_alignment="bottom", gap="small"):
            for media_id in used:
                show_media(studio, studio.media.get(media_id).modality, media_id, width=120)
            show_text(_("It goes with what you say next."), kind="note")
            st.button(_("Leave it out"), key="unuse", icon=":material/close:", type="tertiary", on_click=_leave_out)
    return used


def _leave_out() -> None:
    st.session_state.pop("used", None)


def _open_conversation(studio: PageStudio) -> ConversationRecord | None:
    """Return the conversation that the address names: a refreshed page comes back to where it was."""
    conversation = st.query_params.get("c")
    if conversation is None:
        return None
    try:
        return studio.history.get(conversation)
    except StudioError as error:
        st.warning(told(error), icon=":material/info:")
        return None


def _show_sidebar(studio: PageStudio, conversation: ConversationRecord | None) -> ReplyOptions:
    with st.sidebar:
        st.button(
            _("New conversation"), icon=":material/add:", key="new", width="stretch", on_click=_go_to, args=(None,)
        )
        options = choose_options()
        recent = studio.history.recent()
        if recent:
            show_text(_("Earlier conversations"), kind="note")
        if len(recent) > SEARCHED_FROM:
            words = st.text_input(
                _("Search conversations"), key="history_words", placeholder=_("Search conversations"),
                icon=":material/search:", label_visibility="collapsed",
            )  # fmt: skip
            found = conversations_with(studio.store, words) if words.strip() else None
            recent = [record for record in recent if found is None or record.id in found]
        with st.container(key="history"):
            for record in recent:
                is_open = conversation is not None and record.id == conversation.id
                st.button(
                    label(record.title),
                    key=f"history-{record.id}",
                    type="secondary" if is_open else "tertiary",
                    width="stretch",
                    on_click=_go_to,
                    args=(record.id,),
                )
        if conversation is not None and recent:
            show_keeping(studio, conversation)
            with st.popover(_("Delete this conversation"), icon=":material/delete:", type="tertiary"):
                show_text(_("Its messages go. Files that you downloaded stay."), kind="note")
                st.button(_("Delete"), key="delete", on_click=_delete, args=(studio, conversation.id))
            if conversation.preset == DEFAULT_PRESET:
                show_text(_(HONEST_LABEL), kind="note")
            else:
                show_text(
                    _("This conversation is with {name}.").format(name=Path(conversation.preset).name), kind="note"
                )
    return options


def _go_to(conversation: str | None) -> None:
    st.session_state.pop("earlier", None)
    st.query_params.clear()
    if conversation is not None:
        st.query_params["c"] = conversation


def _delete(studio: PageStudio, conversation: str) -> None:
    for message in studio.history.messages(conversation):
        studio.queue.cancel(message.job)
    studio.history.delete(conversation)
    _go_to(None)


def _show_empty_state(studio: PageStudio, conversation: ConversationRecord | None, options: ReplyOptions) -> None:
    st.html(
        f'<div class="studio-hero">{MARK}<h1>{_("What shall we make?")}</h1>'
        f"<p>{_('Write, or attach a picture, a sound or a video. The answer may be any of them too.')}</p></div>"
    )
    rows = [st.columns(2, gap="small") for _row in EXAMPLES[::2]]  # a row at a time, as they are read and as Tab goes
    for number, (icon, text) in enumerate(EXAMPLES):
        with rows[number // 2][number % 2]:
            if st.button(_(text), key=f"example-{number}", icon=icon, width="stretch"):
                _ask(studio, conversation, _(text), [], options)
    if chosen_preset() == DEFAULT_PRESET:
        st.html(f'<div class="studio-label">{_(HONEST_LABEL)}</div>')
    else:
        words = _("You talk with {name}. Another model is chosen on the page of the models.")
        st.html(f'<div class="studio-label">{html.escape(words.format(name=Path(chosen_preset()).name))}</div>')


def _show_messages(
    studio: PageStudio, conversation: ConversationRecord | None, messages: Sequence[Message], options: ReplyOptions
) -> bool:
    """Show the conversation; return whether a reply is under way."""
    replies = {message.job: message for message in messages if message.role == "assistant"}
    requests = [message for message in messages if message.role == "user"]
    is_busy = False
    hidden = len(requests) - SHOWN_TURNS * (1 + st.session_state.get("earlier", 0))
    if hidden > 0:
        with st.container(horizontal_alignment="center"):
            words = _("Show earlier ({count})").format(count=hidden)
            st.button(words, key="earlier-turns", type="tertiary", on_click=_show_earlier)
    for request in requests[max(hidden, 0) :]:
        job = studio.queue.get(request.job)
        if request.job not in replies and not job.state.is_final:
            is_busy = True
            _follow(job.id)
            continue
        show_request(studio, request.content, job=request.job)
        if request.job in replies:
            show_reply(studio, replies[request.job].content, job=job, below=partial(show_uses, studio))
            if conversation is not None:
                show_turn_actions(studio, conversation, request, job, options, _go_to)
        elif job.state != JobState.DONE:
            _show_unanswered(studio, job, is_last=request is requests[-1])
    return is_busy


def _show_earlier() -> None:
    st.session_state.earlier = st.session_state.get("earlier", 0) + 1


def _show_unanswered(studio: PageStudio, job: Job, *, is_last: bool) -> None:
    if job.state == JobState.FAILED:
        st.error(why_failed(studio, job), icon=":material/error:")
    else:
        show_text(_("Stopped."), kind="note")
    if is_last:
        st.button(
            _("Try again"), key=f"retry-{job.id}", icon=":material/refresh:", on_click=_retry, args=(studio, job.id)
        )


@st.fragment(run_every=POLL_SECONDS)
def _follow(job_id: str) -> None:
    """Show a request with its reply under way, from the job's events; when it ends, the whole page is shown anew."""
    studio = page_studio()
    job = studio.queue.get(job_id)
    live: dict[str, LiveReply] = st.session_state.setdefault("live", {})
    reply = live.setdefault(job_id, LiveReply())
    for event in studio.queue.events(job_id, after=reply.last_event):
        reply.apply(event)
    if job.state.is_final:
        del live[job_id]
        st.rerun()
    look_for_worker(studio)
    show_request(studio, studio.history.request(job_id).content, job=job_id)
    with st.container(key="live", gap="small"):
        show_live(studio, reply, job=job)
        st.button(
            _("Stopping…") if job.cancel_requested else _("Stop"),
            key=f"stop-{job_id}",
            icon=":material/stop_circle:",
            disabled=job.cancel_requested,
            on_click=_cancel,
            args=(studio, job_id),
        )
        show_pause(studio, job)


def _cancel(studio: PageStudio, job_id: str) -> None:
    studio.queue.cancel(job_id)


def _retry(studio: PageStudio, job_id: str) -> None:
    try:
        studio.queue.retry(job_id)
    except StudioError as error:
        st.toast(told(error), icon=":material/info:")


def _ask(
    studio: PageStudio,
    conversation: ConversationRecord | None,
    text: str,
    files: Sequence[Any],
    options: ReplyOptions,
    *,
    used: Sequence[str] = (),
) -> None:
    """Spool the files, queue the request and show the page anew; a mistake is told on the page."""
    try:
        num_files = len(files) + len(used)
        if num_files > MAX_ATTACHMENTS:
            raise fault("many-files", limit=MAX_ATTACHMENTS, count=num_files)
        uploads = [Upload(studio.media.spool(file), file.name) for file in files]
        uploads += [spool_file(studio.media, studio.media.path(media_id)) for media_id in used]
        conversation = conversation or studio.history.create(chosen_preset())
        ask(studio.store, conversation=conversation.id, text=text, uploads=uploads, options=options)
    except StudioError as error:
        st.error(told(error), icon=":material/error:")
        return
    _leave_out()
    _go_to(conversation.id)
    st.rerun()

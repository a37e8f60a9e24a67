"""Work under way on a page: how far it has come, and a way to stop it. It lives in the queue, so a refresh finds it again."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from studio.errors import StudioError
from studio.jobs.queue import Job, JobEvent, JobState
from studio.jobs.worker import ensure_worker
from studio.models.presets import page_preset
from studio.ui.faults import told, why_failed
from studio.ui.frame import PageStudio, look_for_worker, page_studio, show_text
from studio.ui.words import _

POLL_SECONDS = 0.4
QUEUE_SECONDS = 2.0
THINKING = '<div class="studio-thinking"><i></i><i></i><i></i>{}</div>'


def start(studio: PageStudio, kind: str, payload: Mapping[str, Any], *, name: str = "job") -> Job:
    """Queue work and note it in the page's address under `name`."""
    job = studio.queue.submit(kind, payload)
    ensure_worker(studio.store.home, preset=page_preset())
    st.query_params[name] = job.id
    return job


def job_in_address(studio: PageStudio, kind: str, *, name: str = "job") -> Job | None:
    """Return the job that the address names, if it is known here and of this kind."""
    job_id = st.query_params.get(name)
    if job_id is None:
        return None
    try:
        job = studio.queue.get(job_id)
    except StudioError:
        return None
    return job if job.kind == kind else None


def show_failure(studio: PageStudio, job: Job) -> None:
    """Say why a job has no result, and offer to try again."""
    if job.state == JobState.FAILED:
        st.error(why_failed(studio, job), icon=":material/error:")
    else:
        show_text(_("Stopped."), kind="note")
    st.button(_("Try again"), key=f"retry-{job.id}", icon=":material/refresh:", on_click=_retry, args=(studio, job.id))


@st.fragment(run_every=POLL_SECONDS)
def follow_job(job_id: str, doing: str) -> None:
    """Show a job under way; when it ends, the whole page is shown anew."""
    studio = page_studio()
    job = studio.queue.get(job_id)
    if job.state.is_final:
        st.rerun()
    look_for_worker(studio)
    with st.container(key=f"work-{job_id}", horizontal=True, vertical_alignment="center", gap="medium"):
        show_progress(studio.queue.events(job_id), doing)
        stop_button(studio, job)
    show_pause(studio, job)


def show_queue(studio: PageStudio) -> None:
    """Show in the side bar how much is under way, with what can be done to all of it; it keeps itself up to date."""
    if any(studio.queue.counts().values()) or studio.queue.is_paused:
        st.fragment(_show_queue, run_every=QUEUE_SECONDS)(studio)


def _show_queue(studio: PageStudio) -> None:
    counts, is_paused = studio.queue.counts(), studio.queue.is_paused
    waiting, running = counts[JobState.QUEUED], counts[JobState.RUNNING]
    if not (waiting or running or is_paused):
        return
    with st.container(key="queue", gap="small"):
        told = _("Under way: {running}, waiting: {waiting}").format(running=running, waiting=waiting)
        show_text(f"{_('Paused')} · {told}" if is_paused else told, kind="note")
        with st.container(horizontal=True, gap="small"):
            if is_paused:
                st.button(_("Go on"), key="queue-resume", icon=":material/play_arrow:", on_click=studio.queue.resume)
            else:
                st.button(
                    _("Pause"), key="queue-pause", icon=":material/pause:", on_click=studio.queue.pause,
                    help=_("What runs is finished; nothing new is begun."),
                )  # fmt: skip
            if waiting or running:
                st.button(
                    _("Stop all"), key="queue-stop", icon=":material/stop_circle:", on_click=_cancel_all, args=(studio,)
                )


def show_pause(studio: PageStudio, job: Job) -> None:
    """Say of a job that waits because the queue is paused that it does, and offer to go on."""
    if job.state == JobState.QUEUED and studio.queue.is_paused:
        with st.container(key=f"paused-{job.id}", horizontal=True, vertical_alignment="center", gap="small"):
            show_text(_("The queue is paused, so this waits."), kind="note")
            st.button(_("Go on"), key=f"resume-{job.id}", icon=":material/play_arrow:", on_click=studio.queue.resume)


def show_progress(events: Sequence[JobEvent], doing: str) -> None:
    """Show what is being done, and how much of it is done where that is known."""
    last = events[-1] if events else None
    if last is None:
        st.html(THINKING.format(_("Waiting for the model")), width="content")
    elif last.kind == "loading":
        st.html(THINKING.format(_("Waking the model up")), width="content")
    elif last.kind == "media_step":
        st.progress(min(last.data["step"] / last.data["num_steps"], 1.0), text=doing, width=320)
    elif last.kind == "progress" and "total" in last.data:
        st.progress(min(last.data["done"] / max(last.data["total"], 1), 1.0), text=doing, width=320)
    elif last.kind == "progress":
        st.html(THINKING.format(f"{doing}: {last.data['done']}"), width="content")
    else:
        st.html(THINKING.format(doing), width="content")


def stop_button(studio: PageStudio, job: Job) -> None:
    """Offer to stop a job."""
    st.button(
        _("Stopping…") if job.cancel_requested else _("Stop"),
        key=f"stop-{job.id}",
        icon=":material/stop_circle:",
        disabled=job.cancel_requested,
        on_click=_cancel,
        args=(studio, job.id),
    )


def _cancel(studio: PageStudio, job_id: str) -> None:
    studio.queue.cancel(job_id)


def _cancel_all(studio: PageStudio) -> None:
    studio.queue.cancel_all()


def _retry(studio: PageStudio, job_id: str) -> None:
    try:
        studio.queue.retry(job_id)
    except StudioError as error:
        st.toast(told(error), icon=":material/info:")

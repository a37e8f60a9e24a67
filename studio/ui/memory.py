"""What of the models is in memory now, on the models page: told, loaded, let go; with every worker, since any may answer."""

from collections.abc import Sequence, Set
from pathlib import Path

import streamlit as st

from pipelines.presets import PRESETS
from studio.errors import StudioError
from studio.home import root_home
from studio.jobs.importing import imported_models
from studio.jobs.queue import Job, JobState
from studio.jobs.worker import ensure_worker, worker_names
from studio.models.loaded import LoadedModel, loaded_models
from studio.models.presets import page_preset
from studio.ui.frame import PageStudio, look_for_worker, page_studio, show_text
from studio.ui.person import is_shared
from studio.ui.words import N_, _
from studio.ui.work import POLL_SECONDS, show_failure, show_pause, show_progress, stop_button

SMALLEST_GIGABYTES = 5e8  # bytes below this are told in megabytes
ADDRESS = "memory"  # names in the page's address the jobs of the last order, one for each worker
DOING = {"load": N_("Loading"), "unload": N_("Unloading")}


def show_memory(studio: PageStudio, preset: str, *, is_whole: bool) -> None:
    """Tell which model each worker has in memory, and offer to load or unload the shown one."""
    jobs = _jobs_in_address(studio)
    if any(not job.state.is_final for job in jobs.values()):
        _follow()
        return
    for worker, job in jobs.items():
        if job.state == JobState.FAILED:
            if worker:
                show_text(_named(worker), kind="note")
            show_failure(studio, job)
    held = loaded_models(root_home(studio.store.home))
    holders = [one.worker for one in held if one.preset == preset]
    with st.container(key="memory", horizontal=True, vertical_alignment="center", gap="small"):
        if not holders or set(worker_names()) - set(holders):
            st.button(
                _("Load"), key="load", icon=":material/memory:", disabled=not is_whole,
                on_click=_load, args=(studio, preset),
                help=_("Has it ready before it is asked anything; what was loaded before makes room."),
            )  # fmt: skip
        if holders:
            st.button(
                _("Unload"), key="unload", icon=":material/memory:", on_click=_unload, args=(studio, preset, holders),
                help=_("Frees its memory; the next request waits until it is loaded again."),
            )  # fmt: skip
        with st.container(gap=None, width="content"):
            known = {*PRESETS, *map(str, imported_models(studio.store.home).values())}
            for told in [_told(one, known) for one in held] or [_("No model is in memory.")]:
                show_text(told, kind="note")


@st.fragment(run_every=POLL_SECONDS)
def _follow() -> None:
    """Show how far each worker is; when all are there, the whole page is shown anew."""
    studio = page_studio()
    jobs = {worker: job for worker, job in _jobs_in_address(studio).items() if not job.state.is_final}
    if not jobs:
        st.rerun()
    look_for_worker(studio)
    for worker, job in jobs.items():
        with st.container(key=f"work-{job.id}", horizontal=True, vertical_alignment="center", gap="medium"):
            if worker:
                show_text(_named(worker), kind="note")
            show_progress(studio.queue.events(job.id), _(DOING[job.kind]))
            stop_button(studio, job)
    show_pause(studio, next(iter(jobs.values())))


def _jobs_in_address(studio: PageStudio) -> dict[str, Job]:
    """Return the jobs of the last order by the workers that they are meant for, as far as they are known here."""
    found: dict[str, Job] = {}
    for job_id in st.query_params.get(ADDRESS, "").split(","):
        try:
            job = studio.queue.get(job_id)
        except StudioError:
            continue
        if job.kind in DOING:
            found[job.meant_for or ""] = job
    return found


def _told(held: LoadedModel, known: Set[str]) -> str:
    """Say what a worker holds, by its name if that is known to whoever looks: it may be what another person imported."""
    name = Path(held.preset).name if held.preset in known or not is_shared() else _("another person's model")
    told = _("In memory: {name}").format(name=name)
    if held.num_bytes is not None:
        memory = size_of(held.num_bytes)
        told = _("In memory: {name}, {memory} with its program").format(name=name, memory=memory)
    return f"{_named(held.worker)} · {told}" if held.worker else told


def _named(worker: str) -> str:
    return _("Graphics processor {number}").format(number=worker)


def size_of(count: int) -> str:
    """Write a number of bytes for a person."""
    return f"{count / 1e9:.1f} GB" if count >= SMALLEST_GIGABYTES else f"{count / 1e6:.1f} MB"


def _load(studio: PageStudio, preset: str) -> None:
    """Have every worker load a model, since a request goes to any that is free."""
    _order(studio, "load", preset, worker_names())
    ensure_worker(studio.store.home, preset=page_preset())


def _unload(studio: PageStudio, preset: str, holders: Sequence[str]) -> None:
    """Have those who hold a model let go of it. None is woken: who rests holds nothing."""
    _order(studio, "unload", preset, holders)


def _order(studio: PageStudio, kind: str, preset: str, workers: Sequence[str]) -> None:
    jobs = [studio.queue.submit(kind, {"preset": preset}, worker=worker) for worker in workers]
    st.query_params[ADDRESS] = ",".join(job.id for job in jobs)

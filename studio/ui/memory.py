"""What of the models is in memory now, on the models page: told, loaded, let go."""

from pathlib import Path

import streamlit as st

from studio.home import root_home
from studio.jobs.queue import JobState
from studio.models.loaded import LoadedModel, loaded_models
from studio.ui.frame import PageStudio, show_text
from studio.ui.words import _
from studio.ui.work import follow_job, job_in_address, show_failure, start

SMALLEST_GIGABYTES = 5e8  # bytes below this are told in megabytes


def show_memory(studio: PageStudio, preset: str, *, is_whole: bool) -> None:
    """Tell which model each worker has in memory, and offer to load or unload the shown one."""
    loading, leaving = (job_in_address(studio, kind, name="memory") for kind in ("load", "unload"))
    job = loading or leaving
    if job is not None and not job.state.is_final:
        follow_job(job.id, _("Loading") if job.kind == "load" else _("Unloading"))
        return
    if job is not None and job.state == JobState.FAILED:
        show_failure(studio, job)
    held = loaded_models(root_home(studio.store.home))
    with st.container(key="memory", horizontal=True, vertical_alignment="center", gap="small"):
        if any(one.preset == preset for one in held):
            st.button(
                _("Unload"), key="unload", icon=":material/memory:", on_click=_start, args=(studio, "unload", preset),
                help=_("Frees its memory; the next request waits until it is loaded again."),
            )  # fmt: skip
        else:
            st.button(
                _("Load"), key="load", icon=":material/memory:", disabled=not is_whole,
                on_click=_start, args=(studio, "load", preset),
                help=_("Has it ready before it is asked anything; what was loaded before makes room."),
            )  # fmt: skip
        with st.container(gap=None, width="content"):
            for told in map(_told, held) if held else [_("No model is in memory.")]:
                show_text(told, kind="note")


def _told(held: LoadedModel) -> str:
    name = Path(held.preset).name
    told = _("In memory: {name}").format(name=name)
    if held.num_bytes is not None:
        memory = size_of(held.num_bytes)
        told = _("In memory: {name}, {memory} with its program").format(name=name, memory=memory)
    if not held.worker:
        return told
    return f"{_('Graphics processor {number}').format(number=held.worker)} · {told}"


def size_of(count: int) -> str:
    """Write a number of bytes for a person."""
    return f"{count / 1e9:.1f} GB" if count >= SMALLEST_GIGABYTES else f"{count / 1e6:.1f} MB"


def _start(studio: PageStudio, kind: str, preset: str) -> None:
    start(studio, kind, {"preset": preset}, name="memory")

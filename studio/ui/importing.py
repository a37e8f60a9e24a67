"""Importing a checkpoint on the models page: its files, what it was trained on, how far the import is, what to know of it."""

import streamlit as st

from studio.errors import StudioError
from studio.jobs.importing import DECODERS, LEFT_OUT, folder_of
from studio.jobs.queue import Job
from studio.models.offered import offered_part
from studio.ui.faults import told, with_detail
from studio.ui.frame import PageStudio, go_to_page, show_text
from studio.ui.naming import example, place_of, show_offered
from studio.ui.person import is_shared
from studio.ui.tiles import KIND_NAMES
from studio.ui.words import N_, _
from studio.ui.work import follow_job, job_in_address, show_failure, start

NAME = "import"
REMARK = N_("This is to be known of the model:")
ROWS = {None: N_("Ask me if they differ"), "file": N_("The checkpoint's"), "base": N_("The language model's")}


def show_import(studio: PageStudio) -> None:
    """Offer to import a checkpoint; show one under way, and what came of it."""
    job = job_in_address(studio, "import", name=NAME)
    with st.expander(_("Import a checkpoint"), icon=":material/download_for_offline:", expanded=job is not None):
        if job is None:
            _ask(studio)
        elif not job.state.is_final:
            follow_job(job.id, _("Importing"))
            show_text(_("It goes on when this page is closed."), kind="note")
        elif job.result is None:
            show_failure(studio, job)
            _show_again()
        else:
            _show_imported(job)


def _ask(studio: PageStudio) -> None:
    show_text(
        _("A published NExT-GPT becomes a model of this studio. Its files are read where they lie on the server."),
        kind="note",
    )
    show_offered(studio)
    files = st.text_input(
        _("Checkpoint"), key="import_files", placeholder=example("~/nextgpt/pytorch_model.pt"),
        help=_("The file, or the folder of the files."),
    )  # fmt: skip
    left, right = st.columns(2)
    with left:
        base = st.text_input(
            _("Language model that it was trained on"), key="import_base", placeholder=example("~/vicuna-7b"),
            help=_("A folder, or a hub id that is on this machine."),
        )  # fmt: skip
    with right:
        encoder = st.text_input(
            _("ImageBind"), key="import_encoder", placeholder=example("~/imagebind"),
            help=_("The folder of ImageBind; none, for a model that is shown nothing."),
        )  # fmt: skip
    name = st.text_input(_("Name of the model"), key="import_name", placeholder="nextgpt-7b")
    with st.popover(_("More options"), icon=":material/tune:", type="tertiary"):
        show_text(_("Left empty: the decoders that it was trained for. none leaves one out."), kind="note")
        decoders = {
            kind: st.text_input(_(KIND_NAMES[kind]), key=f"import_{kind}", placeholder=LEFT_OUT).strip()
            for kind in DECODERS
        }
        rows = st.selectbox(
            _("Whose word embeddings count"), list(ROWS), format_func=lambda one: _(ROWS[one]), key="import_rows"
        )
    if st.button(
        _("Import"), key="import-start", type="primary", icon=":material/download_for_offline:",
        disabled=not (files.strip() and base.strip() and encoder.strip() and name.strip()),
    ):  # fmt: skip
        try:
            folder_of(studio.store.home, name.strip())
            payload = {
                "sources": [place_of(studio, files)], "base": _part(studio, base), "encoder": _part(studio, encoder),
                "decoders": {kind: _part(studio, part) for kind, part in decoders.items()}, "base_rows": rows,
                "name": name.strip(),
            }  # fmt: skip
        except StudioError as error:
            st.error(told(error), icon=":material/error:")
            return
        start(studio, "import", payload, name=NAME)
        st.rerun()


def _part(studio: PageStudio, name: str) -> str:
    """Return a part of a model as the import takes it."""
    name = name.strip()
    if is_shared() and name not in ("", LEFT_OUT):
        return offered_part(studio.store.home, name)
    return name if name in ("", LEFT_OUT) else place_of(studio, name)


def _show_imported(job: Job) -> None:
    assert job.result is not None, "the caller looked"
    st.success(_("Imported. It is among the models above now."), icon=":material/check_circle:")
    for remark in job.result["remarks"]:
        st.warning(with_detail(REMARK, remark), icon=":material/info:")
    if st.button(_("Talk with it"), key="talk-imported", type="primary", icon=":material/chat_bubble:"):
        st.session_state.preset = job.result["folder"]
        go_to_page("chat")
    _show_again()


def _show_again() -> None:
    st.button(_("Import another one"), key="import-again", type="tertiary", on_click=_forget)


def _forget() -> None:
    st.query_params.pop(NAME, None)

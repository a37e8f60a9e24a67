"""One training: how far it has come, its losses as they fall, what it says by now, and what can be done with it."""

import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from studio.errors import StudioError
from studio.models.runs import Preparing, Run, RunLog, Runs, RunState
from studio.models.training_plan import STAGES
from studio.ui.curves import curve_name
from studio.ui.faults import shown, told
from studio.ui.frame import go_to_page, label, page_studio, show_text, show_title
from studio.ui.models import table
from studio.ui.tiles import KIND_NAMES
from studio.ui.words import N_, _
from studio.ui.work import THINKING

STAGE_NAMES = {
    "align-inputs": N_("Stage 1: understand what the encoders see and hear"),
    "align-outputs": N_("Stage 2: steer the decoders"),
    "instruct": N_("Stage 3: hold conversations"),
    "vae": N_("A VAE, to compare with"),
    "biggan": N_("A BigGAN, to compare with"),
    "stylegan": N_("A StyleGAN2, to compare with"),
}
STATE_NAMES = {
    RunState.RUNNING: N_("running"),
    RunState.FINISHED: N_("finished"),
    RunState.STOPPED: N_("stopped"),
    RunState.FAILED: N_("failed"),
}
# What a training says that it prepares, without the kind of media that it is of.
PREPARED = {
    "tokenise": N_("texts become tokens"),
    "encode": N_("the encoder reads the media"),
    "captions for": N_("the decoder reads the captions"),
    "latents of": N_("the decoder reads the media"),
    "read": N_("pictures are read"),
    "render": N_("pictures are drawn"),
}
OTHER_PREPARED = N_("the frozen parts are read")
POLL_SECONDS = 1.0
MAX_POINTS = 400
MAX_EXAMPLES = 8
MAX_PROMPT = 200  # characters of what was asked, the last ones
MAX_SAID = 2000  # characters of what a command printed last
SMOOTH = 0.9


def show_run(runs: Runs, run_id: str) -> None:
    """Show a training by its id."""
    st.button(_("All trainings"), key="back", icon=":material/arrow_back:", type="tertiary", on_click=_close)
    try:
        run = runs.get(run_id)
    except StudioError as error:
        st.warning(told(error), icon=":material/info:")
        return
    show_title(_(STAGE_NAMES[run.stage]))
    st.code(shown(run.shown_command), language=None, wrap_lines=True)
    if runs.state(run) == RunState.RUNNING:
        _follow(run.id)
    else:
        _show(runs, run, runs.state(run))


@st.fragment(run_every=POLL_SECONDS)
def _follow(run_id: str) -> None:
    """Show a training under way, from its files; when it ends, the whole page is shown anew."""
    runs = Runs(page_studio().store.home)
    run = runs.get(run_id)
    state = runs.state(run)
    if state != RunState.RUNNING:
        st.rerun()
    _show(runs, run, state)


def _show(runs: Runs, run: Run, state: RunState) -> None:
    log = runs.log(run)
    _show_progress(runs, run, log, state)
    _show_actions(runs, run, state)
    if state == RunState.FAILED:
        st.error(_("The training ended early. What its command said last is below."), icon=":material/error:")
        st.code(shown(runs.output(run)[-MAX_SAID:]), language=None, wrap_lines=True)
    if log.rows:
        _show_losses(log)
    if log.preview:
        _show_examples(log.preview)
        _show_signals(log.preview)
    for sheet in runs.pictures(run)[:1]:
        said = _("Samples after step {step}").format(step=_step_of(sheet))
        st.image(sheet.read_bytes(), caption=said, alt=said)


def _show_progress(runs: Runs, run: Run, log: RunLog, state: RunState) -> None:
    total = run.num_steps or max(log.step, 1)
    so_far = _("step {step} of {total}").format(step=log.step, total=total)
    if state == RunState.RUNNING and log.steps_per_second:
        left = (total - log.step) / log.steps_per_second / 60
        so_far += " · " + _("{left:.0f} minutes left, about").format(left=max(left, 1))
    if state == RunState.RUNNING and not log.rows:
        _show_preparing(runs.preparing(run))
    else:
        st.progress(min(log.step / total, 1.0), text=so_far)


def _show_preparing(preparing: Preparing | None) -> None:
    """Show what comes before the first step; how far that is, where the training says it."""
    if preparing is None:
        ready = _("Getting ready: features of the frozen parts are kept for all trainings")
        st.html(THINKING.format(html.escape(ready)))
        return
    doing, _space, kind = preparing.what.rpartition(" ")
    if kind in KIND_NAMES:
        what = f"{_(PREPARED.get(doing, OTHER_PREPARED))} ({_(KIND_NAMES[kind])})"
    else:
        what = _(PREPARED.get(preparing.what, OTHER_PREPARED))
    so_far = _("Getting ready: {what}, {done} of {total}").format(
        what=what, done=f"{preparing.done:,}", total=f"{preparing.of:,}"
    )
    st.progress(min(preparing.done / max(preparing.of, 1), 1.0), text=so_far)


def _show_actions(runs: Runs, run: Run, state: RunState) -> None:
    with st.container(key="actions", horizontal=True, vertical_alignment="center", gap="small"):
        if state == RunState.RUNNING:
            is_stopping = runs.is_stopping(run)
            st.button(
                _("Stopping…") if is_stopping else _("Stop"), key="stop-run", icon=":material/stop_circle:",
                disabled=is_stopping, on_click=runs.stop, args=(run.id,),
            )  # fmt: skip
            show_text(_("It goes on when this page is closed."), kind="note")
        elif state in (RunState.STOPPED, RunState.FAILED):
            st.button(
                _("Go on"), key="resume-run", icon=":material/play_arrow:", type="primary", on_click=_go_on,
                args=(runs, run.id),
            )  # fmt: skip
            show_text(_("It goes on from its newest checkpoint."), kind="note")
        elif run.stage in STAGES:
            if st.button(_("Use in chat"), key="use-run", icon=":material/chat_bubble:", type="primary"):
                st.session_state.preset = str(run.folder)
                go_to_page("chat")
        else:
            show_text(_("It is on the page of the lab now."), kind="note")


def _show_losses(log: RunLog) -> None:
    names = curve_names(log)
    chosen = st.pills(
        _("Curves"), names, selection_mode="multi", default=names[:1], label_visibility="collapsed", key="curves",
        format_func=lambda name: label(curve_name(name)),
    )  # fmt: skip
    rows = thin(log.rows)
    if chosen:
        # A chart's own words are the names of its columns.
        step, named = _("Step"), {name: curve_name(name) for name in chosen}
        curves = {step: [row["step"] for row in rows]} | {
            named[name]: smooth([row.get(name, 0.0) for row in rows]) for name in chosen
        }
        st.line_chart(curves, x=step, y=list(named.values()), x_label=_("Steps"), y_label="", height=280)
    show_text(" · ".join(f"{curve_name(name)} {log.rows[-1][name]:.4g}" for name in names), kind="note")


def curve_names(log: RunLog) -> list[str]:
    """Return what a training wrote down at each logged step."""
    return [name for name in log.rows[-1] if name not in ("step", "grad_norm")] if log.rows else []


def thin(rows: Sequence[Mapping[str, float]]) -> Sequence[Mapping[str, float]]:
    """Return evenly chosen rows of a long log, as many as a chart tells apart."""
    return rows[:: max(1, len(rows) // MAX_POINTS)]


def smooth(values: Sequence[float]) -> list[float]:
    """Return a moving average that forgets a tenth with every value."""
    smoothed: list[float] = []
    for value in values:
        smoothed.append(value if not smoothed else SMOOTH * smoothed[-1] + (1 - SMOOTH) * value)
    return smoothed


def _show_examples(preview: Sequence[Mapping[str, Any]]) -> None:
    spoken = [row for row in preview if "text" in row][:MAX_EXAMPLES]
    if not spoken:
        return
    heads = (_("Asked"), _("Wanted"), _("It says"))
    rows = [
        tuple(html.escape(str(row.get(name, ""))[-MAX_PROMPT:]) for name in ("prompt", "wanted", "text"))
        for row in spoken
    ]
    st.html(table(heads, rows))


def _show_signals(preview: Sequence[Mapping[str, Any]]) -> None:
    """Show of held-out requests whether their signal fires by now, and how near it is to what its decoder wants."""
    asked = [row for row in preview if "fires" in row]
    if not asked:
        return
    share = sum(bool(row["fires"]) for row in asked) / len(asked)
    words = _(
        "Signals on requests that it never saw: {share:.0%} fire; nearness is 1 where the decoder gets what it wants."
    )
    show_text(words.format(share=share), kind="note")
    rows = [
        (
            html.escape(str(row["prompt"])[-MAX_PROMPT:]),
            _(KIND_NAMES[row["asks_for"]]) if row["asks_for"] in KIND_NAMES else html.escape(str(row["asks_for"])),
            _("yes") if row["fires"] else _("no"),
            f"{row['cosine']:.2f}",
        )
        for row in asked[:MAX_EXAMPLES]
    ]
    st.html(table((_("Asked"), _("Signal"), _("Fires"), _("Nearness")), rows))


def _step_of(sheet: Path) -> int:
    """Return the step that a sheet of samples was drawn after, by its name."""
    return int(sheet.stem.rpartition("-")[2])


def _go_on(runs: Runs, run_id: str) -> None:
    try:
        runs.resume(run_id)
    except StudioError as error:
        st.toast(told(error), icon=":material/info:")


def _close() -> None:
    st.query_params.pop("run", None)

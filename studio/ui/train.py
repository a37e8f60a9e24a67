"""The page on which the model, or a baseline, is taught: what, on which data, how long; then how it goes."""

import html
import time
from collections.abc import Mapping
from pathlib import Path

import streamlit as st

from pipelines.presets import PRESETS
from studio.errors import StudioError
from studio.models.presets import DEFAULT_PRESET
from studio.models.runs import Run, Runs, RunState, command_of
from studio.models.training_plan import BASELINES, STAGES, WORLD, plan_of
from studio.ui.faults import shown, told, with_detail
from studio.ui.frame import (
    NARROW,
    PageStudio,
    label,
    page_studio,
    set_width,
    show_text,
    show_title,
    wake_worker,
)
from studio.ui.naming import example, place_of, show_offered
from studio.ui.run_comparison import COMPARE, show_comparison
from studio.ui.training import STAGE_NAMES, STATE_NAMES, show_run
from studio.ui.words import N_, _
from studio.ui.work import follow_job, job_in_address, show_failure, start

STEPS = {"align-inputs": 2500, "align-outputs": 2500, "instruct": 1100, "vae": 4000, "biggan": 4000, "stylegan": 4000}
# How much of the drawn world a stage looks at; a short training looks at no more than it can use, since the frozen parts
# must read it all before the first step.
SAMPLES = {"align-inputs": 8_000, "align-outputs": 12_000, "instruct": 30_000}
# What comes before a game of two networks takes its share of a training that is shorter than the usual one.
OPENINGS = {
    "biggan": {"classifier-steps": 1500},
    "stylegan": {"classifier-steps": 1500, "decoder-steps": 1500, "blur-steps": 1500},
}
CHECKPOINTS, MOST_BETWEEN_CHECKPOINTS = 20, 250
USABLE, UNUSABLE = N_("All of this data can be used."), N_("This data cannot be used as it is.")
STATE_ICONS = {
    RunState.RUNNING: ":material/directions_run:",
    RunState.FINISHED: ":material/check_circle:",
    RunState.STOPPED: ":material/pause_circle:",
    RunState.FAILED: ":material/error:",
}


def show_train() -> None:
    """Show the form of a new training with those of before, or one training."""
    set_width(NARROW)
    studio = page_studio()
    wake_worker(studio)
    runs = Runs(studio.store.home)
    if "run" in st.query_params:
        show_run(runs, st.query_params["run"])
        return
    if COMPARE in st.query_params:
        show_comparison(runs)
        return
    show_title(
        _("Train"), _("Teach the model new senses. Only its small projections are trained; all else stays as it is.")
    )
    stage = str(
        st.selectbox(
            _("What to teach"), [*STAGES, *BASELINES], format_func=lambda one: _(STAGE_NAMES[one]), key="stage"
        )
    )
    data = _choose_data(studio, stage)
    options = {"data": data, **_choose_options(stage)}
    options |= _fitting(stage, options)
    _show_plan(runs, stage, options)
    if st.button(_("Start training"), key="start", type="primary", icon=":material/model_training:", disabled=not data):
        run = runs.start(stage, options)
        st.query_params["run"] = run.id
        st.rerun()
    _show_earlier(runs)


def _choose_data(studio: PageStudio, stage: str) -> str:
    """Return the data to train on; a person's own only once it was checked and can be used, else nothing."""
    own = st.segmented_control(
        _("On what"), [False, True], default=False, required=True, key="own_data",
        format_func=lambda is_own: _("My own data") if is_own else _("The drawn world"),
    )  # fmt: skip
    if not own:
        return WORLD
    is_baseline = stage in BASELINES
    show_offered(studio)
    named = st.text_input(
        _("Folder of pictures") if is_baseline else _("Manifest (JSON lines)"),
        key="data_path",
        placeholder=example("~/pictures" if is_baseline else "~/data/pairs.jsonl"),
        help=None if is_baseline else _('One object a line: {"image": "cat.png", "caption": "a cat on a sofa"}'),
    ).strip()
    try:
        path = place_of(studio, named) if named else ""
    except StudioError as error:
        st.error(told(error), icon=":material/error:")
        return ""
    job = job_in_address(studio, "check", name="checked")
    is_checked = job is not None and job.payload == {"data": path, "stage": stage}
    if st.button(_("Check the data"), key="check", icon=":material/fact_check:", disabled=not path):
        start(studio, "check", {"data": path, "stage": stage}, name="checked")
        st.rerun()
    if job is None or not is_checked:
        show_text(_("It is checked before anything starts: every line, and that every file can be read."), kind="note")
        return ""
    if not job.state.is_final:
        follow_job(job.id, _("Checking"))
    elif job.result is None:
        show_failure(studio, job)
    else:
        is_usable = job.result["is_usable"]
        sentence = USABLE if is_usable else UNUSABLE
        (st.success if is_usable else st.error)(with_detail(sentence, job.result["told"]))
        if is_usable:
            return path
    return ""


def _choose_options(stage: str) -> dict[str, str]:
    chosen: dict[str, str] = {}
    with st.expander(_("Options"), icon=":material/tune:"):
        if stage in STAGES:
            ready = [name for name, preset in PRESETS.items() if preset.folder is not None]
            chosen["preset"] = str(
                st.selectbox(_("Preset"), ready, index=ready.index(DEFAULT_PRESET), key="preset_taught")
            )
        left, right = st.columns(2)
        with left:
            chosen["steps"] = str(
                int(st.number_input(_("Steps"), 1, 1_000_000, value=STEPS[stage], key=f"steps_{stage}"))
            )
            chosen["batch-size"] = str(int(st.number_input(_("Samples a step"), 1, 4096, value=32, key="batch_size")))
        with right:
            chosen["seed"] = str(int(st.number_input(_("Seed"), 0, 2**31 - 1, value=0, key="seed_taught")))
            minutes = st.number_input(_("Stop after minutes (0: never)"), 0.0, 100_000.0, value=0.0, key="minutes")
            if minutes:
                chosen["minutes"] = f"{minutes:g}"
        if stage in STAGES and st.toggle(_("Start from untrained projections"), key="fresh"):
            chosen["fresh"] = ""
    return chosen


def _fitting(stage: str, options: Mapping[str, str]) -> dict[str, str]:
    """Return what follows from the length of a training: how much it looks at, and how often it can be stopped without loss."""
    steps = int(options["steps"])
    fitting = {"checkpoint-every": str(min(max(steps // CHECKPOINTS, 1), MOST_BETWEEN_CHECKPOINTS))}
    if stage in SAMPLES and options["data"] == WORLD:
        fitting["num-samples"] = str(min(steps * int(options["batch-size"]), SAMPLES[stage]))
    if steps < STEPS[stage]:
        for name, usual in OPENINGS.get(stage, {}).items():
            fitting[name] = str(usual * steps // STEPS[stage])
    return fitting


def _show_plan(runs: Runs, stage: str, options: dict[str, str]) -> None:
    plan = plan_of(stage, options.get("preset", ""))
    later = _("told when it starts")
    speed = runs.speed_of(stage)
    about = later
    if speed is not None:
        minutes = int(options["steps"]) / speed / 60
        about = _("about {minutes:.0f} minutes, by the last one").format(minutes=max(minutes, 1))
    facts = {
        _("Parameters trained"): later if plan.num_trained is None else f"{plan.num_trained:,}",
        _("Parameters left as they are"): later if plan.num_frozen is None else f"{plan.num_frozen:,}",
        _("Steps"): f"{int(options['steps']):,}",
        _("Time"): about,
    }
    cells = "".join(f"<dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd>" for name, value in facts.items())
    st.html(f'<dl class="studio-facts">{cells}</dl>')
    show_text(_("The same in a terminal:"), kind="note")
    command = command_of(stage, {k: v for k, v in options.items() if v or k == "fresh"}, Path("runs/NAME"))
    st.code(shown(f"studio {' '.join(command)}"), language=None, wrap_lines=True)


def _show_earlier(runs: Runs) -> None:
    earlier = runs.all()
    if not earlier:
        return
    st.html(f'<div class="studio-title"><h2>{html.escape(_("Trainings so far"))}</h2></div>')
    with st.container(key="runs", gap="small"):
        for run in earlier:
            state = runs.state(run)
            when = time.strftime("%Y-%m-%d %H:%M", time.localtime(run.created))
            words = f"{label(_(STAGE_NAMES[run.stage]))} · {_(STATE_NAMES[state])} · {label(when)}"
            st.button(
                words, key=f"run-{run.id}", icon=STATE_ICONS[state], type="tertiary", width="stretch",
                on_click=_open, args=(run,),
            )  # fmt: skip
    if len(earlier) > 1:
        st.button(_("Compare trainings"), key="compare-runs", icon=":material/compare_arrows:", on_click=_compare)


def _compare() -> None:
    st.query_params[COMPARE] = ""


def _open(run: Run) -> None:
    st.query_params["run"] = run.id

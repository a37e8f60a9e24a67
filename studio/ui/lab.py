"""The page of the classic generators: what each can show of itself, and one request through all of them."""

import html
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import streamlit as st

from pipelines.presets import LAB, PACKAGED
from studio.errors import StudioError
from studio.jobs.queue import Job
from studio.models.runs import Runs, RunState
from studio.models.training_plan import BASELINES
from studio.notices import Notice
from studio.options import MAX_SEED, draw_seed
from studio.ui.faults import told
from studio.ui.figures import show_figures
from studio.ui.frame import (
    WIDE,
    PageStudio,
    chosen_preset,
    go_to_page,
    page_studio,
    set_width,
    show_empty,
    show_text,
    show_title,
    wake_worker,
)
from studio.ui.messages import seconds_of, show_media
from studio.ui.models import table
from studio.ui.notices import in_language
from studio.ui.words import N_, _
from studio.ui.work import follow_job, job_in_address, show_failure, start

EXPERIMENTS = {
    "samples": N_("Samples"),
    "truncation": N_("Truncation"),
    "interpolation": N_("From one to another"),
    "mixing": N_("Mixed styles"),
    "traversal": N_("One latent at a time"),
    "morph": N_("One picture into another"),
}
SHOWS = {
    "samples": N_("What it makes of a class, one seed each."),
    "truncation": N_("The same seeds from fidelity, above, to variety, below."),
    "interpolation": N_("The way from one seed and class to another."),
    "mixing": N_("Coarse styles of the rows with fine styles of the columns."),
    "traversal": N_("Each row turns one latent of the VAE, those that tell most first."),
    "morph": N_("The way from one of your pictures to another."),
}
ABLE: Mapping[str, tuple[str, ...]] = {
    "VAE": ("samples", "truncation", "interpolation", "traversal", "morph"),
    "BigGAN": ("samples", "truncation", "interpolation"),
    "StyleGAN2": ("samples", "truncation", "interpolation", "mixing", "morph"),
}
COMPARE, FIGURES = "compare", "figures"
TOGETHER = {COMPARE: N_("All, side by side"), FIGURES: N_("Figures")}
PICTURES = ["png", "jpg", "jpeg", "webp", "gif"]
SHEET = 1100


def show_lab() -> None:
    """Show one generator's experiments, or all generators beside each other."""
    set_width(WIDE)
    studio = page_studio()
    wake_worker(studio)
    show_title(_("Lab"), _("The classic generators, to look into and to compare with."))
    models = generators(studio)
    if not models:
        show_empty(
            _("No generator here yet"),
            _("Train a VAE, a BigGAN or a StyleGAN2; it comes here when it is done."),
        )
        with st.container(horizontal_alignment="center"):
            if st.button(_("To the trainings"), key="to-train", type="primary", icon=":material/model_training:"):
                go_to_page("train")
        return
    name = _choose_generator(models)
    if name == FIGURES:
        show_figures(studio, [path for path, _family_name in models.values()])
        return
    with st.container(key="asked"):
        payload = _choose(models, name)
    pictures = _choose_pictures() if payload["experiment"] == "morph" else None
    is_ready = pictures is None or len(pictures) == 2
    if st.button(
        _("Draw"), key="draw", type="primary", icon=":material/brush:", shortcut="Ctrl+Enter", disabled=not is_ready
    ):
        try:
            uploads = [{"upload": studio.media.spool(file), "name": file.name} for file in pictures or ()]
        except StudioError as error:
            st.error(told(error), icon=":material/error:")
            return
        start(studio, "lab", payload | {"uploads": uploads} if uploads else payload)
        st.rerun()
    job = job_in_address(studio, "lab")
    if job is None:
        show_empty(
            _("Nothing drawn yet"), _("Choose what to see, and press Draw. What is drawn goes to the library too.")
        )
    else:
        _show_drawn(studio, job)


def generators(studio: PageStudio) -> dict[str, tuple[str, str]]:
    """Return the generators there are: their names for people -> (what loads them, their family)."""
    found: dict[str, tuple[str, str]] = {}
    for name in BASELINES:
        family = _family(PACKAGED / "tiny" / LAB / name)
        if family:
            found[name] = name, family
    runs = Runs(studio.store.home)
    for run in runs.all():
        if run.stage in BASELINES and runs.state(run) == RunState.FINISHED and (family := _family(run.folder)):
            found[f"{run.stage} {run.id}"] = str(run.folder), family
    return found


def _family(folder: Path) -> str:
    return str(_config(folder).get("_class_name", ""))


def _known(name: str) -> list[str]:
    """Return the words that a generator's classes are chosen by."""
    folder = PACKAGED / "tiny" / LAB / name if name in BASELINES else Path(name)
    return [str(one) for one in _config(folder).get("labels") or ()]


def _config(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def _choose_generator(models: Mapping[str, tuple[str, str]]) -> str:
    return str(
        st.pills(
            _("Generator"), [*models, *TOGETHER], default=next(iter(models)), required=True, key="generator",
            format_func=lambda one: _(TOGETHER[one]) if one in TOGETHER else _named(one),
        )
    )  # fmt: skip


def _named(name: str) -> str:
    """Return what a generator is called for people: one that was trained here by its family and when it was begun."""
    stage, _space, run = name.partition(" ")
    return f"{stage} · {run[:4]}-{run[4:6]}-{run[6:8]} {run[9:11]}:{run[11:13]}" if run else stage


def _choose_pictures() -> list[Any]:
    """Show where two pictures are added; return those that there are."""
    left, right = st.columns(2)
    with left:
        first = st.file_uploader(_("From this picture"), PICTURES, key="morph_first")
    with right:
        second = st.file_uploader(_("To this picture"), PICTURES, key="morph_second")
    return [file for file in (first, second) if file is not None]


def _choose(models: Mapping[str, tuple[str, str]], name: str) -> dict[str, object]:
    """Show the controls; return what the worker is told."""
    left, middle, right = st.columns(3)
    if name == COMPARE:
        with left:
            prompt = st.text_input(_("Your wish"), value=_("a red bell in a meadow"), key="prompt")
        with middle:
            seed = _choose_seed()
        return {
            "experiment": COMPARE, "prompt": prompt, "seed": seed, "preset": chosen_preset(),
            "models": [path for path, _family_name in models.values()],
        }  # fmt: skip
    path, family = models[name]
    with left:
        experiment = str(
            st.selectbox(_("Show"), ABLE[family], format_func=lambda one: _(EXPERIMENTS[one]), key="experiment")
        )
        show_text(_(SHOWS[experiment]), kind="note")
    if experiment == "morph":
        with middle:
            return {"experiment": experiment, "model": path, "seed": _choose_seed()}
    with middle:
        known = ", ".join(_known(path))
        classes = _labels(
            st.text_input(
                _("Class (empty: any)"), key="label", placeholder="bell, red",
                help=_("It knows: `{labels}`").format(labels=known) if known else None,
            )
        )  # fmt: skip
        to_classes = classes
        if experiment == "interpolation":
            to_classes = (
                _labels(st.text_input(_("Class at the end"), key="to_label", placeholder="boat, blue")) or classes
            )
    with right:
        seed = _choose_seed()
        truncation = 1.0
        if experiment not in ("truncation", "traversal"):
            truncation = st.slider(
                _("Truncation"), 0.1, 1.0, value=1.0, step=0.1, key="truncation",
                help=_("Less keeps to what is usual and looks cleaner; 1 shows all that it can make."),
            )  # fmt: skip
    return {
        "experiment": experiment, "model": path, "label": classes, "to_label": to_classes, "seed": seed,
        "truncation": truncation,
    }  # fmt: skip


def _choose_seed() -> int:
    if "lab_seed" not in st.session_state:
        st.session_state.lab_seed = draw_seed()
    return int(st.number_input(_("Seed"), 0, MAX_SEED, step=1, key="lab_seed"))


def _labels(text: str) -> list[str] | None:
    return [part.strip() for part in text.replace("，", ",").split(",") if part.strip()] or None


def _show_drawn(studio: PageStudio, job: Job) -> None:
    if not job.state.is_final:
        follow_job(job.id, _("Drawing"))
        return
    if job.result is None:
        show_failure(studio, job)
        return
    with st.container(key="large"):
        show_media(studio, "image", job.result["media"], width=SHEET)
    seed = _("seed {seed}").format(seed=job.payload["seed"])
    show_text(f"{seed} · {seconds_of(job.result['seconds'])}", kind="note")
    if job.result["families"]:
        heads = (_("Family"), _("Seconds"), _("Parameters"), "")
        rows = [
            (
                html.escape(one["name"]),
                "" if one["seconds"] is None else f"{one['seconds']:.2f}",
                "" if one["num_parameters"] is None else f"{one['num_parameters'] / 1e6:,.2f} M",
                html.escape(in_language(Notice(one["refusal"]))) if one["refusal"] else "",
            )
            for one in job.result["families"]
        ]
        st.html(table(heads, rows))

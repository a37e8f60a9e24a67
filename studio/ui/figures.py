"""The lab's table of figures: how well every family does, measured alike, with its plots."""

import html
import time
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from studio.jobs.figures import read_report
from studio.ui.frame import PageStudio, chosen_preset, show_empty, show_text
from studio.ui.models import table
from studio.ui.words import N_, _
from studio.ui.work import follow_job, job_in_address, show_failure, start

# The columns by their names in a report, and how a number of each is written.
COLUMNS: Mapping[str, tuple[str, str]] = {
    "thing": (N_("Thing right"), "{:.1%}"),
    "colour": (N_("Colour right"), "{:.1%}"),
    "background": (N_("Background right"), "{:.1%}"),
    "every": (N_("All three right"), "{:.1%}"),
    "new_combinations": (N_("New combinations right"), "{:.1%}"),
    "frechet": (N_("Fréchet distance"), "{:.3g}"),
    "precision": (N_("Precision"), "{:.2f}"),
    "recall": (N_("Recall"), "{:.2f}"),
    "diversity": (N_("Diversity"), "{:.3g}"),
    "parameters": (N_("Parameters"), "{:,}"),
    "seconds": (N_("Seconds a picture"), "{:.3f}"),
    "gigaflops": (N_("GFLOP a picture"), "{:.2f}"),
}
SHARES = ("thing", "colour", "background", "every", "new_combinations")
SAMPLES = (20, 50, 100, 200, 500)
REAL, DIFFUSION = "real renders", " (diffusion)"  # in the names of a report's rows


def show_figures(studio: PageStudio, models: Sequence[str]) -> None:
    """Offer to measure the generators, and show what came of it the last time."""
    samples = int(
        st.select_slider(
            _("Pictures of each family"), SAMPLES, value=100, key="figure_samples",
            help=_("More take longer and tell more surely."),
        )
    )  # fmt: skip
    if st.button(_("Measure"), key="measure", type="primary", icon=":material/query_stats:"):
        payload = {"models": list(models), "preset": chosen_preset(), "samples": samples}
        start(studio, "figures", payload, name="figures")
        st.rerun()
    job = job_in_address(studio, "figures", name="figures")
    if job is not None and not job.state.is_final:
        follow_job(job.id, _("Measuring"))
        show_text(_("It goes on when this page is closed."), kind="note")
    elif job is not None and job.result is None:
        show_failure(studio, job)
    report = read_report(studio.store.home)
    if report is not None:
        _show_report(report)
    elif job is None:
        show_empty(
            _("Nothing measured yet"),
            _(
                "Every family draws the same requests; a judge reads its pictures, and their features are "
                "compared with those of real ones."
            ),
        )


def _show_report(report: Mapping[str, Any]) -> None:
    rows: list[Mapping[str, Any]] = report["rows"]
    # A chart's own words, in its legend and where it is pointed at, are the names of its columns.
    family, share, read, distance = _("Family"), _("Percent"), _("What is right"), _("Distance")
    shares: dict[str, list[object]] = {family: [], share: [], read: []}
    for row in rows:
        for name in SHARES:
            if row[name] is not None:
                shares[family].append(_named(row["name"]))
                shares[share].append(100 * row[name])
                shares[read].append(_(COLUMNS[name][0]))
    left, right = st.columns(2)
    with left:
        show_text(_("Right, in percent"), kind="note")
        st.bar_chart(
            shares, x=family, y=share, color=read, stack=False, x_label="", y_label="", height=300,
        )  # fmt: skip
    with right:
        show_text(_("Fréchet distance from real pictures: less is nearer"), kind="note")
        distances = {family: [_named(row["name"]) for row in rows], distance: [row["frechet"] for row in rows]}
        st.bar_chart(distances, x=family, y=distance, x_label="", y_label="", height=300)
    heads = ("", *(html.escape(_(head)) for head, _format in COLUMNS.values()))
    st.html(table(heads, [_cells(row) for row in rows]))
    written = time.strftime("%Y-%m-%d %H:%M", time.localtime(report["written"]))
    told = _("{count} pictures of each, {size} × {size}, measured {when}. Features: {features}.")
    count, features = rows[0]["pictures"], report["features"]
    show_text(told.format(count=count, size=report["size"], when=written, features=features), kind="note")


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    values = ("–" if row[name] is None else shape.format(row[name]) for name, (_head, shape) in COLUMNS.items())
    return html.escape(_named(row["name"])), *values


def _named(name: str) -> str:
    """Return what a family is called: by the name of its folder, and by its kind where that is no name."""
    if name == REAL:
        return _("Real pictures")
    preset = name.removesuffix(DIFFUSION)
    return name if preset == name else _("{preset} (diffusion)").format(preset=preset)

"""Trainings beside each other: the losses of several in one chart, and what was chosen for each in one table."""

import html
import time

import streamlit as st

from studio.models.runs import Run, RunLog, Runs
from studio.ui.curves import curve_name
from studio.ui.faults import shown
from studio.ui.frame import label, show_text, show_title
from studio.ui.models import table
from studio.ui.training import STAGE_NAMES, STATE_NAMES, curve_names, smooth, thin
from studio.ui.words import _

COMPARE = "compare"
SEPARATOR = ","


def show_comparison(runs: Runs) -> None:
    """Show the trainings that the address names, and let others be chosen."""
    st.button(_("All trainings"), key="back", icon=":material/arrow_back:", type="tertiary", on_click=_close)
    show_title(_("Trainings side by side"), _("Their losses in one chart, and below what was chosen for each."))
    known = {run.id: run for run in runs.all()}
    asked = [one for one in st.query_params[COMPARE].split(SEPARATOR) if one in known]
    chosen = st.multiselect(
        _("Trainings"), list(known), default=asked or list(known)[:2], key="compared",
        format_func=lambda one: label(_name(known[one])), label_visibility="collapsed",
        placeholder=_("Choose two trainings or more"),
    )  # fmt: skip
    st.query_params[COMPARE] = SEPARATOR.join(chosen)
    if not chosen:
        show_text(_("Choose two trainings or more"), kind="note")
        return
    compared = [known[one] for one in chosen]
    logs = {run.id: runs.log(run) for run in compared}
    _show_curves(compared, logs)
    _show_options(runs, compared, logs)


def _show_curves(compared: list[Run], logs: dict[str, RunLog]) -> None:
    names = list(dict.fromkeys(name for log in logs.values() for name in curve_names(log)))
    if not names:
        show_text(_("None of these has written down a loss yet."), kind="note")
        return
    curve = str(
        st.pills(_("Curves"), names, default=names[0], required=True, label_visibility="collapsed", key="curve",
            format_func=lambda name: label(curve_name(name)),
        )
    )  # fmt: skip
    step, value, training = _("Step"), curve_name(curve), _("Training")
    points: dict[str, list[object]] = {step: [], value: [], training: []}
    for run in compared:
        rows = [row for row in thin(logs[run.id].rows) if curve in row]
        points[step] += [row["step"] for row in rows]
        points[value] += smooth([row[curve] for row in rows])
        points[training] += [_name(run)] * len(rows)
    st.line_chart(points, x=step, y=value, color=training, x_label=_("Steps"), y_label=value, height=320)


def _show_options(runs: Runs, compared: list[Run], logs: dict[str, RunLog]) -> None:
    """Show a column for each training; what they differ in stands out."""
    rows: list[tuple[str, list[str]]] = [
        (_("What to teach"), [_(STAGE_NAMES[run.stage]) for run in compared]),
        (_("State"), [_(STATE_NAMES[runs.state(run)]) for run in compared]),
    ]
    for name in dict.fromkeys(name for run in compared for name in run.options):
        rows.append((f"--{name}", [_said(run, name) for run in compared]))
    for name in dict.fromkeys(name for log in logs.values() for name in curve_names(log)):
        rows.append((curve_name(name), [_last(logs[run.id], name) for run in compared]))
    heads = ("", *(html.escape(_started(run)) for run in compared))
    cells = [
        (html.escape(name), *(_cell(value, is_alike=len(set(values)) == 1) for value in values))
        for name, values in rows
    ]  # fmt: skip
    st.html(table(heads, cells))


def _cell(value: str, *, is_alike: bool) -> str:
    return html.escape(value) if is_alike else f"<b>{html.escape(value)}</b>"


def _said(run: Run, name: str) -> str:
    if name not in run.options:
        return "–"
    return shown(run.options[name]) or _("yes")


def _last(log: RunLog, name: str) -> str:
    return f"{log.rows[-1][name]:.4g}" if log.rows and name in log.rows[-1] else "–"


def _name(run: Run) -> str:
    return f"{_(STAGE_NAMES[run.stage])} · {_started(run)}"


def _started(run: Run) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(run.created))


def _close() -> None:
    st.query_params.pop(COMPARE, None)

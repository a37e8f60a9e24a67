"""The page of the presets: what each is made of, what may be done with it, what is here of it, and how well it did."""

import html
from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from pipelines.presets import PRESETS, Preset
from studio.jobs.importing import imported_models
from studio.models.preset_plan import ABOUT
from studio.models.preset_state import OURS, CardFigure, PartState, figures_of, memory_of, parts_of
from studio.models.presets import DEFAULT_PRESET, HONEST_LABEL
from studio.ui.faults import shown
from studio.ui.frame import (
    NARROW,
    PageStudio,
    chosen_preset,
    go_to_page,
    page_studio,
    set_width,
    show_text,
    show_title,
    wake_worker,
)
from studio.ui.importing import show_import
from studio.ui.memory import show_memory, size_of
from studio.ui.preset_words import to_do_of, wanted_of
from studio.ui.words import N_, _

ROLES = {
    "core": N_("language core"),
    "encoder": N_("encoder"),
    "decoder": N_("decoder"),
    "projections": N_("projections"),
    OURS: N_("trained here"),
}
USES = {
    "yes": N_("Commercial use: yes"),
    "no": N_("Commercial use: no"),
    "with conditions": N_("Commercial use: with conditions"),
}


def show_models() -> None:
    """Show the presets, one of them at a time."""
    set_width(NARROW)
    studio = page_studio()
    wake_worker(studio)
    show_title(_("Models"), _("Each preset is a whole model. Choose one to see what it is made of, and talk with it."))
    imported = imported_models(studio.store.home)
    known = [*PRESETS, *imported]
    asked = st.query_params.get("preset")
    name = st.pills(
        _("Preset"), known, default=asked if asked in known else _here(), required=True, label_visibility="collapsed",
        key="shown_preset",
    )  # fmt: skip
    if str(name) in imported:
        _show_imported(studio, str(name), str(imported[str(name)]))
    else:
        _show_preset(studio, PRESETS[str(name)])
    show_import(studio)


def _show_imported(studio: PageStudio, name: str, folder: str) -> None:
    """Show a model that was imported: where it lies, and what can be done with it."""
    st.html(f'<div class="studio-title" translate="no"><h2>{html.escape(name)}</h2></div>')
    show_text(_("Imported. What it is made of and under which licences stands in its model card."), kind="note")
    card = Path(folder) / "README.md"
    if card.is_file():
        with st.expander(_("Model card"), icon=":material/description:"):
            st.code(shown(card.read_text(encoding="utf-8")), language=None, wrap_lines=True)
    if st.button(_("Talk with it"), key="talk", type="primary", icon=":material/chat_bubble:"):
        st.session_state.preset = folder
        go_to_page("chat")
    show_memory(studio, folder, is_whole=True)


def _show_preset(studio: PageStudio, preset: Preset) -> None:
    parts = _parts(preset.name)
    _show_summary(preset, parts)
    show_memory(studio, preset.name, is_whole=all(part.is_here for part in parts))
    with st.expander(_("What it is made of: {count} parts").format(count=len(parts)), icon=":material/view_list:"):
        _show_parts(parts)
    figures = figures_of(preset)
    if figures:
        _show_figures(figures)


def _here() -> str:
    return chosen_preset() if chosen_preset() in PRESETS else DEFAULT_PRESET


@st.cache_data(ttl=60, show_spinner=False)
def _parts(name: str) -> list[PartState]:
    return parts_of(PRESETS[name])


def _show_summary(preset: Preset, parts: list[PartState]) -> None:
    missing = [part for part in parts if not part.is_here]
    st.html(
        f'<div class="studio-title"><h2>{html.escape(_(preset.title))}</h2><p>{html.escape(_(preset.summary))}</p></div>'
    )
    num_parameters = sum(part.num_parameters for part in parts)
    chips = [
        _("Licence: {licence}").format(licence=_(preset.licence)),
        _(USES[preset.commercial_use]),
        _("{millions:,.0f} million parameters").format(millions=num_parameters / 1e6),
        _("Memory: {memory}").format(memory=ABOUT + size_of(memory_of(preset))),
    ]
    st.html('<div class="studio-chips">' + "".join(f"<span>{html.escape(chip)}</span>" for chip in chips) + "</div>")
    if preset.name == DEFAULT_PRESET:
        show_text(_(HONEST_LABEL), kind="note")
    if missing:
        size = size_of(sum(part.num_bytes for part in missing))
        words = _(
            "Not on this machine yet: {count} of its {of} parts, {size} to fetch. "
            "`studio presets show {name} --plan` names the files."
        )
        st.info(
            words.format(count=len(missing), of=len(parts), size=ABOUT + size, name=preset.name),
            icon=":material/download:",
        )
    if preset.to_do:
        show_text(to_do_of(preset), kind="note")
    is_chosen = chosen_preset() == preset.name
    if st.button(
        _("Talk with it"), key="talk", type="primary", icon=":material/chat_bubble:",
        disabled=bool(missing), help=_("New conversations are with this one.") if not is_chosen else None,
    ):  # fmt: skip
        st.session_state.preset = preset.name
        go_to_page("chat")


def _show_parts(parts: list[PartState]) -> None:
    rows = [
        (
            html.escape(_(part.title)),
            _(ROLES[part.role]),
            f"{part.num_parameters / 1e6:,.1f} M",
            size_of(part.num_bytes),
            html.escape(_(part.licence)),
            _("here") if part.is_here else f"{part.num_here}/{part.num_files}",
        )
        for part in parts
    ]
    heads = (_("Part"), _("What it is"), _("Parameters"), _("Files"), _("Licence"), _("Present"))
    st.html(table(heads, rows))


def _show_figures(figures: list[CardFigure]) -> None:
    st.html(f'<div class="studio-title"><h2>{_("How well it does")}</h2></div>')
    show_text(
        _("Measured on what it never saw in training; the bar is the share that was right, the line its 95% interval."),
        kind="note",
    )
    rows = [
        (html.escape(_(one.title)), _bar(one), f"{one.share:.1%}", html.escape(wanted_of(one)), str(one.samples))
        for one in figures
    ]
    st.html(table((_("Asked"), "", _("Right"), _("Wanted"), _("Samples")), rows))


def _bar(one: CardFigure) -> str:
    low, high, share = (min(value, 1.0) * 100 for value in (one.low, one.high, one.share))
    reached = "reached" if one.is_reached else "short"
    return (
        f'<span class="studio-bar {reached}"><b style="width:{share:.1f}%"></b>'
        f'<i style="left:{low:.1f}%;width:{high - low:.1f}%"></i></span>'
    )


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in HTML, its rows cards on a narrow page. Heads and cells are HTML already, a cell text or one element.

    The first cell names its row. The roles are said since a browser may forget them when cells are laid out as cards.
    """
    head = "".join(f'<th scope="col" role="columnheader">{cell}</th>' for cell in heads)
    body = "".join(_row(heads, row) for row in rows)
    return (
        '<div class="studio-table" tabindex="0"><table role="table">'
        f'<thead role="rowgroup"><tr role="row">{head}</tr></thead><tbody role="rowgroup">{body}</tbody></table></div>'
    )


def _row(heads: Sequence[str], row: Sequence[str]) -> str:
    labels = [html.escape(html.unescape(head)) for head in heads]
    cells = (
        f'<td role="cell" data-label="{label}">{cell}</td>' for label, cell in zip(labels[1:], row[1:], strict=True)
    )
    return f'<tr role="row"><th scope="row" role="rowheader">{row[0]}</th>{"".join(cells)}</tr>'

"""The page on which pictures, sounds and videos are made directly: one, several, or a grid over two options."""

from typing import Any

import streamlit as st

from studio.conversation.live import LiveReply
from studio.creation import AXES, Axis, Wish, grid_of, read_axis, to_payload
from studio.errors import StudioError
from studio.faults import fault
from studio.jobs.queue import Job
from studio.options import MAX_SEED, draw_seed
from studio.ui.beginning import begin_with, choose_beginning
from studio.ui.faults import told
from studio.ui.frame import (
    WIDE,
    PageStudio,
    chosen_preset,
    go_to_page,
    label,
    look_for_worker,
    page_studio,
    set_width,
    show_empty,
    show_text,
    show_title,
    wake_worker,
)
from studio.ui.kept_options import choose_kept_options, offer_to_keep_options
from studio.ui.messages import seconds_of, show_live, show_media
from studio.ui.slider import offer_comparison
from studio.ui.tiles import KIND_ICONS
from studio.ui.variations import creation_of, vary
from studio.ui.words import N_, _
from studio.ui.work import POLL_SECONDS, job_in_address, show_failure, show_pause, start, stop_button

KINDS = {"image": N_("A picture"), "audio": N_("A sound"), "video": N_("A video")}
AXIS_NAMES = {
    "seed": N_("Seed"),
    "steps": N_("Steps"),
    "guidance": N_("Guidance"),
    "strength": N_("How much may change"),
    "words": N_("Words"),
}
EXAMPLES = {
    "seed": "1, 2, 3",
    "steps": "5, 10, 20",
    "guidance": "1, 3, 6",
    "strength": "0.3, 0.6, 0.9",
    "words": "red, blue, green",
}
MAX_COUNT = 8
CELL = 220


def show_create() -> None:
    """Show what is wished for on the left, what came of it on the right."""
    set_width(WIDE)
    studio = page_studio()
    wake_worker(studio)
    show_title(
        _("Create"), _("Straight to the decoder: what you write is what it is asked for, without a conversation.")
    )
    wished, made = st.columns([2, 3], gap="large")
    with wished:
        _show_wish(studio)
    with made, st.container(key="made"):
        job = job_in_address(studio, "create")
        if job is None:
            show_empty(
                _("Nothing made yet"), _("Write a wish and press Create. All that is made goes to the library too.")
            )
        elif not job.state.is_final:
            _follow(job.id)
        elif job.result is None:
            show_failure(studio, job)
            _show_grid(studio, job, _made_so_far(studio, job))
        else:
            _show_grid(studio, job, [media for row in job.result["rows"] for media in row])
            show_text(seconds_of(job.result["seconds"]), kind="note")


def _show_wish(studio: PageStudio) -> None:
    modality = st.segmented_control(
        _("What"), list(KINDS), default="image", required=True, label_visibility="collapsed", key="modality",
        format_func=lambda name: f"{KIND_ICONS[name]} {_(KINDS[name])}", width="stretch",
    )  # fmt: skip
    prompt = st.text_area(_("Your wish"), key="wish", height=110, placeholder=_("a red bell in a meadow"))
    start_id, file, strength = choose_beginning(studio) if modality == "image" else (None, None, None)
    with st.expander(_("Options"), icon=":material/tune:"):
        choose_kept_options(studio)
        count = int(st.slider(_("How many"), 1, MAX_COUNT, value=1, key="count"))
        seed = draw_seed()
        if st.toggle(_("Use my own seed"), key="holds_seed", help=_("The same seed and words make the same thing.")):
            seed = int(st.number_input(_("Seed"), 0, MAX_SEED, value=0, step=1, key="seed"))
        steps = guidance = None
        if st.toggle(
            _("Set the steps"), key="sets_steps", help=_("More denoising steps take longer and may look cleaner.")
        ):
            steps = int(st.slider(_("Steps"), 1, 100, value=20, key="steps"))
        if st.toggle(_("Set the guidance"), key="sets_guidance", help=_("How closely what is made follows the words.")):
            guidance = float(st.slider(_("Guidance"), 0.0, 12.0, value=4.0, step=0.5, key="guidance"))
        offer_to_keep_options(studio)
    axes: list[tuple[str, str]] = []
    with st.expander(_("Grid"), icon=":material/grid_on:"):
        show_text(_("Vary one option across and another down, to see what each does."), kind="note")
        axes = [_choose_axis(_("Across"), "across"), _choose_axis(_("Down"), "down")]
    if st.button(
        _("Create"), key="create", type="primary", icon=":material/auto_awesome:", width="stretch",
        shortcut="Ctrl+Enter",
    ):  # fmt: skip
        try:
            wish = Wish(str(modality), prompt.strip(), seed, steps, guidance, start_id, strength)
            if strength is None and any(name == "strength" for name, _values in axes):
                raise fault("no-beginning")
            across, down = (_axis(name, text, prompt) for name, text in axes)
            grid = grid_of(wish, count=count, across=across, down=down)
            upload = None if file is None else {"upload": studio.media.spool(file), "name": file.name}
        except StudioError as error:
            st.error(told(error), icon=":material/error:")
            return
        payload = to_payload(grid, preset=chosen_preset(), across=across, down=down)
        start(studio, "create", payload | {"upload": upload})
        st.rerun()


def _choose_axis(title: str, key: str) -> tuple[str, str]:
    name = st.selectbox(
        title, [None, *AXES], format_func=lambda one: _("Nothing") if one is None else _(AXIS_NAMES[one]), key=key
    )
    if name is None:
        return "", ""
    help_text = _("The first word stands in your wish; the others take its place.") if name == "words" else None
    text = st.text_input(
        _("Values, with commas between"), key=f"{key}_values", placeholder=EXAMPLES[name], help=help_text
    )
    return name, text


def _axis(name: str, text: str, prompt: str) -> Axis | None:
    return read_axis(name, text, prompt.strip()) if name else None


@st.fragment(run_every=POLL_SECONDS)
def _follow(job_id: str) -> None:
    """Show what is being made, from the job's events; when it ends, the whole page is shown anew."""
    studio = page_studio()
    job = studio.queue.get(job_id)
    if job.state.is_final:
        st.rerun()
    look_for_worker(studio)
    reply = LiveReply()
    for event in studio.queue.events(job_id):
        reply.apply(event)
    num_made = sum(getattr(part, "media", None) is not None for part in reply.parts)
    num_cells = sum(len(row) for row in job.payload["grid"])
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        show_text(_("{made} of {count}").format(made=num_made, count=num_cells), kind="note")
        stop_button(studio, job)
    show_pause(studio, job)
    with st.container(key="live", gap="small"):
        show_live(studio, reply, job=job, width=CELL)


def _made_so_far(studio: PageStudio, job: Job) -> list[str]:
    return [event.data["media"] for event in studio.queue.events(job.id) if event.kind == "media_done"]


def _show_grid(studio: PageStudio, job: Job, media: list[str]) -> None:
    """Show what was made, with the values of the axes above and beside; what is not there yet is left out."""
    cells: list[tuple[Any, str]] = []
    for number, wishes in enumerate(job.payload["grid"]):
        for place in range(len(wishes)):
            named = [
                names[at] for names, at in ((job.payload["down"], number), (job.payload["across"], place)) if names
            ]
            cells.append((wishes[place], " · ".join(named) or _("seed {seed}").format(seed=wishes[place]["seed"])))
    with st.container(key="grid"):
        columns = max(map(len, job.payload["grid"]))
        if job.payload["across"] or job.payload["down"]:
            st.html(f"<style>.st-key-grid {{ --studio-columns: {columns}; --studio-cell: 0rem; }}</style>")
        for number, ((wish, caption), media_id) in enumerate(zip(cells, media, strict=False)):
            with st.container(key=f"cell-{number}", gap=None):
                show_media(studio, wish["modality"], media_id, width=CELL)
                with st.container(key=f"doing-{number}", horizontal=True, vertical_alignment="center", gap="xsmall"):
                    if st.button(
                        label(caption), key=f"see-{number}", type="tertiary", icon=":material/photo_library:",
                        help=_("See it in the library"),
                    ):  # fmt: skip
                        go_to_page("library", item=media_id)
                    if wish["modality"] == "image":
                        st.button(
                            "", key=f"begin-{number}", type="tertiary", icon=":material/brush:",
                            help=_("Begin with this picture"), on_click=begin_with, args=(media_id,),
                        )  # fmt: skip
                    if (creation := creation_of(studio, media_id)) is not None and st.button(
                        "", key=f"vary-{number}", type="tertiary", icon=":material/dynamic_feed:",
                        help=_("Variations: four more of the same wish, with other seeds"),
                    ):  # fmt: skip
                        vary(studio, creation)
                        st.rerun()
    offer_comparison([wish["modality"] for wish, _caption in cells], media, [caption for _wish, caption in cells])

"""What can be done with a turn of a conversation: ask it again, say it otherwise, look into how it was answered."""

import html
from collections.abc import Callable
from dataclasses import replace

import streamlit as st

from studio.conversation.ask import MAX_CHARACTERS
from studio.conversation.branching import branch, words_of
from studio.conversation.history import ConversationRecord, History, Message
from studio.conversation.how import How, Making, Reading, how_it_came
from studio.conversation.transcript import Wording, to_html, to_markdown
from studio.errors import StudioError
from studio.jobs.queue import Job
from studio.media_store import MediaStore
from studio.options import ReplyOptions, draw_seed
from studio.ui.faults import told
from studio.ui.frame import PageStudio, show_text
from studio.ui.messages import THINGS, how_it_was_made, seconds_of
from studio.ui.models import table
from studio.ui.notices import in_language
from studio.ui.words import N_, _, language, speaking

GoTo = Callable[[str], None]
Writer = Callable[[History, MediaStore, str, Wording], bytes]
# What kinds of projections there are, pipelines/projections.py.
PROJECTIONS = {
    "linear": N_("one layer"),
    "mlp": N_("a small network"),
    "group": N_("a network that gathers into groups"),
    "resampler": N_("a layer of learned queries"),
    "transformer": N_("a small transformer"),
}


def show_turn_actions(
    studio: PageStudio,
    conversation: ConversationRecord,
    request: Message,
    job: Job,
    options: ReplyOptions,
    go_to: GoTo,
) -> None:
    """Show the actions of an answered request; a branch is opened with `go_to`."""

    def say(text: str, chosen: ReplyOptions) -> None:
        try:
            asked = branch(studio.store, conversation=conversation.id, job=job.id, text=text, options=chosen)
        except StudioError as error:
            st.error(told(error), icon=":material/error:")
            return
        go_to(asked.payload["conversation"])
        st.rerun()

    with st.container(key=f"turn-{job.id}", horizontal=True, vertical_alignment="center", gap="small"):
        if st.button(
            _("Again"), key=f"again-{job.id}", icon=":material/refresh:", type="tertiary",
            help=_("The same request with another seed, in a branch of this conversation."),
        ):  # fmt: skip
            say(words_of(request.content), replace(options, seed=draw_seed()))
        with st.popover(_("Edit"), icon=":material/edit:", type="tertiary"):
            text = st.text_area(
                _("Say it otherwise"), words_of(request.content), max_chars=MAX_CHARACTERS, key=f"edit-{job.id}"
            )
            show_text(_("A branch begins here; this conversation stays as it is."), kind="note")
            if st.button(_("Ask this instead"), key=f"ask-{job.id}", type="primary"):
                say(text, options)
        how = how_it_came(studio.queue.events(job.id))
        if how is not None:
            with st.popover(_("Show me how"), icon=":material/account_tree:", type="tertiary"):
                _show_how(how)
        show_text(how_it_was_made(job), kind="note")


def show_keeping(studio: PageStudio, conversation: ConversationRecord) -> None:
    """Offer the conversation as a file."""
    spoken = language()

    def kept(write: Writer) -> bytes:
        with speaking(spoken):  # the file is made when the page that offers it has ended
            return write(studio.history, studio.media, conversation.id, _wording(spoken))

    with st.popover(_("Keep this conversation"), icon=":material/save:", type="tertiary"):
        show_text(_("Everything that was said and shown, in a file of your own."), kind="note")
        st.download_button(
            _("As a web page"), lambda: kept(to_html),
            file_name="conversation.html", mime="text/html", key="keep-html", on_click="ignore",
        )  # fmt: skip
        st.download_button(
            _("As Markdown with its media (ZIP)"), lambda: kept(to_markdown),
            file_name="conversation.zip", mime="application/zip", key="keep-markdown", on_click="ignore",
        )  # fmt: skip


def _wording(spoken: str) -> Wording:
    """Return in the reader's language what a kept conversation says that nobody in it said."""
    roles = {"user": _("You"), "assistant": _("Studio")}
    return Wording(spoken, roles, {kind: _(thing) for kind, thing in THINGS.items()}, in_language)


def _show_how(how: How) -> None:
    """Show the stages of a reply, in their order, with their seconds."""
    rows: list[tuple[str, str]] = []
    if how.loading is not None:
        rows.append((_("The model was loaded"), seconds_of(how.loading)))
    rows += [(_read(reading), "") for reading in how.readings]
    if how.first_word is not None:
        rows.append((_("The core read the conversation and wrote its first word"), seconds_of(how.first_word)))
    for making in how.makings:
        if making.sample == 0:
            rows.append((_fired(making), _("after {seconds:.1f} s").format(seconds=making.fired_at)))
        made = _("{thing}: the decoder took {num_steps} steps").format(
            thing=_(THINGS[making.modality]), num_steps=making.num_steps
        )
        rows.append((made, seconds_of(making.seconds)))
    if not how.makings:
        rows.append((_("No signal fired: the answer is words alone"), ""))
    st.html(table((_("Stage"), _("Time")), [(html.escape(stage), html.escape(took)) for stage, took in rows]))


def _read(reading: Reading) -> str:
    words = _(
        "{thing}: the encoder {encoder} read it; its input projection, {kind}, made {positions} places of the core"
    )
    kind = _(PROJECTIONS[reading.projection])
    thing = _(THINGS[reading.modality])
    return words.format(thing=thing, encoder=reading.encoder, kind=kind, positions=reading.positions)


def _fired(making: Making) -> str:
    """Say how the core asked for a medium, and what carried that to its decoder."""
    thing = _(THINGS[making.modality])
    if making.way is None:
        words = _("{thing}: its signal fired; the output projection made the condition of the decoder")
        return words.format(thing=thing)
    if not making.way.signals:
        return _("{thing}: the core wrote a caption; the decoder’s own text encoder read it").format(thing=thing)
    words = _(
        "{thing}: its signal fired, {count} tokens; its output projection, {kind}, made the condition of the decoder"
    )
    kind = ", ".join(_(PROJECTIONS[one]) for one in making.way.projections)
    return words.format(thing=thing, count=making.way.signals, kind=kind)

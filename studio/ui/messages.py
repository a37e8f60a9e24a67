"""Messages on the page: what was said, what was made, and a reply while it is being made."""

import base64
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import streamlit as st

from studio.conversation.history import Content
from studio.conversation.live import LiveMedia, LiveReply, LiveText
from studio.errors import StudioError
from studio.jobs.queue import Job, JobState
from studio.library.gallery import names_of
from studio.notices import Notice
from studio.plain_text import printable
from studio.server.media_route import media_path
from studio.ui.faults import told
from studio.ui.frame import PageStudio, show_text
from studio.ui.notices import show_notice
from studio.ui.person import media_key
from studio.ui.words import N_, _

Below = Callable[[Mapping[str, Any], str], None]  # a medium's part of a reply, and a key of its own

MEDIA_WIDTH = 320
ATTACHMENT_WIDTH = 180
DOING: Mapping[str, str] = {"image": N_("Drawing"), "audio": N_("Composing the sound"), "video": N_("Animating")}
THINGS: Mapping[str, str] = {"image": N_("Image"), "audio": N_("Sound"), "video": N_("Video")}
MIME: Mapping[str, str] = {"image": "image/png", "audio": "audio/wav", "video": "video/mp4"}
THINKING = '<div class="studio-thinking"><i></i><i></i><i></i>{}</div>'


def show_request(studio: PageStudio, content: Content, *, job: str) -> None:
    """Show what the person said, at the right."""
    with st.container(key=f"said-{job}", horizontal_alignment="right", gap="small"):
        for part in content:
            match part["type"]:
                case "text":
                    show_text(part["text"], kind="said")
                case "upload":
                    show_text(_("{name} (being read)").format(name=part["name"]), kind="chip")
                case kind:
                    show_media(studio, kind, part["media"], width=ATTACHMENT_WIDTH)


def show_reply(studio: PageStudio, content: Content, *, job: Job, below: Below) -> None:
    """Show a finished reply, text and media in their order, and what can be done with a medium `below` it."""
    with st.container(key=f"reply-{job.id}", gap="small"):
        number = 0
        for part in content:
            match part["type"]:
                case "text":
                    show_text(part["text"].strip(), kind="reply")
                case "notice":
                    show_notice(Notice.from_dict(part))
                case "tokens":
                    continue
                case kind:
                    show_media(studio, kind, part["media"], width=MEDIA_WIDTH)
                    below(part, f"{job.id}-{number}")
                    number += 1


def how_it_was_made(job: Job) -> str:
    """Return the seed of a reply, and how long it took, as the page says it."""
    seed = _("seed {seed}").format(seed=job.payload["options"]["seed"])
    return seed if job.result is None else f"{seed} · {seconds_of(job.result['seconds'])}"


def seconds_of(seconds: float) -> str:
    """Return a length of time as the pages say it."""
    return _("{seconds:.1f} s").format(seconds=seconds)


def show_media(studio: PageStudio, kind: str, media: str, *, width: int) -> None:
    """Show a picture or a player, of the studio's own files only, never what was uploaded; or say that the file is gone."""
    try:
        source = address_of(studio, media)
    except StudioError as error:
        show_text(told(error), kind="chip")
        return
    match kind:
        case "image":
            st.image(source, width=width, output_format="PNG", alt=_said_of(studio, media))
        case "audio":
            st.audio(source, format=MIME["audio"], width=max(width, 260))
        case "video":
            st.video(source, format=MIME["video"], loop=True, width=width)
        case _:
            raise ValueError(f"A message shows text, images, sounds and videos, not {kind!r}.")


def _said_of(studio: PageStudio, media: str) -> str:
    """Return what a picture is called, for those who do not see it."""
    return printable(names_of(studio.library, [media]).get(media, "")) or _(THINGS["image"])


def address_of(studio: PageStudio, media: str) -> str:
    """Return where the browser fetches a file of the store, in the parts that it wants; without a browser, the file."""
    path = studio.media.path(media)
    page = urlsplit(st.context.url or "")
    return f"{page.scheme}://{page.netloc}{media_path(media)}{media_key()}" if page.netloc else str(path)


def is_there(studio: PageStudio, media_id: str) -> bool:
    """Tell whether the store still has a medium."""
    try:
        studio.media.path(media_id)
    except StudioError:
        return False
    return True


def show_live(studio: PageStudio, reply: LiveReply, *, job: Job, width: int = MEDIA_WIDTH) -> None:
    """Show a reply as far as it has come."""
    for notice in reply.notices:
        show_notice(notice)
    for part in reply.parts:
        if isinstance(part, LiveText):
            show_text(part.text, kind="reply")
        else:
            _show_live_media(studio, part, job=job, width=width)
    if reply.is_loading:
        st.html(THINKING.format(_("Waking the model up")))
    elif not reply.parts:
        st.html(THINKING.format(_("Waiting for the model") if job.state == JobState.QUEUED else _("Thinking")))


def _show_live_media(studio: PageStudio, part: LiveMedia, *, job: Job, width: int) -> None:
    if part.media is not None:
        show_media(studio, part.modality, part.media, width=width)
        return
    preview = studio.queue.preview(job.id, part.slot)
    if preview is not None:
        # Inline: a preview is replaced before a browser could fetch it by its address.
        source = base64.b64encode(preview).decode()
        st.html(f'<img class="studio-preview" alt="" style="width:{width}px" src="data:image/png;base64,{source}">')
    share = min(part.step / part.num_steps, 1.0) if part.num_steps else 0.0
    doing = _(DOING[part.modality])
    if part.step:
        counted = _("{doing}, step {step} of {num_steps}")
        doing = counted.format(doing=doing, step=part.step, num_steps=part.num_steps)
    st.progress(share, text=doing)

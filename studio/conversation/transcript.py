"""A conversation as a file to keep: one HTML page with its media inside, or Markdown with the media beside it."""

import base64
import html
import io
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from studio.conversation.history import History, Message
from studio.media_store import MediaStore
from studio.notices import Notice
from studio.plain_text import printable

MIME: Mapping[str, str] = {"image": "image/png", "audio": "audio/wav", "video": "video/mp4"}
POLICY = "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'"  # a page that runs nothing
PAGE = """<!doctype html>
<html lang="{language}"><head><meta charset="utf-8"><title>{title}</title>
<meta http-equiv="Content-Security-Policy" content="{policy}">
<style>
body {{ font: 16px/1.55 system-ui, sans-serif; max-width: 44rem; margin: 2rem auto; padding: 0 1rem; }}
body {{ color: #1d1b2e; background: #fff; }}
section {{ margin: 0 0 1.1rem; white-space: pre-wrap; overflow-wrap: anywhere; }}
.user {{ background: #edeafc; border-radius: 1rem; padding: 0.6rem 1rem; margin-left: 4rem; }}
img, video {{ max-width: 100%; border-radius: 0.8rem; }}
small {{ opacity: 0.65; }}
@media (prefers-color-scheme: dark) {{
  body {{ color: #eceaf6; background: #14131c; }}
  .user {{ background: #2a2740; }}
}}
</style></head><body><h1>{title}</h1>
{body}
</body></html>
"""


@dataclass(frozen=True)
class Wording:
    """What a kept conversation says that nobody in it said: in English, unless its reader has another language."""

    language: str = "en"
    roles: Mapping[str, str] = field(default_factory=lambda: {"user": "You", "assistant": "Studio"})
    things: Mapping[str, str] = field(default_factory=lambda: {"image": "Image", "audio": "Sound", "video": "Video"})
    notice: Callable[[Notice], str] = str


ENGLISH = Wording()


def to_html(history: History, media: MediaStore, conversation: str, wording: Wording = ENGLISH) -> bytes:
    """Return a conversation as one page that needs nothing else and runs nothing."""
    title = html.escape(printable(history.get(conversation).title))
    said = (_section(media, message, wording) for message in history.messages(conversation))
    language = html.escape(wording.language)
    return PAGE.format(title=title, policy=html.escape(POLICY), body="\n".join(said), language=language).encode()


def to_markdown(history: History, media: MediaStore, conversation: str, wording: Wording = ENGLISH) -> bytes:
    """Return a conversation as a ZIP archive: conversation.md, and its media in the order in which they came."""
    archive = io.BytesIO()
    number = 0
    lines = [f"# {_plain(history.get(conversation).title)}", ""]
    with zipfile.ZipFile(archive, "w") as packed:
        for message in history.messages(conversation):
            lines += [f"**{wording.roles[message.role]}**", ""]
            for part in _told(message):
                if "media" in part:
                    number += 1
                    path = media.path(part["media"])
                    name = f"{number:02d}-{part['type']}{path.suffix}"
                    packed.write(path, name)
                    thing = wording.things[part["type"]]
                    lines += [f"![{thing}]({name})" if part["type"] == "image" else f"[{thing}: {name}]({name})", ""]
                else:
                    lines += [_plain(_words(part, wording)), ""]
        packed.writestr("conversation.md", "\n".join(lines))
    return archive.getvalue()


def _told(message: Message) -> Iterator[Mapping[str, Any]]:
    """Yield what a person was told and shown."""
    return (part for part in message.content if part["type"] not in ("tokens", "upload"))


def _words(part: Mapping[str, Any], wording: Wording) -> str:
    return wording.notice(Notice.from_dict(part)) if part["type"] == "notice" else str(part["text"])


def _section(media: MediaStore, message: Message, wording: Wording) -> str:
    parts = "".join(_part(media, part, wording) for part in _told(message))
    return f'<section class="{message.role}" aria-label="{html.escape(wording.roles[message.role])}">{parts}</section>'


def _part(media: MediaStore, part: Mapping[str, Any], wording: Wording) -> str:
    if "media" not in part:
        words = html.escape(printable(_words(part, wording).strip()))
        return f"<small>{words}</small>" if part["type"] == "notice" else f"<div>{words}</div>"
    content = base64.b64encode(media.path(part["media"]).read_bytes()).decode()
    source = f"data:{MIME[part['type']]};base64,{content}"
    thing = html.escape(wording.things[part["type"]])
    match part["type"]:
        case "image":
            return f'<img alt="{thing}" src="{source}">'
        case "audio":
            return f'<audio controls aria-label="{thing}" src="{source}"></audio>'
        case _:
            return f'<video controls loop aria-label="{thing}" src="{source}"></video>'


def _plain(text: str) -> str:
    """Return text so that Markdown shows it as it is."""
    return "".join(f"\\{sign}" if sign in r"\`*_{}[]()#+!|<>~" else sign for sign in printable(text.strip()))

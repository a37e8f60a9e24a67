"""One reply: the pipeline's events told to whoever listens, its media stored with their recipes."""

import io
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from studio.conversation.history import Content
from studio.errors import StudioError
from studio.media_store import MediaStore
from studio.notices import known_again, notice
from studio.recipe import Recipe

if TYPE_CHECKING:
    from encoders.media import Image, Media
    from pipelines.any_to_any import AnyToAnyPipeline
    from pipelines.conversation import Conversation
    from pipelines.events import Event, MediaDone, MediaStarted, MediaStep

PREVIEW_EVERY = 2

FindMedia = Callable[[str], "Media"]


class Listener(Protocol):
    """Hears of a reply under way; whatever `check` raises stops it."""

    def check(self) -> None: ...

    def emit(self, kind: str, **data: Any) -> None: ...

    def show_preview(self, slot: int, png: bytes) -> None: ...


def open_conversation(
    pipe: "AnyToAnyPipeline", messages: Sequence[Mapping[str, Any]], find_media: FindMedia
) -> "Conversation":
    """Take up a conversation from a recipe's earlier messages, exactly: the core's own tokens count, not its text."""
    from pipelines.conversation import Conversation, Turn
    from pipelines.prompt import SampledTokens

    conversation = Conversation(pipe)
    conversation.turns = tuple(
        Turn(
            read_parts(asked["content"], find_media),
            tuple(SampledTokens(tuple(part["ids"])) for part in answered["content"] if part["type"] == "tokens"),
        )
        for asked, answered in zip(messages[::2], messages[1::2], strict=True)
    )
    return conversation


def read_parts(content: Sequence[Mapping[str, Any]], find_media: FindMedia) -> "tuple[Media, ...]":
    """Return what a person's message says and shows."""
    from encoders.media import Text

    return tuple(Text(part["text"]) if part["type"] == "text" else find_media(part["sha256"]) for part in content)


def make_reply(
    conversation: "Conversation",
    question: "tuple[Media, ...]",
    recipe: Recipe,
    *,
    media: MediaStore,
    listener: Listener,
) -> Content:
    """Answer a question as `recipe` says, which goes into every medium; return the reply's content parts."""
    from pipelines.prompt import SampledTokens

    maker = ReplyMaker(recipe, media, listener)
    listener.emit("ways", **ways_of(conversation.pipe, question))
    options = recipe.options.for_pipeline(conversation.pipe.outputs, preview_every=PREVIEW_EVERY)
    reply = conversation.send(question, options, callback=maker.hear)
    notices = known_again(reply.notice or "")
    if reply.finish == "length":
        notices.append(notice("cut"))
    for one in notices:
        listener.emit("notice", **one.to_dict())
    (answer,) = conversation.turns[-1].answer
    assert isinstance(answer, SampledTokens), "what was just sampled is kept as tokens"
    return (
        *maker.parts(),
        *({"type": "notice", **one.to_dict()} for one in notices),
        {"type": "tokens", "ids": list(answer.ids)},
    )


def ways_of(pipe: "AnyToAnyPipeline", question: "tuple[Media, ...]") -> dict[str, Any]:
    """Return through which parts a reply goes: `read` tells of each medium of the question, `make` of each kind that it may make.

    What is made without a projection is made from a caption, and says nothing here.
    """
    shown = [one.modality for one in question if one.modality in pipe.encoders]
    return {
        "read": [
            {
                "modality": modality.value,
                "encoder": pipe.chosen[modality],
                "projection": pipe.config.encoders[pipe.chosen[modality]].projections[modality].kind,
                "positions": pipe.num_positions(modality),
            }
            for modality in shown
        ],
        "make": {
            modality.value: {
                "signals": pipe.config.counts[modality],
                "projections": sorted({one.kind for one in entry.projections.values()}),
            }
            for modality, entry in pipe.config.decoders.items()
            if pipe.bridge is None or modality not in pipe.bridge.makes
        },
    }


class ReplyMaker:
    """Turn the pipeline's events into the studio's, store what is made; `made` holds it by (part, sample)."""

    def __init__(self, recipe: Recipe, media: MediaStore, listener: Listener) -> None:
        self._recipe = recipe
        self._media = media
        self._listener = listener
        self._slots: dict[tuple[int, int], int] = {}
        self._texts: dict[int, str] = {}
        self.made: dict[tuple[int, int], Mapping[str, Any]] = {}

    def hear(self, event: "Event") -> None:
        from pipelines.events import MediaDone, MediaStarted, MediaStep, TextDelta

        self._listener.check()
        match event:
            case TextDelta(part, text):
                self._texts[part] = self._texts.get(part, "") + text
                self._listener.emit("text", part=part, text=text)
            case MediaStarted():
                self._start(event)
            case MediaStep():
                self._step(event)
            case MediaDone():
                self._store(event)

    def parts(self) -> list[Mapping[str, Any]]:
        """Return texts and media in the order of the reply."""
        keyed: dict[tuple[int, int], Mapping[str, Any]] = {
            (part, 0): {"type": "text", "text": text.strip()} for part, text in self._texts.items()
        }
        return [part for _, part in sorted((keyed | self.made).items(), key=lambda item: item[0])]

    def _start(self, event: "MediaStarted") -> None:
        for sample in range(event.num_samples):
            slot = self._slots.setdefault((event.part, sample), len(self._slots))
            self._listener.emit(
                "media_started",
                part=event.part,
                sample=sample,
                slot=slot,
                modality=event.modality.value,
                num_steps=event.num_steps,
            )

    def _step(self, event: "MediaStep") -> None:
        slot = self._slots[event.part, event.sample]
        if event.preview is not None:
            self._listener.show_preview(slot, encode_png(event.preview))
        self._listener.emit(
            "media_step", part=event.part, sample=event.sample, slot=slot, step=event.step, num_steps=event.num_steps
        )

    def _store(self, event: "MediaDone") -> None:
        recipe = replace(self._recipe, part=event.part, sample=event.sample)
        stored, _ = self._media.add(event.media, metadata=recipe.metadata())
        with self._media.store.transaction() as database:
            database.execute(
                "INSERT INTO recipes VALUES (?, ?, ?) ON CONFLICT (media) DO NOTHING",
                (stored.id, recipe.to_json(), time.time()),
            )
        self.made[event.part, event.sample] = {"type": stored.modality, "media": stored.id}
        self._listener.emit(
            "media_done",
            part=event.part,
            sample=event.sample,
            slot=self._slots[event.part, event.sample],
            modality=stored.modality,
            media=stored.id,
        )


def for_recipe(content: Content, media: MediaStore) -> list[Mapping[str, Any]]:
    """Name media by what they hold instead of by their files; leave out what only the person was told."""
    return [
        {"type": part["type"], "sha256": media.get(part["media"]).content_hash} if "media" in part else part
        for part in content
        if part["type"] != "notice"
    ]


def encode_png(image: "Image") -> bytes:
    """Return an image as the bytes of a PNG file."""
    from PIL import Image as PillowImage

    file = io.BytesIO()
    PillowImage.fromarray(image.to_uint8()).save(file, format="PNG")
    return file.getvalue()


def find_in_store(media: MediaStore) -> FindMedia:
    """Return how media are found by their content in the studio's store."""

    def find(content_hash: str) -> "Media":
        from encoders.files import read_media

        stored = media.find(content_hash)
        if stored is None:
            raise StudioError("A file that this conversation shows is no longer in the studio's store.")
        return read_media(media.path(stored.id))

    return find

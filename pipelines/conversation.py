"""A conversation: turns that cost only what is new in them, replies that stream, forks, and second thoughts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from encoders.files import read_media
from encoders.media import Audio, Image, Media, Text, Video
from encoders.modality import Modality
from pipelines.any_to_any import AnyToAnyPipeline
from pipelines.decoders.base import draw_seed
from pipelines.events import Costs, Event, Reply, ReplyDone
from pipelines.options import GenerationOptions
from pipelines.prompt import EncodedDialogue, MediaSlot, Messages, SampledTokens, encode_dialogue, read_parts
from pipelines.replies import make_media, write_reply
from pipelines.state import CoreState, Item
from pipelines.streaming import iterate

Part = Media | Mapping[str, Any] | str
EventCallback = Callable[[Event], None]


@dataclass(frozen=True)
class Turn:
    """What a person said, what was answered (the content as the core knows it), and the reply, if it was made here."""

    question: tuple[Media, ...]
    answer: tuple[SampledTokens | Mapping[str, Any], ...]
    reply: Reply | None = None


class Conversation:
    """Turns with one model. The key-value cache and the media's embeddings are kept from turn to turn.

    When the core's positions run out, the core forgets the oldest turns (`turns` keeps them) and the person is told
    in `reply.notice`. A reply that is cancelled, or that fails, leaves the conversation as it was before.
    """

    def __init__(self, pipe: AnyToAnyPipeline, system: str | None = None) -> None:
        self.pipe = pipe
        self.system = system
        self.turns: tuple[Turn, ...] = ()
        self.num_forgotten = 0
        self._state = CoreState(pipe.core)
        self._embeddings: dict[tuple[Modality, str], Tensor] = {}  # of every medium ever shown, by its content
        self._encoder_calls = 0

    @classmethod
    def from_messages(cls, pipe: AnyToAnyPipeline, messages: Messages) -> Conversation:
        """Take up a conversation again from its messages: maybe a system message, then person and model in turn."""
        messages = list(messages)
        system = None
        if messages and messages[0].get("role") == "system":
            system = "\n".join(str(part["text"]) for part in _mappings(messages.pop(0)))
        conversation = cls(pipe, system)
        if [m.get("role") for m in messages] != ["user", "assistant"] * (len(messages) // 2):
            raise ValueError("Earlier messages must go from 'user' to 'assistant' in turn, and end with 'assistant'.")
        conversation.turns = tuple(
            Turn(read_question(asked["content"]), tuple(_mappings(answered)))
            for asked, answered in zip(messages[::2], messages[1::2], strict=True)
        )
        return conversation

    @property
    def costs(self) -> Costs:
        """All that this conversation has computed."""
        return replace(self._state.costs, encoder_calls=self._encoder_calls)

    def send(
        self,
        parts: Part | Sequence[Part],
        options: GenerationOptions | None = None,
        *,
        callback: EventCallback | None = None,
    ) -> Reply:
        """Say something and wait for the reply; the callback hears its events, and what it raises cancels the reply."""
        return self._send(read_question(parts), options or GenerationOptions(), callback or _ignore)

    def stream(self, parts: Part | Sequence[Part], options: GenerationOptions | None = None) -> Iterator[Event]:
        """Say something and iterate over the reply's events, ReplyDone the last; closing it cancels the reply."""
        return iterate(partial(self._send, read_question(parts), options or GenerationOptions()))

    def rewind(self, turn: int) -> None:
        """Take back a turn (from 0) and all that came after it."""
        if not 0 <= turn < len(self.turns):
            raise ValueError(f"There is no turn {turn}; this conversation has {len(self.turns)}, counted from 0.")
        self.turns = self.turns[:turn]
        self.num_forgotten = min(self.num_forgotten, turn)

    def edit(
        self,
        turn: int,
        parts: Part | Sequence[Part],
        options: GenerationOptions | None = None,
        *,
        callback: EventCallback | None = None,
    ) -> Reply:
        """Say something else at a turn (from 0) and go on from there; the later turns are dropped."""
        before = self.turns, self.num_forgotten
        self.rewind(turn)
        try:
            return self.send(parts, options, callback=callback)
        except BaseException:
            self.turns, self.num_forgotten = before
            raise

    def fork(self) -> Conversation:
        """Return a conversation with the same past; the two go their own ways from here. No tensor is copied."""
        twin = Conversation(self.pipe, self.system)
        twin.turns, twin.num_forgotten = self.turns, self.num_forgotten
        twin._state, twin._embeddings = self._state.fork(), dict(self._embeddings)
        twin._encoder_calls = self._encoder_calls
        return twin

    def release(self) -> None:
        """Let go of the turns that the core has forgotten, and of the media of all replies, so that memory stops growing.

        What is said next is answered as before; turns are counted anew, from the oldest one that the core knows.
        For whoever keeps turns and media elsewhere.
        """
        self.turns = tuple(replace(turn, reply=None) for turn in self.turns[self.num_forgotten :])
        self.num_forgotten = 0
        known = {(medium.modality, medium.content_hash) for turn in self.turns for medium in turn.question}
        self._embeddings = {key: value for key, value in self._embeddings.items() if key in known}

    def _send(self, question: tuple[Media, ...], options: GenerationOptions, report: EventCallback) -> Reply:
        self._check(options)
        before = self._state.fork(), self.num_forgotten
        costs = self.costs
        try:
            dialogue, notice = self._prompt(question, options)
            last = self._state.read(dialogue.items, self._embed)
            seed = draw_seed() if options.seed is None else options.seed
            bridge = self.pipe.bridge
            captioned = () if bridge is None else bridge.makes
            outputs = self._outputs(options)
            written = write_reply(self._state, last, options, outputs, seed, report, captioned=captioned)
            parts, artefacts = make_media(self.pipe, written, options, seed, report)
            notices = [notice, None if bridge is None else bridge.notice(question, parts)]
            reply = Reply(
                text="\n".join(part.text for part in parts if isinstance(part, Text)),
                parts=parts,
                artefacts=artefacts,
                seed=seed,
                finish=written.finish,
                costs=self.costs - costs,
                notice=" ".join(filter(None, notices)) or None,
            )
            report(ReplyDone(reply))
        except BaseException:
            spent = self._state.costs
            self._state, self.num_forgotten = before
            self._state.costs = spent
            raise
        self.turns = (*self.turns, Turn(question, (SampledTokens(written.ids),), reply))
        return reply

    def _prompt(self, question: tuple[Media, ...], options: GenerationOptions) -> tuple[EncodedDialogue, str | None]:
        """Encode the turns that the core still knows and the question; forget turns until there is room to answer."""
        limit = self.pipe.core.max_positions
        room = min(options.max_new_tokens, limit // 4)
        forgotten = self.num_forgotten
        while True:
            dialogue = self._encode(self.turns[self.num_forgotten :], question)
            size = sum(self._size(item) for item in dialogue.items)
            if size + room <= limit:
                break
            if self.num_forgotten == len(self.turns):
                raise ValueError(f"This message takes {size} of the {limit} positions that the model has; shorten it.")
            self.num_forgotten += 1
        if self.num_forgotten == forgotten:
            return dialogue, None
        count = self.num_forgotten - forgotten
        turns = "turn was" if count == 1 else f"{count} turns were"
        return dialogue, f"The conversation is longer than the model can remember: the oldest {turns} forgotten."

    def _encode(self, turns: Sequence[Turn], question: tuple[Media, ...]) -> EncodedDialogue:
        messages: list[dict[str, Any]] = []
        if self.system is not None:
            messages.append({"role": "system", "content": self.system})
        for turn in turns:
            messages.append({"role": "user", "content": _to_parts(turn.question)})
            messages.append({"role": "assistant", "content": turn.answer})
        messages.append({"role": "user", "content": _to_parts(question)})
        core = self.pipe.core
        if self.pipe.bridge is not None:
            messages = self.pipe.bridge.phrase(messages, core.tokenizer)
        return encode_dialogue(messages, core.tokenizer, core.signals, add_generation_prompt=True)

    def _size(self, item: Item) -> int:
        """How many positions an item takes, known before it is encoded."""
        return self.pipe.num_positions(item.modality) if isinstance(item, MediaSlot) else 1

    def _embed(self, slot: MediaSlot) -> Tensor:
        """A medium's embeddings (N, core_width), encoded when it is first seen."""
        key = (slot.modality, slot.media.content_hash)
        if key not in self._embeddings:
            self._embeddings[key] = self.pipe.embed_media(slot.media)
            self._encoder_calls += 1
        return self._embeddings[key]

    def _outputs(self, options: GenerationOptions) -> tuple[Modality, ...]:
        return tuple(m for m in self.pipe.outputs if options.modalities is None or m in options.modalities)

    def _check(self, options: GenerationOptions) -> None:
        for modality in {*(options.modalities or ()), *options.decode} - {Modality.TEXT}:
            if modality not in self.pipe.outputs:
                can = ", ".join(m.value for m in self.pipe.outputs) or "text only"
                raise ValueError(f"This model cannot make {modality.value!r}; it makes: {can}.")


def read_question(parts: Part | Sequence[Part]) -> tuple[Media, ...]:
    """Read what a person says: a text, a medium, a content part, or several; files named by path are opened here."""
    several = [parts] if isinstance(parts, str | Mapping | Text | Image | Audio | Video) else list(parts)
    if not several:
        raise ValueError("There is nothing to answer: the message has no parts.")
    return tuple(_read_part(part) for part in several)


def _read_part(part: Part) -> Media:
    if isinstance(part, Text | Image | Audio | Video):
        return part
    if isinstance(part, str):
        return Text(part)
    if not isinstance(part, Mapping) or part.get("type") not in part:
        raise ValueError(f"A content part has a 'type' and a field of that name; got {type(part).__name__}.")
    kind = part["type"]
    value = part[kind]
    if isinstance(value, str | Path) and kind != Modality.TEXT:
        value = read_media(value)
    media = _read_part(value) if kind == Modality.TEXT else value
    if not isinstance(media, Text | Image | Audio | Video) or media.modality != kind:
        raise ValueError(f"A part of type {kind!r} holds {getattr(media, 'modality', type(media).__name__)!s} instead.")
    return media


def _to_parts(question: Sequence[Media]) -> list[dict[str, Any]]:
    return [{"type": m.modality.value, m.modality.value: m.text if isinstance(m, Text) else m} for m in question]


def _mappings(message: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """A message's parts as given from outside, where nobody can claim to be the core."""
    parts = read_parts(message)
    if not all(isinstance(part, Mapping) for part in parts):
        raise ValueError("A message's content is a text or a list of parts {'type': ..., ...}.")
    return [part for part in parts if isinstance(part, Mapping)]


def _ignore(event: Event) -> None:
    """Hear nothing."""

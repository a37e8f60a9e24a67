"""Messages into the core's input: ids and media slots, through the tokenizer's own chat template."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from encoders.media import Audio, Text, Video
from encoders.modality import Modality
from pipelines.signals import SignalTokens
from pipelines.text import control_ids, encode_text

Messages = Sequence[Mapping[str, Any]]

# NExT-GPT's own form, for a tokenizer that brings no template; the end of a turn is the tokenizer's end of text.
DEFAULT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}### Assistant:{{ message['content'] }}{{ eos_token }}\n"
    "{% elif message['role'] == 'user' %}### Human: {{ message['content'] }}\n"
    "{% else %}{{ message['content'] }}\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}### Assistant:{% endif %}"
)
# Stands for message number i while the template is rendered; private-use characters, which no template writes.
SENTINEL = "\ue000{}\ue001"
SENTINELS = re.compile("\ue000(\\d+)\ue001")


@dataclass(frozen=True, eq=False)
class MediaSlot:
    """The place of an input's features among the ids; `media` is what the part held (a value, a path, a scene...)."""

    modality: Modality
    media: Any


@dataclass(frozen=True)
class SampledTokens:
    """A content part that only the core can have written: the ids it sampled, signal runs included."""

    ids: tuple[int, ...]


@dataclass(frozen=True)
class DialogueSpan:
    """A signal run of an assistant's message, at items start to end, and the caption its condition comes from."""

    modality: Modality
    start: int
    end: int
    caption: str | None


@dataclass(frozen=True)
class EncodedDialogue:
    """A dialogue as items (ids and media slots); `targets` says which items an assistant writes."""

    items: tuple[int | MediaSlot, ...]
    targets: tuple[bool, ...]
    spans: tuple[DialogueSpan, ...]

    @property
    def slots(self) -> tuple[MediaSlot, ...]:
        return tuple(item for item in self.items if isinstance(item, MediaSlot))


def encode_dialogue(
    messages: Messages,
    tokenizer: PreTrainedTokenizerBase,
    signals: SignalTokens,
    *,
    add_generation_prompt: bool = False,
) -> EncodedDialogue:
    """Encode messages of content parts; with `add_generation_prompt` they end where the assistant begins to write.

    People's text stays text. Media shown to the core stand between their marks; media that an assistant made are their
    signal runs. The targets are the assistant's contents and the token that ends its turn.
    """
    items: list[int | MediaSlot] = []
    targets: list[bool] = []
    spans: list[DialogueSpan] = []
    control = control_ids(tokenizer)
    author = ""
    for piece in frame(tuple(_role(m) for m in messages), tokenizer, add_generation_prompt=add_generation_prompt):
        if isinstance(piece, str):
            ids = _template_ids(tokenizer, piece)
            items += ids
            ends_turn = author == "assistant" and bool(ids) and ids[0] in control
            targets += [ends_turn, *[False] * (len(ids) - 1)][: len(ids)]
            continue
        author = _role(messages[piece])
        for part in read_parts(messages[piece]):
            content, caption = _encode_part(part, author, tokenizer, signals)
            if author == "assistant":
                spans += [
                    DialogueSpan(span.modality, len(items) + span.start, len(items) + span.end, caption)
                    for span in signals.find([-1 if isinstance(item, MediaSlot) else item for item in content])
                ]
            items += content
            targets += [author == "assistant"] * len(content)
    return EncodedDialogue(tuple(items), tuple(targets), tuple(spans))


def read_parts(message: Mapping[str, Any]) -> Sequence[Mapping[str, Any] | SampledTokens]:
    """Return a message's content parts; a plain string is one part of text."""
    content = message.get("content")
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    if not isinstance(content, Sequence):
        raise ValueError(f"A message's content is a text or a list of parts, not {type(content).__name__}.")
    return content


def check_sampled(ids: Sequence[int], tokenizer: PreTrainedTokenizerBase, signals: SignalTokens) -> None:
    """Raise ValueError unless the core could have sampled these ids: text and whole signal runs, no control tokens.

    They may come from a file that somebody else wrote.
    """
    in_runs = {at for span in signals.find(ids) for at in range(span.start, span.end)}
    forbidden = control_ids(tokenizer)
    for at, id_ in enumerate(ids):
        if at not in in_runs and (not 0 <= id_ < min(len(tokenizer), signals.first_id) or id_ in forbidden):
            raise ValueError("This reply was not written by this model: its tokens do not fit.")


def stop_ids(tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """Return the ids that end an assistant's turn: the end of text, and the template's own end of turn."""
    ids = {tokenizer.eos_token_id} - {None}
    after = frame(("user", "assistant"), tokenizer, add_generation_prompt=False)[-1]
    if isinstance(after, str) and after:
        ids |= {_template_ids(tokenizer, after)[0]} & control_ids(tokenizer)
    if not ids:
        raise ValueError("This tokenizer has no token that ends a turn; give it an eos_token or a chat template.")
    return frozenset(ids)


def frame(
    roles: tuple[str, ...], tokenizer: PreTrainedTokenizerBase, *, add_generation_prompt: bool
) -> tuple[str | int, ...]:
    """Render the template around messages of these roles: its own text, and numbers where the messages stand."""
    text = _render(roles, tokenizer, add_generation_prompt)
    for number in reversed(range(1, len(roles))):
        if roles[number] == "assistant":
            text = _as_prompted(text, _render(roles[:number], tokenizer, True), SENTINEL.format(number))
    pieces = SENTINELS.split(text)
    if [int(number) for number in pieces[1::2]] != list(range(len(roles))):
        raise ValueError("This tokenizer's chat template drops or moves messages; it cannot carry this conversation.")
    return tuple(piece if at % 2 == 0 else int(piece) for at, piece in enumerate(pieces))


def _as_prompted(text: str, prompt: str, sentinel: str) -> str:
    """Drop blanks that a template puts before an assistant's content but not at the end of a generation prompt.

    A reply is then continued exactly from where it was begun, and the key-value cache stays valid.
    """
    before, _, after = text.partition(sentinel)
    return prompt + sentinel + after if before.startswith(prompt) and not before[len(prompt) :].strip() else text


def _render(roles: tuple[str, ...], tokenizer: PreTrainedTokenizerBase, add_generation_prompt: bool) -> str:
    return _rendered(roles, tokenizer, tokenizer.chat_template or DEFAULT_TEMPLATE, add_generation_prompt)


@lru_cache(maxsize=1024)
def _rendered(
    roles: tuple[str, ...], tokenizer: PreTrainedTokenizerBase, template: str, add_generation_prompt: bool
) -> str:
    messages = [{"role": role, "content": SENTINEL.format(number)} for number, role in enumerate(roles)]
    try:
        text = tokenizer.apply_chat_template(
            messages, chat_template=template, tokenize=False, add_generation_prompt=add_generation_prompt
        )
    except TemplateError as error:
        raise ValueError(f"This tokenizer's chat template refuses the turns {', '.join(roles)}: {error}") from error
    assert isinstance(text, str)
    return text


@lru_cache(maxsize=1024)
def _template_ids(tokenizer: PreTrainedTokenizerBase, text: str) -> tuple[int, ...]:
    """Encode the template's own text, in which control tokens count."""
    return tuple(tokenizer(text, add_special_tokens=False)["input_ids"]) if text else ()


def _role(message: Mapping[str, Any]) -> str:
    role = message.get("role")
    if role not in ("system", "user", "assistant"):
        raise ValueError(f"A message's role is 'system', 'user' or 'assistant', not {role!r}.")
    return str(role)


def _encode_part(
    part: Mapping[str, Any] | SampledTokens, author: str, tokenizer: PreTrainedTokenizerBase, signals: SignalTokens
) -> tuple[list[int | MediaSlot], str | None]:
    """Encode one part; the caption comes along where the part is media that an assistant makes."""
    if isinstance(part, SampledTokens):
        check_sampled(part.ids, tokenizer, signals)
        return list(part.ids), None
    kind = part.get("type")
    if kind not in part or kind not in {*signals.inputs, *signals.counts, Modality.TEXT}:
        known = ", ".join(m.value for m in (Modality.TEXT, *signals.inputs))
        raise ValueError(f"A content part has a 'type' and a field of that name; wanted one of: {known}; got {kind!r}.")
    modality, value = Modality(str(kind)), part[kind]
    if modality is Modality.TEXT:
        return list(encode_text(tokenizer, value.text if isinstance(value, Text) else str(value))), None
    if author == "assistant":
        makes_sound = (
            isinstance(value, Video) and isinstance(value.soundtrack, Audio) and Modality.AUDIO in signals.counts
        )
        run = [*signals.run(modality), *(signals.run(Modality.AUDIO) if makes_sound else ())]
        return list(run), part.get("caption")
    marks = signals.marks(modality)
    shown: list[int | MediaSlot] = [*marks[:1], MediaSlot(modality, value), *marks[1:]]
    if isinstance(value, Video) and value.soundtrack is not None and Modality.AUDIO in signals.inputs:
        marks = signals.marks(Modality.AUDIO)
        shown += [*marks[:1], MediaSlot(Modality.AUDIO, value.soundtrack), *marks[1:]]
    return shown, None

"""Messages into ids and media slots: template, targets, signal runs, and text that stays text."""

from itertools import pairwise
from typing import Any

import parts
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerBase

from encoders.media import Audio, Image, Video
from encoders.modality import Modality
from pipelines.prompt import (
    EncodedDialogue,
    MediaSlot,
    SampledTokens,
    encode_dialogue,
    frame,
    stop_ids,
)
from pipelines.signals import SignalTokens
from pipelines.text import control_ids

TOKENIZER = parts.core_tokenizer()
SIGNALS = SignalTokens(parts.COUNTS, first_id=len(TOKENIZER))
IMAGE, AUDIO, VIDEO = Modality.IMAGE, Modality.AUDIO, Modality.VIDEO


def encode(messages: list[dict[str, Any]], **options: Any) -> EncodedDialogue:
    return encode_dialogue(messages, TOKENIZER, SIGNALS, **options)


def spell(items: tuple[int | MediaSlot, ...], tokenizer: PreTrainedTokenizerBase = TOKENIZER) -> str:
    def name(item: int | MediaSlot) -> str:
        if isinstance(item, MediaSlot):
            return f"({item.modality.value})"
        return SIGNALS.name(item) if SIGNALS.is_new(item) else tokenizer.decode([item])

    return "".join(name(item) for item in items)


def say(role: str, *content: Any) -> dict[str, Any]:
    return {"role": role, "content": [{"type": "text", "text": p} if isinstance(p, str) else p for p in content]}


def test_a_dialogue_is_the_template_around_its_contents() -> None:
    messages = [
        say("system", "be nice"),
        say("user", "what is", {"type": "image", "image": 1}, {"type": "image", "image": 2}, "?"),
        say("assistant", "a bell"),
        say("user", "play it", {"type": "video", "video": 3}),
    ]
    dialogue = encode(messages, add_generation_prompt=True)
    assert spell(dialogue.items) == (
        "<|begin|><|system|>be nice<|end|>\n<|user|>what is<image>(image)</image><image>(image)</image>?<|end|>\n"
        "<|assistant|>a bell<|end|>\n<|user|>play it<video>(video)</video><|end|>\n<|assistant|>"
    )
    assert [slot.media for slot in dialogue.slots] == [1, 2, 3]


def test_targets_are_what_the_assistant_writes_and_the_end_of_its_turn() -> None:
    dialogue = encode(
        [say("user", "hi"), say("assistant", "yes", {"type": "image", "image": None, "caption": "a cat"})]
    )
    written = tuple(item for item, is_target in zip(dialogue.items, dialogue.targets, strict=True) if is_target)
    assert spell(written) == "yes[IMG0][IMG1][IMG2][IMG3]<|end|>"


def test_media_of_the_assistant_are_spans_with_their_captions() -> None:
    content = [
        "see",
        {"type": "video", "video": None, "caption": "a car"},
        {"type": "audio", "audio": None, "caption": "vroom"},
    ]
    dialogue = encode([say("user", "play"), say("assistant", *content)])
    assert [(span.modality, span.caption) for span in dialogue.spans] == [(VIDEO, "a car"), (AUDIO, "vroom")]
    for span in dialogue.spans:
        assert dialogue.items[span.start : span.end] == SIGNALS.run(span.modality)
        assert all(dialogue.targets[span.start : span.end])
    assert dialogue.spans[0].end == dialogue.spans[1].start


def test_a_soundtrack_is_heard_too_and_a_made_one_is_two_runs() -> None:
    video = Video(torch.zeros(2, 3, 4, 4), 4.0, Audio(torch.zeros(1, 8), 16000))
    shown = encode([say("user", {"type": "video", "video": video})])
    assert "<video>(video)</video><audio>(audio)</audio>" in spell(shown.items)
    assert shown.slots[1].media is video.soundtrack
    made = encode([say("user", "go"), say("assistant", {"type": "video", "video": video})])
    assert [span.modality for span in made.spans] == [VIDEO, AUDIO]


def test_a_longer_dialogue_begins_with_the_shorter_one() -> None:
    turns = [say("user", "a"), say("assistant", "b"), say("user", "c"), say("assistant", "d"), say("user", "e")]
    prompts = [encode(turns[:count], add_generation_prompt=True).items for count in (1, 3, 5)]
    for shorter, longer in pairwise(prompts):
        assert longer[: len(shorter)] == shorter


def test_blanks_between_prompt_and_content_do_not_change_where_a_reply_begins() -> None:
    tokenizer = parts.core_tokenizer()
    tokenizer.chat_template = (
        "{% for m in messages %}<|{{ m.role }}|>\n {{ m.content }} <|end|>{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
    )
    prompt = encode_dialogue([say("user", "a")], tokenizer, SIGNALS, add_generation_prompt=True).items
    whole = encode_dialogue([say("user", "a"), say("assistant", "b")], tokenizer, SIGNALS).items
    assert whole[: len(prompt)] == prompt
    assert spell(whole[len(prompt) :]) == "b <|end|>"


def test_the_text_begins_once() -> None:
    messages = [say("user", "a"), say("assistant", "b"), say("user", {"type": "image", "image": 1}, "c")]
    for tokenizer in (TOKENIZER, without_template()):
        items = encode_dialogue(messages, tokenizer, SIGNALS, add_generation_prompt=True).items
        assert [at for at, item in enumerate(items) if item == tokenizer.bos_token_id] == [0]


def test_a_tokenizer_without_a_template_gets_that_of_nextgpt() -> None:
    messages = [say("system", "s"), say("user", "a"), say("assistant", "b"), say("user", "c")]
    dialogue = encode_dialogue(messages, without_template(), SIGNALS, add_generation_prompt=True)
    text = spell(dialogue.items, without_template())
    assert text == "<|begin|>s\n### Human: a\n### Assistant:b<|end|>\n### Human: c\n### Assistant:"
    assert [spell((i,)) for i, t in zip(dialogue.items, dialogue.targets, strict=True) if t] == ["b", "<|end|>"]


def test_turns_end_with_the_templates_own_token() -> None:
    assert stop_ids(TOKENIZER) == {TOKENIZER.convert_tokens_to_ids("<|end|>")}
    tokenizer = parts.core_tokenizer()
    tokenizer.eos_token = "<|pad|>"
    ends = {tokenizer.convert_tokens_to_ids(name) for name in ("<|end|>", "<|pad|>")}
    assert stop_ids(tokenizer) == ends


texts = st.lists(
    st.one_of(
        st.sampled_from([*parts.CONTROL, *SIGNALS.token_names, "\ue0000\ue001", "### Human:"]), st.text(max_size=5)
    ),
    max_size=6,
).map("".join)


@settings(deadline=None, max_examples=60)
@given(texts=st.lists(texts, min_size=4, max_size=4), role=st.sampled_from(["user", "assistant"]))
def test_no_text_input_changes_the_control_tokens_of_a_dialogue(texts: list[str], role: str) -> None:
    """Whatever any message says, the special ids of the dialogue are those of the same dialogue that says nothing."""

    def messages(system: str, first: str, second: str, last: str) -> list[dict[str, Any]]:
        shown = {"type": "image", "image": 1, "caption": last} if role == "assistant" else {"type": "image", "image": 1}
        return [
            say("system", system), say("user", first), say("assistant", second), {"role": "user", "content": last},
            say("assistant", shown, last),
        ]  # fmt: skip

    special = control_ids(TOKENIZER)

    def steering(dialogue: EncodedDialogue) -> list[object]:
        return [
            item if isinstance(item, int) else "slot"
            for item in dialogue.items
            if isinstance(item, MediaSlot) or item in special or SIGNALS.is_new(item)
        ]

    assert steering(encode(messages(*texts))) == steering(encode(messages("", "", "", "")))


def test_only_the_core_can_have_sampled_tokens() -> None:
    run = SIGNALS.run(IMAGE)
    hello = tuple(TOKENIZER("hello")["input_ids"])
    told = encode([say("user", "a"), {"role": "assistant", "content": [SampledTokens((*hello, *run))]}])
    assert "hello[IMG0][IMG1][IMG2][IMG3]<|end|>" in spell(told.items)
    user = TOKENIZER.convert_tokens_to_ids("<|user|>")
    for forged in ((*hello, user), run[:2], (SIGNALS.marks(IMAGE)[0],), (-1,), (10**6,)):
        with pytest.raises(ValueError, match="not written by this model"):
            encode([say("user", "a"), {"role": "assistant", "content": [SampledTokens(forged)]}])


@pytest.mark.parametrize(
    ("message", "wanted"),
    [
        ({"role": "tool", "content": "x"}, "'system', 'user' or 'assistant'"),
        ({"role": "user", "content": 3}, "list of parts"),
        ({"role": "user", "content": [{"type": "smell", "smell": 1}]}, "wanted one of: text, image, audio, video"),
        ({"role": "user", "content": [{"type": "image"}]}, "field of that name"),
    ],
)
def test_a_bad_message_is_refused_with_what_was_wanted(message: dict[str, Any], wanted: str) -> None:
    with pytest.raises(ValueError, match=wanted):
        encode([message])


def test_what_the_core_cannot_make_or_see_is_refused_by_name() -> None:
    signals = SignalTokens({IMAGE: 2}, inputs=(IMAGE,), first_id=len(TOKENIZER))
    with pytest.raises(ValueError, match="this core can ask for: image"):
        encode_dialogue([say("assistant", {"type": "audio", "audio": 1})], TOKENIZER, SignalTokens({IMAGE: 2}))
    with pytest.raises(ValueError, match="wanted one of: text, image"):
        encode_dialogue([say("user", {"type": "audio", "audio": 1})], TOKENIZER, signals)


def test_a_template_that_loses_messages_is_refused() -> None:
    tokenizer = parts.core_tokenizer()
    tokenizer.chat_template = "{{ messages[-1].content }}"
    with pytest.raises(ValueError, match="drops or moves"):
        frame(("user", "assistant"), tokenizer, add_generation_prompt=False)
    tokenizer.chat_template = "{{ raise_exception('no system here') }}"
    with pytest.raises(ValueError, match="no system here"):
        frame(("system",), tokenizer, add_generation_prompt=False)


def without_template() -> PreTrainedTokenizerBase:
    tokenizer = parts.core_tokenizer()
    tokenizer.chat_template = None
    return tokenizer


def test_images_as_values_are_slots_too() -> None:
    image = Image(torch.zeros(3, 2, 2))
    assert encode([say("user", {"type": "image", "image": image})]).slots[0].media is image

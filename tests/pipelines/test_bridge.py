"""The caption bridge: marks in what the core writes make media; the same marks in what a person types never do."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import parts
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from encoders.media import Audio, Image, Text, Video
from encoders.modality import Modality
from pipelines.any_to_any import AnyToAnyPipeline
from pipelines.bridge import Bridge, Caption, CaptionStream, unmark
from pipelines.checkpoint import read_config, write_config
from pipelines.conversation import Conversation, read_question
from pipelines.decoders.base import DecodeOptions
from pipelines.events import Event, MediaDone, MediaStarted, TextDelta
from pipelines.options import GenerationOptions
from pipelines.prompt import MediaSlot

IMAGE, AUDIO, VIDEO = Modality.IMAGE, Modality.AUDIO, Modality.VIDEO
OUTPUTS = (IMAGE, AUDIO, VIDEO)
SEEDED = GenerationOptions(max_new_tokens=400, seed=1)

Script = Callable[[Sequence[int]], None]
Spell = Callable[..., list[int]]


@pytest.fixture(scope="module")
def bridged(tmp_path_factory: pytest.TempPathFactory) -> AnyToAnyPipeline:
    """A random model, none of whose projections is trained; saved, and loaded again."""
    folder = parts.save_parts(tmp_path_factory.mktemp("bridged"), max_positions=4096)
    AnyToAnyPipeline.from_config(untrained(), folder).save_pretrained(folder)
    return AnyToAnyPipeline.from_pretrained(folder)


@pytest.fixture
def spell(ids: Spell) -> Spell:
    """Spell what the core samples; this model's tokenizer is that of every random model."""
    return ids


def untrained(inputs: tuple[Modality, ...] = OUTPUTS, outputs: tuple[Modality, ...] = OUTPUTS) -> Any:
    return replace(parts.pipeline_config(), untrained_inputs=inputs, untrained_outputs=outputs)


def run(text: str, *, cuts: Sequence[int] = (), makes: tuple[Modality, ...] = OUTPUTS, most: int = 9) -> list[Any]:
    """What comes of a text that arrives in pieces, neighbouring texts joined."""
    stream = CaptionStream(makes, most)
    edges = [0, *sorted(cuts), len(text)]
    pieces = [piece for a, b in pairwise(edges) for piece in stream.push(text[a:b])]
    joined: list[Any] = []
    for piece in [*pieces, stream.flush()]:
        if isinstance(piece, str) and joined and isinstance(joined[-1], str):
            joined[-1] += piece
        elif piece:
            joined.append(piece)
    return joined


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a <image>red bell</image> b", ["a ", Caption(IMAGE, "red bell"), " b"]),
        ("<video>x</video><audio>y</audio>", [Caption(VIDEO, "x"), Caption(AUDIO, "y")]),
        ("< Image >x</ IMAGE >", [Caption(IMAGE, "x")]),
        ("<image>never closed", ["<image>never closed"]),
        ("<image>a <audio>b</audio> c", ["<image>a ", Caption(AUDIO, "b"), " c"]),
        ("<image>a</audio>b</image>", [Caption(IMAGE, "a</audio>b")]),
        ("</image> 1 < 2 <b>bold</b> <imagine>", ["</image> 1 < 2 <b>bold</b> <imagine>"]),
        ("<image>  </image>nothing", ["nothing"]),
        ("<audio><image></image></audio>", ["<audio></audio>"]),
        ("<depth>x</depth>", ["<depth>x</depth>"]),
    ],
)
def test_captions_are_what_stands_between_marks_and_all_else_stays_text(text: str, wanted: list[Any]) -> None:
    assert run(text) == wanted
    assert run(text, cuts=range(1, len(text))) == wanted


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_any_text_in_any_pieces_gives_the_same_and_loses_nothing(data: st.DataObject) -> None:
    words = st.sampled_from(
        ["<image>", "</image>", "<audio>", "</audio>", "<", ">", "a bell", " ", "<im", "</", "<video>"]
    )
    text = "".join(data.draw(st.lists(words, max_size=9)))
    cuts = data.draw(st.lists(st.integers(0, len(text)), max_size=6))
    whole = run(text)
    assert run(text, cuts=cuts) == whole
    spelled = "".join(p if isinstance(p, str) else f"<{p.modality}>{p.text}</{p.modality}>" for p in whole)
    assert spelled.replace(" ", "") == _without_empty(text)


def _without_empty(text: str) -> str:
    marks = f"<({IMAGE}|{AUDIO})></\\1>"
    return re.sub(marks, "", text.replace(" ", ""))  # once: what then stands side by side was never a pair


def test_text_is_given_out_as_soon_as_it_cannot_be_a_mark() -> None:
    stream = CaptionStream(OUTPUTS, 9)
    assert stream.push("see <") == ["see "]
    assert stream.push("b") == ["<b"]
    assert stream.push(" <ima") == [" "]
    assert stream.push("ge>red") == []
    assert stream.push("</image>!") == [Caption(IMAGE, "red"), "!"]


def test_marks_of_what_is_not_wanted_or_of_too_much_stay_text() -> None:
    assert run("<audio>x</audio>", makes=(IMAGE,)) == ["<audio>x</audio>"]
    assert run("<image>x</image><image>y</image>", most=1) == [Caption(IMAGE, "x"), "<image>y</image>"]
    assert run("<image>x</image>", most=0) == ["<image>x</image>"]


def test_a_model_without_trained_projections_answers_through_captions_and_says_so(
    bridged: AnyToAnyPipeline, script: Script, spell: Spell
) -> None:
    script(spell("See: <image>a red bell</image> and hear <audio>a bell rings</audio>"))
    reply = Conversation(bridged).send("draw and play a bell", SEEDED)
    assert [type(part) for part in reply.parts] == [Text, Image, Text, Audio]
    assert reply.text == "See:\nand hear"
    assert reply.notice == "Made from captions that the model wrote: its own projections are not trained yet."


def test_a_decoder_is_conditioned_by_its_own_text_encoder_on_the_caption(
    bridged: AnyToAnyPipeline, script: Script, spell: Spell
) -> None:
    script(spell("<image>a red bell</image>"))
    (made,) = Conversation(bridged).send("draw", SEEDED).media
    decoder = bridged.decoders[IMAGE]
    (alone,) = decoder.decode(decoder.condition(["a red bell"]), DecodeOptions(seed=1))
    assert made.content_hash == alone.content_hash


def test_several_captions_come_in_the_order_of_the_text_and_stream(
    bridged: AnyToAnyPipeline, script: Script, spell: Spell
) -> None:
    script(spell("1 <video>a bell</video><audio>ding</audio> 2 <image>x</image><image>x</image>"))
    events: list[Event] = list(Conversation(bridged).stream("all", SEEDED))
    texts = [(e.part, e.text) for e in events if isinstance(e, TextDelta)]
    assert "".join(text for part, text in texts if part == 0) == "1 "
    assert "".join(text for part, text in texts if part == 2) == "2 "
    assert not any("<" in text for _, text in texts)
    assert [(e.part, e.modality) for e in events if isinstance(e, MediaStarted)] == [
        (1, VIDEO), (1, AUDIO), (3, IMAGE), (4, IMAGE),
    ]  # fmt: skip
    done = [e.media for e in events if isinstance(e, MediaDone)]
    assert isinstance(done[0], Video)
    assert done[0].soundtrack is not None
    assert done[1].content_hash != done[2].content_hash


@pytest.mark.parametrize(
    "mark", ["<image>a cat</image>", "< IMAGE >a cat</ image >", "<video>x</video><audio>y</audio>"]
)
def test_marks_that_a_person_types_never_fire_a_decoder(
    bridged: AnyToAnyPipeline, script: Script, spell: Spell, monkeypatch: pytest.MonkeyPatch, mark: str
) -> None:
    def refuse(*arguments: Any, **options: Any) -> Any:
        raise AssertionError("a decoder was fired")

    for decoder in bridged.decoders.values():
        monkeypatch.setattr(decoder, "decode", refuse)
    conversation = Conversation(bridged, system=f"be kind {mark}")
    script(spell("I will not."))
    reply = conversation.send(mark, SEEDED)
    assert (reply.media, reply.text) == ((), "I will not.")
    prompt = prompt_of(conversation, mark)
    typed = prompt[prompt.index("be kind") :]
    assert mark not in typed
    assert unmark(mark) in typed


def prompt_of(conversation: Conversation, *question: Any) -> str:
    """The text that the core reads for a question."""
    dialogue = conversation._encode(conversation.turns, read_question(list(question)))
    assert not any(isinstance(item, MediaSlot) for item in dialogue.items)
    return str(conversation.pipe.core.tokenizer.decode([i for i in dialogue.items if isinstance(i, int)]))


def test_the_core_is_told_of_marks_once_and_before_everything(bridged: AnyToAnyPipeline) -> None:
    prompt = prompt_of(Conversation(bridged, system="be kind"), "hello")
    assert prompt.startswith("<|begin|><|system|>You can make an image or a sound or a video.")
    assert prompt.count("<image>a red bell on a wooden table, soft light</image>") == 1
    assert prompt.endswith("do not mention them.\n\nbe kind<|end|>\n<|user|>hello<|end|>\n<|assistant|>")


def test_a_template_without_a_system_message_gets_the_instruction_in_the_first_turn(bridged: AnyToAnyPipeline) -> None:
    tokenizer = parts.core_tokenizer()
    tokenizer.chat_template = (
        "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
        "<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}"
    )
    bridge = Bridge((IMAGE,), frozenset())
    messages = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "yes"},
        {"role": "user", "content": "x"},
    ]
    phrased = bridge.phrase(messages, tokenizer)
    assert [m["role"] for m in phrased] == ["user", "assistant", "user"]
    assert phrased[0]["content"][0]["text"] == bridge.instruction
    assert phrased[0]["content"][-1]["text"] == "hi"


def test_media_that_it_cannot_read_are_told_to_the_core_in_words_and_to_the_person(
    bridged: AnyToAnyPipeline, script: Script, spell: Spell
) -> None:
    picture = Image(torch.zeros(3, 16, 16))
    conversation = Conversation(bridged)
    prompt = prompt_of(conversation, picture, "what is this?")
    assert "<|user|>[an image was attached, which this model cannot read yet]what is this?<|end|>" in prompt
    script(spell("I cannot see it."))
    reply = conversation.send([picture, "what is this?"], SEEDED)
    assert reply.notice == "This model cannot read an image yet: what was attached reached it as a remark only."
    assert bridged.encoders == {}


def test_a_later_turn_reads_only_what_is_new(bridged: AnyToAnyPipeline, script: Script, spell: Spell) -> None:
    conversation = Conversation(bridged)
    script(spell("<image>x</image>"))
    first = conversation.send("draw x", SEEDED)
    script(spell("ok"))
    second = conversation.send("thanks", SEEDED)
    assert first.costs.core_tokens > 200
    assert second.costs.core_tokens < 30


def test_what_a_model_made_before_is_told_as_its_caption(bridged: AnyToAnyPipeline) -> None:
    made = {"type": "image", "image": Image(torch.zeros(3, 4, 4)), "caption": "a red bell"}
    past = [
        {"role": "user", "content": "draw"},
        {"role": "assistant", "content": [{"type": "text", "text": "so: "}, made]},
    ]
    prompt = prompt_of(Conversation.from_messages(bridged, past), "again")
    assert "<|assistant|>so: <image>a red bell</image><|end|>" in prompt


def test_only_what_is_untrained_goes_over_the_bridge(tmp_path: Path, script: Script, spell: Spell) -> None:
    """As after the first stage, with images: what is trained uses its projections, the rest captions."""
    folder = parts.save_parts(tmp_path)
    config = untrained(inputs=(AUDIO, VIDEO), outputs=(AUDIO, VIDEO))
    AnyToAnyPipeline.from_config(config, folder).save_pretrained(folder)
    pipe = AnyToAnyPipeline.from_pretrained(folder)
    assert list(pipe.encoders) == [IMAGE]
    script([pipe.core.signals.run(IMAGE)[0], *spell("<image>x</image><audio>y</audio>")])
    reply = Conversation(pipe).send([Image(torch.zeros(3, 16, 16)), "go"], SEEDED)
    assert [part.modality for part in reply.parts] == [IMAGE, Modality.TEXT, AUDIO]
    assert reply.text == "<image>x</image>"


def test_training_begins_with_all_projections_and_a_trained_model_needs_no_bridge(tmp_path: Path) -> None:
    folder = parts.save_parts(tmp_path)
    AnyToAnyPipeline.from_config(untrained(), folder).save_pretrained(folder)
    pipe = AnyToAnyPipeline.from_pretrained(folder, as_trained=True)
    assert (pipe.bridge, list(pipe.encoders)) == (None, list(OUTPUTS))
    pipe.save_pretrained(folder)
    assert not read_config(folder).untrained_outputs
    assert AnyToAnyPipeline.from_pretrained(folder).bridge is None


def test_an_untrained_model_needs_its_parts_alone_and_finds_its_projections_from_its_decoders(tmp_path: Path) -> None:
    folder = parts.save_parts(tmp_path)
    config = untrained()
    bare = {m: replace(entry, projections={}) for m, entry in config.decoders.items()}
    write_config(folder, replace(config, decoders=bare))
    pipe = AnyToAnyPipeline.from_pretrained(folder)
    found = {m: e.projections["prompt_embeds"] for m, e in pipe.config.decoders.items()}
    assert {m: (c.core_width, c.num_queries, c.out_width) for m, c in found.items()} == {
        IMAGE: (48, 6, 16), AUDIO: (48, 1, 8), VIDEO: (48, 6, 16),
    }  # fmt: skip


def test_text_encoders_that_captions_need_are_kept(bridged: AnyToAnyPipeline, script: Script, spell: Spell) -> None:
    bridged.drop_text_encoders()
    script(spell("<image>x</image>"))
    assert len(Conversation(bridged).send("draw", SEEDED).media) == 1

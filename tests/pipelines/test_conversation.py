"""Conversations: cheap turns equal to plain ones, streaming, cancelling, forking, editing, forgetting."""

import gc
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import parts
import pytest
import torch
from torch import Tensor

from encoders.media import Audio, Image, Media, Text, Video
from encoders.modality import Modality
from pipelines.any_to_any import AnyToAnyPipeline
from pipelines.conversation import Conversation, read_question
from pipelines.decoders.base import Cancelled, DecodeOptions
from pipelines.events import Costs, Event, MediaDone, MediaStarted, MediaStep, Reply, ReplyDone, TextDelta
from pipelines.options import GenerationOptions
from pipelines.prompt import SampledTokens, encode_dialogue, stop_ids
from pipelines.state import CoreState

IMAGE, AUDIO, VIDEO = Modality.IMAGE, Modality.AUDIO, Modality.VIDEO
SEEDED = GenerationOptions(max_new_tokens=40, seed=1)

Script = Callable[[Sequence[int]], None]


def picture(seed: int = 0) -> Image:
    return Image(torch.rand(3, 18, 20, generator=torch.Generator().manual_seed(seed)))


def clip(seed: int = 0) -> Video:
    frames = torch.rand(6, 3, 16, 16, generator=torch.Generator().manual_seed(seed))
    return Video(frames, 4.0, Audio(0.1 * torch.randn(1, 8000, generator=torch.Generator().manual_seed(seed)), 16000))


def watch(state: CoreState, monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    """Collect the last hidden state of every forward from now on."""
    seen: list[Tensor] = []
    forward = type(state.core).forward

    def spy(self: Any, *arguments: Any, **options: Any) -> Tensor:
        states = forward(self, *arguments, **options)
        seen.append(states[0, -1])
        return states

    monkeypatch.setattr(type(state.core), "forward", spy)
    return seen


def test_turns_cost_their_new_tokens_and_equal_the_plain_way(
    pipe: AnyToAnyPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plain way: encode everything again, prefill the whole conversation, for every single token."""
    conversation = Conversation(pipe)
    questions: list[list[Any]] = [["look", picture(1), clip(1)], ["again", picture(1)], ["now", picture(2), "well?"]]
    core, messages, known = pipe.core, [], 0
    options = GenerationOptions(max_new_tokens=10, seed=1)
    stops = stop_ids(core.tokenizer)
    for question in questions:
        reply = conversation.send(question, options)
        messages.append({"role": "user", "content": [as_part(part) for part in read_question(question)]})
        prompt = encode_dialogue(messages, core.tokenizer, core.signals, add_generation_prompt=True)
        plain: list[int] = []
        embed = lambda slot: pipe.embed_media(slot.media)  # noqa: E731
        while len(plain) < options.max_new_tokens:
            last = CoreState(core).read([*prompt.items, *plain], embed)
            logits = core.logits(last)
            logits[
                [i for i in range(core.num_ids) if i >= core.num_base and i not in core.signals.first_ids]
            ] = -torch.inf
            sampled = int(logits.argmax())
            if sampled in stops:
                break
            plain += (
                core.signals.run(core.signals.first_ids[sampled]) if sampled in core.signals.first_ids else [sampled]
            )
        (written,) = conversation.turns[-1].answer
        assert isinstance(written, SampledTokens)
        assert list(written.ids) == plain
        last = CoreState(core).read([*prompt.items, *plain], embed)
        torch.testing.assert_close(hidden_of_last(conversation), last, atol=1e-5, rtol=0)
        positions = conversation._state.num_positions
        assert reply.costs.core_tokens == positions - known
        known = positions
        messages.append({"role": "assistant", "content": [written]})
    assert (
        conversation.costs.encoder_calls == 4
    )  # two pictures, one video, its sound; the picture shown again costs nothing


def hidden_of_last(conversation: Conversation) -> Tensor:
    """Read the state's last item once more: its hidden state on top of the cache."""
    twin = conversation.fork()
    last = twin._state._keys[-1]
    assert isinstance(last, int)
    twin._state._keep(len(twin._state._keys) - 1)
    return twin._state.append([last])[0][-1]


def as_part(media: Media) -> dict[str, Any]:
    return {"type": media.modality.value, media.modality.value: media.text if isinstance(media, Text) else media}


def test_a_text_turn_is_one_forward_to_read_and_one_for_each_token_written(
    pipe: AnyToAnyPipeline, script: Script, ids: Callable[..., list[int]]
) -> None:
    conversation = Conversation(pipe)
    script(ids("hello"))
    first = conversation.send("hi", SEEDED)
    num_written = len(ids("hello")) - 1
    assert first.costs.core_forwards == 1 + num_written
    assert (first.text, first.finish, first.notice) == ("hello", "stop", None)
    script(ids("bed"))
    second = conversation.send("ab", SEEDED)
    # "<|end|>\n<|user|>", the text, "<|end|>\n<|assistant|>", and what was written
    assert second.costs == Costs(1 + len(ids("bed")) - 1, 3 + 2 + 3 + len(ids("bed")) - 1, 0)


def test_a_signal_run_is_one_forward(pipe: AnyToAnyPipeline, script: Script, ids: Callable[..., list[int]]) -> None:
    script(ids("a", VIDEO, "b"))
    reply = Conversation(pipe).send("go", SEEDED)
    assert reply.costs.core_forwards == 1 + 3
    assert [type(part) for part in reply.parts] == [Text, Video, Text]


def test_outputs_come_in_the_order_of_the_text(
    pipe: AnyToAnyPipeline, script: Script, ids: Callable[..., list[int]]
) -> None:
    script(ids("see: ", VIDEO, "hear ", AUDIO, IMAGE, IMAGE))
    reply = Conversation(pipe).send("all", SEEDED)
    assert [part.modality for part in reply.parts] == [Modality.TEXT, VIDEO, Modality.TEXT, AUDIO, IMAGE, IMAGE]
    assert reply.text == "see:\nhear"
    video = reply.parts[1]
    assert isinstance(video, Video)
    assert video.soundtrack is None
    assert reply.parts[4].content_hash != reply.parts[5].content_hash
    assert [a.options.seed for a in reply.artefacts] == [1, 1, 1, 2]


@pytest.mark.parametrize("between", ["", " "])
def test_an_audio_run_right_after_a_video_run_is_its_sound(
    pipe: AnyToAnyPipeline, script: Script, ids: Callable[..., list[int]], between: str
) -> None:
    script(ids(VIDEO, between, AUDIO, AUDIO))
    options = replace(SEEDED, decode={VIDEO: DecodeOptions(count=2, seed=7)})
    events: list[Event] = []
    reply = Conversation(pipe).send("both", options, callback=events.append)
    first, second, sound = reply.parts
    assert isinstance(first, Video)
    assert isinstance(second, Video)
    assert isinstance(sound, Audio)
    assert first.soundtrack is not None
    assert second.soundtrack is not None
    assert first.soundtrack.content_hash != second.soundtrack.content_hash
    assert [(a.part, a.options.seed, a.sound_options and a.sound_options.seed) for a in reply.artefacts] == [
        (0, 7, 1), (0, 8, 2), (1, 2, None),
    ]  # fmt: skip
    assert [(e.part, e.modality) for e in events if isinstance(e, MediaStarted)] == [(0, VIDEO), (0, AUDIO), (1, AUDIO)]
    assert [(e.part, e.sample) for e in events if isinstance(e, MediaDone)] == [(0, 0), (0, 1), (1, 0)]


def test_options_by_modality_reach_the_decoders(
    pipe: AnyToAnyPipeline, script: Script, ids: Callable[..., list[int]]
) -> None:
    decode = {IMAGE: DecodeOptions(num_inference_steps=3, guidance_scale=5.0, seed=9, count=2), AUDIO: DecodeOptions()}
    script(ids(IMAGE, AUDIO))
    reply = Conversation(pipe).send("x", replace(SEEDED, decode=decode))
    assert [artefact.options for artefact in reply.artefacts] == [
        DecodeOptions(3, 5.0, seed=9),
        DecodeOptions(3, 5.0, seed=10),
        DecodeOptions(2, 2.0, seed=1),
    ]


def test_an_artefacts_options_make_the_same_bytes_again(
    pipe: AnyToAnyPipeline, script: Script, ids: Callable[..., list[int]]
) -> None:
    """The same seed gives the same bytes at any count, alone or in a batch."""
    three = replace(SEEDED, decode={IMAGE: DecodeOptions(count=3)})
    script(ids(IMAGE))
    together = Conversation(pipe).send("x", three)
    for artefact in together.artefacts:
        script(ids(IMAGE))
        (again,) = Conversation(pipe).send("x", replace(SEEDED, decode={IMAGE: artefact.options})).media
        assert again.content_hash == artefact.media.content_hash


def test_a_modality_that_is_not_wanted_or_not_there_cannot_be_asked_for(pipe: AnyToAnyPipeline) -> None:
    nothing = GenerationOptions(max_new_tokens=30, seed=3, temperature=9.0, modalities=frozenset())
    for turn in range(3):
        assert Conversation(pipe).send(f"turn {turn}", nothing).media == ()
    with pytest.raises(ValueError, match="cannot make 'depth'; it makes: image, audio, video"):
        Conversation(pipe).send("x", replace(SEEDED, modalities=frozenset({Modality.DEPTH})))


def test_events_stream_in_order(pipe: AnyToAnyPipeline, script: Script, ids: Callable[..., list[int]]) -> None:
    script(ids("see 你好 ", IMAGE, " ok", AUDIO))
    options = replace(SEEDED, decode={IMAGE: DecodeOptions(preview_every=1)})
    events = list(Conversation(pipe).stream("go", options))
    texts: dict[int, str] = {}
    for event in events:
        if isinstance(event, TextDelta):
            assert "\N{REPLACEMENT CHARACTER}" not in event.text
            texts[event.part] = texts.get(event.part, "") + event.text
    assert texts == {0: "see 你好 ", 2: "ok"}
    rest = [event for event in events if not isinstance(event, TextDelta)]
    assert [type(event) for event in rest] == [
        MediaStarted, MediaStep, MediaStep, MediaDone, MediaStarted, MediaStep, MediaStep, MediaDone, ReplyDone,
    ]  # fmt: skip
    step, done = rest[1], rest[-1]
    assert isinstance(step, MediaStep)
    assert (step.part, step.step, step.num_steps, step.preview is not None) == (1, 1, 2, True)
    assert isinstance(done, ReplyDone)
    assert [part.modality for part in done.reply.parts] == [Modality.TEXT, IMAGE, Modality.TEXT, AUDIO]
    assert rest.index(rest[-1]) == len(rest) - 1


def test_streaming_and_sending_say_the_same(pipe: AnyToAnyPipeline) -> None:
    options = GenerationOptions(max_new_tokens=12, temperature=2.0, seed=4)
    sent = Conversation(pipe).send(["a", picture()], options)
    *_, done = Conversation(pipe).stream(["a", picture()], options)
    assert isinstance(done, ReplyDone)
    assert same(sent, done.reply)


def same(one: Reply, other: Reply) -> bool:
    return [p.content_hash for p in one.parts] == [p.content_hash for p in other.parts]


@pytest.mark.parametrize("kind", [TextDelta, MediaStarted, MediaStep, MediaDone, ReplyDone])
def test_a_cancelled_reply_leaves_the_conversation_as_it_was(
    pipe: AnyToAnyPipeline, script: Script, ids: Callable[..., list[int]], kind: type
) -> None:
    conversation = Conversation(pipe)
    script(ids("first"))
    conversation.send(["hi", picture()], SEEDED)
    turns, positions = conversation.turns, conversation._state.num_positions
    plain = conversation.fork()

    def cancel(event: Event) -> None:
        if isinstance(event, kind):
            raise Cancelled

    script(ids("x", IMAGE)[: 1 if kind is TextDelta else None])
    with pytest.raises(Cancelled):
        conversation.send("draw", SEEDED, callback=cancel)
    assert conversation.turns == turns
    assert conversation._state.num_positions == positions

    script(2 * ids("ok", IMAGE))
    assert same(conversation.send("draw", SEEDED), plain.send("draw", SEEDED))


def test_closing_the_stream_cancels(pipe: AnyToAnyPipeline, script: Script, ids: Callable[..., list[int]]) -> None:
    conversation = Conversation(pipe)
    script(ids("x", IMAGE))
    stream = conversation.stream("draw", SEEDED)
    for event in stream:
        if isinstance(event, MediaStep):
            break
    stream.close()  # type: ignore[attr-defined]
    assert conversation.turns == ()
    assert conversation._state.num_positions == 0


def test_memory_stays_flat_over_many_cancels(
    pipe: AnyToAnyPipeline, script: Script, ids: Callable[..., list[int]]
) -> None:
    conversation = Conversation(pipe)
    script(ids("hello"))
    conversation.send(["hi", picture()], SEEDED)

    def cancel(event: Event) -> None:
        raise Cancelled

    def cancel_some(count: int) -> int:
        for _ in range(count):
            script(ids("a")[:1])
            with pytest.raises(Cancelled):
                conversation.send("again", SEEDED, callback=cancel)
        gc.collect()
        return sum(issubclass(type(thing), Tensor) for thing in gc.get_objects())

    assert cancel_some(3) + 2 >= cancel_some(200)


def test_forks_diverge_without_disturbing_each_other(pipe: AnyToAnyPipeline) -> None:
    options = GenerationOptions(max_new_tokens=8, seed=2, temperature=1.5)
    conversation = Conversation(pipe)
    conversation.send(["look", picture(1)], options)
    twin = conversation.fork()
    ours, theirs = conversation.send("red", options), twin.send("blue", options)
    for question, reply in (("red", ours), ("blue", theirs)):
        alone = Conversation(pipe)
        alone.send(["look", picture(1)], options)
        assert same(alone.send(question, options), reply)
    assert len(conversation.turns) == len(twin.turns) == 2
    assert twin.costs.encoder_calls == 1


def test_editing_a_turn_goes_on_from_there(pipe: AnyToAnyPipeline) -> None:
    options = GenerationOptions(max_new_tokens=6, seed=2)
    conversation = Conversation(pipe)
    for question in ("one", "two", "three"):
        conversation.send(question, options)
    reply = conversation.edit(1, "zwei", options)
    assert [turn.question[0].text for turn in conversation.turns if isinstance(turn.question[0], Text)] == [
        "one",
        "zwei",
    ]
    fresh = Conversation(pipe)
    fresh.send("one", options)
    assert same(fresh.send("zwei", options), reply)
    assert reply.costs.core_tokens < fresh.costs.core_tokens - reply.costs.core_tokens + 20
    with pytest.raises(ValueError, match="no turn 2"):
        conversation.edit(2, "x", options)


def test_a_cancelled_edit_changes_nothing(pipe: AnyToAnyPipeline) -> None:
    conversation = Conversation(pipe)
    for question in ("one", "two"):
        conversation.send(question, SEEDED)
    turns = conversation.turns

    def cancel(event: Event) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        conversation.edit(0, "eins", SEEDED, callback=cancel)
    assert conversation.turns == turns
    plain = Conversation(pipe)
    for question in ("one", "two"):
        plain.send(question, SEEDED)
    assert same(conversation.send("three", SEEDED), plain.send("three", SEEDED))


@pytest.fixture(scope="module")
def short_pipe(tmp_path_factory: pytest.TempPathFactory) -> AnyToAnyPipeline:
    """The random model with few positions."""
    return AnyToAnyPipeline.from_pretrained(parts.save_model(tmp_path_factory.mktemp("short"), max_positions=96))


def test_at_the_limit_the_oldest_turns_are_forgotten_and_the_person_is_told(short_pipe: AnyToAnyPipeline) -> None:
    options = GenerationOptions(max_new_tokens=12, seed=1, modalities=frozenset())
    conversation = Conversation(short_pipe, system="s")
    notices = [conversation.send(["tell me", picture(turn)], options).notice for turn in range(5)]
    assert notices[0] is None
    told = [notice for notice in notices if notice is not None]
    assert told
    assert "oldest turn was forgotten" in told[0]
    assert len(conversation.turns) == 5
    assert conversation._state.num_positions <= short_pipe.core.max_positions

    remembered = Conversation(short_pipe, system="s")
    remembered.turns = conversation.turns[conversation.num_forgotten :]
    first, second = conversation.send("so?", options), remembered.send("so?", options)
    assert same(first, second)


def test_a_conversation_that_is_kept_elsewhere_stays_small_and_answers_as_before(short_pipe: AnyToAnyPipeline) -> None:
    options = GenerationOptions(max_new_tokens=12, seed=1, modalities=frozenset())
    plain, small = Conversation(short_pipe), Conversation(short_pipe)
    for turn in range(8):
        question = ["tell me", picture(turn)]
        assert same(small.send(question, options), plain.send(question, options))
        small.release()
    known = len(plain.turns) - plain.num_forgotten
    assert known < len(plain.turns)
    assert len(small.turns) == len(small._embeddings) == known
    assert all(turn.reply is None for turn in small.turns)
    assert small.costs == plain.costs


def test_a_message_that_never_fits_is_refused_and_changes_nothing(short_pipe: AnyToAnyPipeline) -> None:
    conversation = Conversation(short_pipe)
    conversation.send("hi", SEEDED)
    with pytest.raises(ValueError, match=r"takes \d+ of the 96 positions .* shorten it"):
        conversation.send("x" * 200, SEEDED)
    assert conversation.num_forgotten == 0
    assert len(conversation.turns) == 1
    assert conversation.send("ok", SEEDED).notice is None


def test_a_reply_ends_when_the_positions_do(short_pipe: AnyToAnyPipeline) -> None:
    options = GenerationOptions(max_new_tokens=10_000, seed=1, modalities=frozenset())
    reply = Conversation(short_pipe).send("x" * 40, options)
    assert reply.finish in ("length", "stop")
    assert reply.costs.core_tokens <= 96

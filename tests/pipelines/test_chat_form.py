"""A core that was trained on another chat form: its template, its ends of turns, its prompts without marks."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import parts
import pytest
import torch

from encoders.modality import Modality
from pipelines.any_to_any import AnyToAnyPipeline
from pipelines.chat_form import ChatForm
from pipelines.checkpoint import PipelineConfig
from pipelines.conversation import Conversation
from pipelines.options import GenerationOptions
from pipelines.prompt import MediaSlot, encode_dialogue
from pipelines.sampling import Finish, SampledId, SampledRun, stop_at
from pipelines.signals import SignalTokens
from pipelines.text import encode_text

TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n###"
    "{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}"
)
FORM = ChatForm(TEMPLATE, stops=("\n###",), has_marks=False)
IMAGE = Modality.IMAGE


def spell(ids: list[int]) -> str:
    return "".join(map(chr, ids))


def said(text: str) -> list[SampledId | SampledRun | Finish]:
    return [SampledId(ord(letter)) for letter in text]


@pytest.mark.parametrize(
    ("text", "heard", "ended"),
    [
        ("good\n### Human: no", "good", True),
        ("a\n#b\n##\n###", "a\n#b\n##", True),
        ("\n###", "", True),
        ("well\n##", "well\n##", False),
        ("stop here", "stop ", True),
    ],
)
def test_a_text_that_ends_a_turn_is_never_heard(text: str, heard: str, ended: bool) -> None:
    written = [*said(text), Finish("length")]
    passed = list(stop_at(("\n###", "here"), written, spell))
    assert spell([event.id for event in passed if isinstance(event, SampledId)]) == heard
    assert passed[-1] == Finish("stop" if ended else "length")


def test_what_is_certain_is_passed_on_at_once() -> None:
    seen: list[int] = []

    def write() -> object:
        for number, event in enumerate(said("ab\n#cd")):
            seen.append(number)
            yield event

    heard = stop_at(("\n###",), write(), spell)  # type: ignore[arg-type]
    assert [(next(heard), len(seen)) for _ in range(4)] == [
        (SampledId(97), 1), (SampledId(98), 2), (SampledId(10), 5), (SampledId(35), 5),
    ]  # fmt: skip


def test_a_signal_run_breaks_the_beginning_of_an_end() -> None:
    run = SampledRun(IMAGE, (7,), torch.zeros(1, 1), torch.zeros(1, 1))
    written = [*said("\n#"), run, *said("##")]
    assert list(stop_at(("\n###",), written, spell)) == written


def test_a_reply_ends_where_its_form_says_and_the_next_turn_goes_on_from_there(
    tmp_path: Path, script: Callable[[Sequence[int]], None]
) -> None:
    parts.save_parts(tmp_path)
    config = replace(parts.pipeline_config(), chat=FORM)
    assert PipelineConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    pipe = AnyToAnyPipeline.from_config(config, tmp_path)
    tokenizer, conversation = pipe.core.tokenizer, Conversation(pipe)
    script(encode_text(tokenizer, "hello\n###"))
    assert conversation.send("hi", GenerationOptions(seed=0)).text == "hello"
    before = conversation.costs.core_tokens
    script(encode_text(tokenizer, "bye\n###"))
    assert conversation.send("ho", GenerationOptions(seed=0)).text == "bye"
    shown = tokenizer.decode([item for item in conversation._state._keys if isinstance(item, int)])
    assert shown == "<|begin|>user: hi\n###assistant: hello\n###user: ho\n###assistant: bye\n###"
    asked = len(encode_text(tokenizer, "\n###user: ho\n###assistant: bye\n###"))
    assert conversation.costs.core_tokens - before <= asked


def test_media_without_marks_stand_alone() -> None:
    tokenizer = parts.core_tokenizer()
    signals = SignalTokens(parts.COUNTS, first_id=len(tokenizer), has_marks=False)
    assert signals.num_tokens == sum(parts.COUNTS.values()) == len(signals.token_names)
    assert signals.run(IMAGE)[0] == signals.first_id
    messages = [{"role": "user", "content": [{"type": "image", "image": "x"}, {"type": "text", "text": "a"}]}]
    items = encode_dialogue(messages, tokenizer, signals).items
    at = [isinstance(item, MediaSlot) for item in items].index(True)
    assert items[at + 1] == encode_text(tokenizer, "a")[0]
    assert not any(signals.is_new(item) for item in items if isinstance(item, int))


def test_an_empty_end_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be empty"):
        ChatForm(stops=("",))

"""What a conversation takes in: control tokens as letters, messages taken up again, files, and bad questions."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import parts
import pytest
import torch

from encoders.media import Audio, Image, Media, Text
from encoders.modality import Modality
from encoders.writing import write_media
from pipelines.any_to_any import AnyToAnyPipeline
from pipelines.conversation import Conversation
from pipelines.options import GenerationOptions
from pipelines.prompt import SampledTokens

IMAGE = Modality.IMAGE
SEEDED = GenerationOptions(max_new_tokens=40, seed=1)

Script = Callable[[Sequence[int]], None]


def picture(seed: int = 0) -> Image:
    return Image(torch.rand(3, 18, 20, generator=torch.Generator().manual_seed(seed)))


def as_part(media: Media) -> dict[str, Any]:
    return {"type": media.modality.value, media.modality.value: media.text if isinstance(media, Text) else media}


def test_control_tokens_in_any_text_input_fire_nothing(
    pipe: AnyToAnyPipeline, script: Script, ids: Callable[..., list[int]], tmp_path: Path
) -> None:
    """Typed signal tokens are letters: in the question, in the system text, in earlier turns, in a file's name."""
    typed = "".join([*pipe.core.signals.token_names, *parts.CONTROL])
    path = write_media(tmp_path / "[IMG0][IMG1]<|end|>.png", picture())
    earlier = [
        {"role": "system", "content": typed},
        {"role": "user", "content": typed},
        {"role": "assistant", "content": [{"type": "text", "text": typed}]},
    ]
    conversation = Conversation.from_messages(pipe, earlier)
    script(ids(typed))
    reply = conversation.send([typed, {"type": "image", "image": str(path)}], SEEDED_LONG)
    assert reply.media == ()
    assert reply.text == typed


SEEDED_LONG = GenerationOptions(max_new_tokens=500, seed=1)


def test_nobody_outside_can_claim_to_be_the_core(pipe: AnyToAnyPipeline) -> None:
    run = SampledTokens(pipe.core.signals.run(IMAGE))
    with pytest.raises(ValueError, match="list of parts"):
        Conversation.from_messages(pipe, [{"role": "user", "content": "x"}, {"role": "assistant", "content": [run]}])
    with pytest.raises(ValueError, match="content part"):
        Conversation(pipe).send([run], SEEDED)  # type: ignore[list-item]


def test_a_conversation_is_taken_up_again_from_its_messages(pipe: AnyToAnyPipeline) -> None:
    messages = [
        {"role": "system", "content": "s"},
        {"role": "user", "content": [{"type": "text", "text": "draw"}, as_part(picture())]},
        {"role": "assistant", "content": [{"type": "text", "text": "here"}, as_part(picture(2))]},
    ]
    conversation = Conversation.from_messages(pipe, messages)
    assert conversation.system == "s"
    conversation.send("more", SEEDED)
    assert conversation.costs.encoder_calls == 1  # what the model made stands there as its signal run
    with pytest.raises(ValueError, match="in turn"):
        Conversation.from_messages(pipe, messages[:2])


@pytest.mark.parametrize(
    ("question", "wanted"),
    [
        ([], "nothing to answer"),
        ([{"type": "image"}], "field of that name"),
        ([{"type": "image", "image": Audio(torch.zeros(1, 4), 8)}], "holds audio instead"),
        ([3], "got int"),
    ],
)
def test_a_bad_question_is_refused(pipe: AnyToAnyPipeline, question: Any, wanted: str) -> None:
    with pytest.raises(ValueError, match=wanted):
        Conversation(pipe).send(question, SEEDED)


def test_files_are_opened_by_path_and_encoded_once(pipe: AnyToAnyPipeline, tmp_path: Path) -> None:
    path = write_media(tmp_path / "in.png", picture())
    conversation = Conversation(pipe)
    conversation.send([{"type": "text", "text": "a"}, {"type": "image", "image": str(path)}], SEEDED)
    conversation.send([{"type": "image", "image": path}], SEEDED)
    assert conversation.costs.encoder_calls == 1


@pytest.mark.parametrize(
    "options", [{"max_new_tokens": 0}, {"temperature": -1.0}, {"top_p": 0.0}, {"seed": -1}, {"max_media": -1}]
)
def test_generation_options_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        GenerationOptions(**options)

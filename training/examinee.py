"""Who is evaluated: a preset that answers the user's turns of a dialogue, one after another."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import torch

from encoders.media import Media
from encoders.modality import Modality
from pipelines.any_to_any import AnyToAnyPipeline
from pipelines.conversation import Conversation
from pipelines.decoders.base import DecodeOptions
from pipelines.options import GenerationOptions
from training.data import WorldMedia, render
from training.grading import Answer
from training.world.dialogues import Dialogue
from training.world.split import Side


class Examinee:
    """A preset with its pipelines, which are loaded when they are first needed."""

    def __init__(self, preset: str, device: str = "cpu") -> None:
        self.preset, self.device = preset, device

    @cached_property
    def pipeline(self) -> AnyToAnyPipeline:
        return AnyToAnyPipeline.from_pretrained(self.preset, device=self.device)

    @cached_property
    def clip_pipeline(self) -> AnyToAnyPipeline:
        """The same model, its pictures read by CLIP."""
        return AnyToAnyPipeline.from_pretrained(self.preset, encoders={Modality.IMAGE: "clip"}, device=self.device)

    def answer(
        self, dialogue: Dialogue, seed: int, *, with_clip: bool = False, side: Side = "held_out"
    ) -> list[Answer]:
        """Let the model answer every user turn; its own earlier answers are what it goes on from."""
        conversation = Conversation(self.clip_pipeline if with_clip else self.pipeline)
        answers = []
        for message in dialogue.messages:
            if message["role"] == "user":
                reply = conversation.send(rendered(message["content"], side), GenerationOptions(seed=seed))
                answers.append(Answer(reply.text, reply.media))
        return answers

    @torch.no_grad()
    def decode(self, modality: Modality, caption: str, seed: int) -> Media:
        """Let a decoder make what its own text encoder reads in a caption."""
        decoder = self.pipeline.decoders[modality]
        return decoder.decode(decoder.condition([caption]), DecodeOptions(seed=seed))[0]


def rendered(parts: Sequence[Mapping[str, Any]], side: Side) -> list[dict[str, Any]]:
    """Content parts with every reference to a medium of the world rendered."""
    return [
        dict(part)
        if part["type"] == Modality.TEXT
        else {"type": part["type"], part["type"]: render(WorldMedia(part[part["type"]], side))}
        for part in parts
    ]

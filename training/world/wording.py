"""The shape of a language's wordings: what users may say and what the assistant replies, as templates."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from training.world.scene import Kind, Motion, Relation, Scene, Thing
from training.world.split import Side

Language = Literal["en", "zh"]
Templates = tuple[str, ...]
_FRAMED = 0.15  # the share of requests with a frame


class Phrase(Protocol):
    """Words a scene as people put it into a request, naming only some attributes."""

    def __call__(self, scene: Scene, rng: random.Random, *, kind: Kind, side: Side, named: frozenset[str]) -> str: ...


@dataclass(frozen=True)
class Wording:
    """Everything that dialogues need of one language.

    `users` maps what is asked to (train, held-out) templates; `replies` maps it to the assistant's few sentences.
    `small_talk` maps a topic to (train, held-out, replies). Of several words for an attribute, the first is the
    canonical one, which replies use.
    """

    language: Language
    canonical: Callable[[Scene, Kind | None], str]
    phrase: Phrase
    finish: Callable[[str, random.Random], str]
    users: Mapping[str, tuple[Templates, Templates]]
    replies: Mapping[str, Templates]
    small_talk: Mapping[str, tuple[Templates, Templates, Templates]]
    name: Callable[[str], str]
    thing: Callable[[Thing], str]
    bare: Callable[[str], str]
    colour: Callable[[str], str]
    size: Callable[[str], str]
    backgrounds: Mapping[str, Templates]
    places: Mapping[str, Templates]
    relations: Mapping[Relation, Templates]
    commanded: Mapping[Motion, Templates]
    doing: Mapping[Motion, Templates]
    sound_facts: Mapping[str, str]
    sounding: Callable[[str], str]
    extra: Callable[[str, str], str]
    frames: Templates  # what people put around a request, while training

    def asked(self, what: str, side: Side, rng: random.Random, **slots: str) -> str:
        """Draw a user's wording of a request; while training, now and then with something around it."""
        text = rng.choice(self.users[what][side == "held_out"]).format(**slots)
        if side == "train" and rng.random() < _FRAMED:
            end = text[-1] if text[-1] in "?？" else ""
            text = rng.choice(self.frames).format(text.removesuffix(end)) + end
        return self.finish(text, rng)

    def replied(self, what: str, rng: random.Random, **slots: str) -> str:
        """Draw the assistant's wording of a reply."""
        text = rng.choice(self.replies[what]).format(**slots)
        return text[0].upper() + text[1:]

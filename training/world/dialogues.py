"""Dialogues over the world, in English and Chinese: pure functions of a seed, in the content-part form of messages."""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from encoders.modality import Modality
from training.world import asking, making
from training.world.revising import rehearse, revise
from training.world.split import Side
from training.world.talk import MediaRef, Talk, Turn
from training.world.wording import Language, Wording
from training.world.wording_en import ENGLISH
from training.world.wording_zh import CHINESE

__all__ = ["LANGUAGES", "TASKS", "Dialogue", "MediaRef", "draw_dialogue"]

LANGUAGES: Mapping[Language, Wording] = {"en": ENGLISH, "zh": CHINESE}
# Each task with how often it is drawn when none is asked for.
_TURNS: Mapping[str, tuple[Turn, float]] = {
    "draw": (making.draw_from_text, 14),
    "play": (making.play_from_text, 4),
    "animate": (making.animate_from_text, 7),
    "describe_image": (asking.describe_image, 11),
    "describe_audio": (asking.describe_audio, 9),
    "describe_video": (asking.describe_video, 14),
    "draw_heard": (making.draw_heard, 5),
    "draw_seen": (making.draw_seen, 1),
    "play_seen": (making.play_seen, 8),
    "animate_seen": (making.animate_seen, 6),
    "animate_heard": (making.animate_heard, 5),
    "draw_and_play": (making.draw_and_play, 8),
    "draw_and_animate": (making.draw_and_animate, 3),
    "animate_with_sound": (making.animate_with_sound, 8),
    "revise": (revise, 20),
    "ask_earlier": (asking.ask_earlier, 4),
    "ask_attribute": (asking.ask_attribute, 12),
    "facts": (asking.facts, 3),
    "small_talk": (asking.small_talk, 4),
    "refuse": (asking.refuse, 6),
    "foreign": (asking.foreign, 9),
    "silent": (asking.silent, 4),
    "rehearse": (rehearse, 0),  # asked for by name alone
}
_MIXED = "mixed"  # 2 to 4 turns of the others
TASKS = (*_TURNS, _MIXED)
_WEIGHTS = {task: weight for task, (_, weight) in _TURNS.items()}


@dataclass(frozen=True)
class Dialogue:
    """Messages with content parts; media parts hold a `MediaRef`, generated ones their canonical caption too.

    `asked` has one entry for each generated medium, in order: the attributes that the user asked for (or that are to be
    kept), of "thing", "colour", "size", "background", "relation", "motion". The rest was the assistant's choice.
    """

    messages: tuple[dict[str, Any], ...]
    task: str
    language: Language
    side: Side
    asked: tuple[frozenset[str], ...]

    def media(self) -> Iterator[MediaRef]:
        """Go through all media of the dialogue, in order."""
        for message in self.messages:
            for part in message["content"]:
                if part["type"] != Modality.TEXT:
                    yield part[part["type"]]


def draw_dialogue(
    seed: int, side: Side = "train", *, task: str | None = None, language: Language | None = None
) -> Dialogue:
    """Draw a dialogue: a pure function of the arguments.

    On the held-out side wordings are held-out ones, and so are the combinations that are described or made.
    """
    if task is not None and task not in TASKS:
        raise ValueError(f"No task {task!r}; the tasks are: {', '.join(TASKS)}.")
    rng = random.Random(f"dialogue {seed}")
    language = language or ("en" if rng.random() < 0.5 else "zh")
    task = task or rng.choices(TASKS, weights=[*_WEIGHTS.values(), 0.12 * sum(_WEIGHTS.values())])[0]
    talk = Talk(rng, side, LANGUAGES[language])
    for turn in rng.choices(list(_TURNS), weights=list(_WEIGHTS.values()), k=rng.randint(2, 4)):
        _TURNS[turn if task == _MIXED else task][0](talk)
        if task != _MIXED or len(talk.messages) >= 8:
            break
    return Dialogue(tuple(talk.messages), task, language, side, tuple(talk.asked))

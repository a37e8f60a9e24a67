"""English: how people put a scene into a request, and the few sentences that the assistant replies with."""

import random

from training.world import requests_en
from training.world.captions import (
    BACKGROUND_PHRASES,
    DOING,
    RELATION_PHRASES,
    canonical_caption,
    draw_words,
    noun_phrase,
    with_article,
)
from training.world.scene import Kind, Motion, Scene
from training.world.small_talk import ABLE_EN, SMALL_TALK_EN, SOUND_FACTS_EN
from training.world.split import Side
from training.world.wording import Templates, Wording

_REPLIES: dict[str, Templates] = {
    "made": ("here is {c}.",), "made_sound": ("here is {c}.",),
    "made_two": ("here is {c}, with {d}.",),
    "seen": ("I see {c}.",),
    "heard": ("I hear {c}.",),
    "thing": ("it is a {name}.",),
    "colour": ("the {name} is {colour}.",),
    "place": ("the {name} is {bg}.",),
    "relation": ("the {name} is {rel} the {other}.",),
    "size": ("the {name} is {size}.",),
    "motion": ("the {name} is {doing}.",),
    "count_one": ("I see one thing: a {name}.",),
    "count_two": ("I see two things: a {name} and a {other}.",),
    "yes_colour": ("yes, the {name} is {colour}.",), "no_colour": ("no, the {name} is {colour}.",),
    "yes_thing": ("yes, it is a {name}.",), "no_thing": ("no, it is a {name}.",),
    "was_thing": ("it was {c}.",),
    "silent": ("a {name} makes no sound I know.",),
    "silent_seen": ("I see a {name}, and a {name} makes no sound I know.",),
    "refuse_thing": ("sorry, I do not know that thing. I can draw things like a bell, a cat or a tree.",),
    "refuse_sound": ("sorry, I do not know that sound. I can play things like a bell, a drum or a cat.",),
    "refuse_colour": ("sorry, I do not know that colour. I can use red, orange, yellow, green, blue and purple.",),
    "refuse_place": ("sorry, I do not know that place. I can use the sky, a meadow, a beach and the night.",),
    "refuse_motion": ("sorry, I do not know that movement. Things can move, grow, shrink, spin and bounce.",),
    "refuse_many": ("sorry, I can only draw one or two things at a time.",),
    "refuse_task": (f"sorry, I cannot do that. {ABLE_EN}",),
    "foreign_image": ("sorry, I do not know this picture. I know pictures of things like a bell, a cat or a tree.",),
    "foreign_audio": ("sorry, I do not know this sound. I know sounds of things like a bell, a drum or a cat.",),
    "foreign_video": ("sorry, I do not know this video. I know videos of things like a bell, a cat or a tree.",),
}  # fmt: skip
_COMMANDED: dict[Motion, Templates] = {
    Motion.LEFT: ("move left", "move to the left", "go left"), Motion.RIGHT: ("move right", "move to the right", "go right"),
    Motion.UP: ("move up", "go up", "rise"), Motion.DOWN: ("move down", "go down", "fall"),
    Motion.GROW: ("grow", "get bigger"), Motion.SHRINK: ("shrink", "get smaller"),
    Motion.SPIN: ("spin", "turn around"), Motion.BOUNCE: ("bounce", "jump"),
}  # fmt: skip


def phrase(scene: Scene, rng: random.Random, *, kind: Kind, side: Side, named: frozenset[str]) -> str:
    """Word a scene as people put it into a request, naming only the attributes in `named`."""
    slots = draw_words(scene, rng, kind, named)
    with_background = "background" in named and kind != "audio"
    moves = kind == "video" and scene.motion is not None and "motion" in named
    if kind == "two" and "relation" not in named:
        return ("{a} and {b} {bg}" if with_background else "{a} and {b}").format(**slots)
    fitting = [
        template
        for template in requests_en.PHRASES[kind][side == "held_out"]
        if ("{bg}" in template) == with_background and ("{do" in template) == moves
    ]
    return rng.choice(fitting).format(**slots)


def finish(text: str, rng: random.Random) -> str:
    """Add a "please", a capital and a full stop as people do, or do not."""
    if not text.endswith("?"):
        text = rng.choice((text,) * 8 + (f"please {text}", f"{text}, please")) if text.split()[0] in _VERBS else text
        text += rng.choice(("", "", "."))
    elif rng.random() < 0.2:
        text = text[:-1]
    return text[0].upper() + text[1:] if rng.random() < 0.6 else text


_VERBS = {  # what a request begins with
    "draw", "paint", "show", "make", "create", "play", "let", "animate", "put", "turn", "change",
    "describe", "tell", "swap", "move",
}  # fmt: skip


def _extra(what: str, value: str) -> str:
    return {"colour": f" in {value}", "background": f" {value}", "motion": f", {value}"}[what]


ENGLISH = Wording(
    language="en",
    canonical=canonical_caption,
    phrase=phrase,
    finish=finish,
    users=requests_en.USERS,
    replies=_REPLIES,
    small_talk=SMALL_TALK_EN,
    name=str,
    thing=lambda thing: with_article(noun_phrase(thing)),
    bare=with_article,
    colour=str,
    size=str,
    backgrounds=BACKGROUND_PHRASES,
    places=BACKGROUND_PHRASES,
    relations=RELATION_PHRASES,
    commanded=_COMMANDED,
    doing=DOING,
    sound_facts=SOUND_FACTS_EN,
    sounding=with_article,
    extra=_extra,
    frames=("{} for me", "ok, {}", "{}, thank you", "then {}", "hello, {}", "{} this time", "well, {}"),
)

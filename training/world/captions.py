"""English captions of scenes: one fixed wording that decoders are conditioned on, and many that people might write."""

import random
from collections.abc import Mapping
from dataclasses import replace

from training.world.scene import Kind, Motion, Relation, Scene, Thing
from training.world.split import Side, is_trained

# The first wording of every list is the canonical one.
SIZE_WORDS: Mapping[str, tuple[str, ...]] = {
    "big": ("big", "large", "huge", "giant"),
    "small": ("small", "little", "tiny"),
}
BACKGROUND_PHRASES: Mapping[str, tuple[str, ...]] = {
    "sky": ("in the sky", "high in the sky", "in the air", "high in the air"),
    "meadow": ("in a meadow", "in the meadow", "on the grass", "in the grass", "in a field"),
    "beach": ("on a beach", "on the beach", "at the beach", "on the sand", "by the sea"),
    "night": ("at night", "in the night", "in the dark", "on a dark night"),
}
RELATION_PHRASES: Mapping[Relation, tuple[str, ...]] = {
    Relation.LEFT_OF: ("to the left of", "on the left of", "left of"),
    Relation.RIGHT_OF: ("to the right of", "on the right of", "right of"),
    Relation.ABOVE: ("above", "over", "on top of"),
    Relation.BELOW: ("below", "under", "beneath", "underneath"),
}
INVERSE: Mapping[Relation, Relation] = {
    Relation.LEFT_OF: Relation.RIGHT_OF,
    Relation.RIGHT_OF: Relation.LEFT_OF,
    Relation.ABOVE: Relation.BELOW,
    Relation.BELOW: Relation.ABOVE,
}
DOING: Mapping[Motion, tuple[str, ...]] = {
    Motion.LEFT: ("moving left", "moving to the left", "going left", "going to the left"),
    Motion.RIGHT: ("moving right", "moving to the right", "going right", "going to the right"),
    Motion.UP: ("moving up", "going up", "rising"),
    Motion.DOWN: ("moving down", "going down", "falling", "sinking"),
    Motion.GROW: ("growing", "getting bigger", "getting larger"),
    Motion.SHRINK: ("shrinking", "getting smaller"),
    Motion.SPIN: ("spinning", "turning", "turning around"),
    Motion.BOUNCE: ("bouncing", "jumping", "hopping"),
}
DOES: Mapping[Motion, tuple[str, ...]] = {
    Motion.LEFT: ("moves left", "moves to the left", "goes left"),
    Motion.RIGHT: ("moves right", "moves to the right", "goes right"),
    Motion.UP: ("moves up", "goes up", "rises"),
    Motion.DOWN: ("moves down", "goes down", "falls", "sinks"),
    Motion.GROW: ("grows", "gets bigger", "gets larger"),
    Motion.SHRINK: ("shrinks", "gets smaller"),
    Motion.SPIN: ("spins", "turns", "turns around"),
    Motion.BOUNCE: ("bounces", "jumps", "hops"),
}
SOUND_PHRASES: Mapping[str, tuple[str, ...]] = {
    "bell": ("a bell ringing", "a ringing bell", "a bell that rings"),
    "drum": ("a drum beating", "a beating drum", "a drum that beats"),
    "guitar": ("a guitar being plucked", "a plucked guitar", "a guitar string being plucked"),
    "trumpet": ("a trumpet playing", "a trumpet being blown", "a trumpet that plays"),
    "car": ("a car engine", "a car driving", "the engine of a car"),
    "train": ("a train passing", "a train whistling", "a passing train"),
    "clock": ("a clock ticking", "a ticking clock", "a clock that ticks"),
    "phone": ("a phone ringing", "a ringing phone", "a phone that rings"),
    "bird": ("a bird chirping", "a bird singing", "a chirping bird"),
    "cat": ("a cat meowing", "a meowing cat", "a cat that meows"),
    "frog": ("a frog croaking", "a croaking frog", "a frog that croaks"),
    "bee": ("a bee buzzing", "a buzzing bee", "a bee that buzzes"),
}

# A template serves when it has exactly the slots of what is named ({colour} counts as part of {a} when it is absent).
_ONE: Mapping[Side, tuple[str, ...]] = {
    "train": (
        "{a} {bg}", "{a} {bg}", "{bg}, {a}", "there is {a} {bg}", "this is {a} {bg}", "a picture of {a} {bg}",
        "a drawing of {a} {bg}", "one {np} {bg}", "the {np} is {bg}", "{bare} {bg}, it is {colour}",
        "the {noun} {bg} is {colour}",
        "{a}", "{a}", "this is {a}", "there is {a}", "a picture of {a}", "one {np}", "the {noun} is {colour}",
    ),
    "held_out": (
        "{bg} there is {a}", "this is a picture of {a} {bg}", "the picture is of {a} {bg}", "there is one {np} {bg}",
        "this is one {np}", "this is a drawing of {a}",
    ),
}  # fmt: skip
_TWO: Mapping[Side, tuple[str, ...]] = {
    "train": (
        "{a} {rel} {b} {bg}", "{a} {rel} {b} {bg}", "{b} {inv} {a} {bg}", "{bg}, {a} {rel} {b}",
        "there is {a} {rel} {b} {bg}", "{b} with {a} {rel} it {bg}", "{rel} {b} is {a} {bg}", "{a} is {rel} {b} {bg}",
        "a picture of {a} {rel} {b} {bg}",
        "{a} and {b} {bg}, the {noun} is {rel} the {other}", "{b} and {a} {bg}, the {noun} is {rel} the {other}",
        "{a} {rel} {b}", "{a} {rel} {b}", "{b} {inv} {a}", "there is {a} {rel} {b}", "{b} with {a} {rel} it",
        "{a} and {b}, the {noun} is {rel} the {other}",
    ),
    "held_out": (
        "{bg} there is {a} {rel} {b}", "{bg}, {b} with {a} {rel} it", "{inv} {a} there is {b} {bg}",
        "a picture of {b} {inv} {a}", "this is {a} {rel} {b} {bg}", "there is {b} with {a} {rel} it",
    ),
}  # fmt: skip
_VIDEO: Mapping[Side, tuple[str, ...]] = {
    "train": (
        "{a} {doing} {bg}", "{a} {doing} {bg}", "{bg}, {a} {doing}", "{a} is {doing} {bg}", "{a} {does} {bg}",
        "a video of {a} {doing} {bg}", "{bg}, {a} {does}", "the {np} is {doing} {bg}", "there is {a} {doing} {bg}",
        "{a} that {does} {bg}",
        "{a} {doing}", "{a} {does}", "a video of {a} {doing}", "{a} that {does}", "the {np} {does}",
        "{a} {bg}", "{a}", "a video of {a} {bg}", "a video of {a}",
    ),
    "held_out": (
        "{bg} there is {a} {doing}", "this is a video of {a} {doing} {bg}", "the {np} {does} {bg}",
        "there is {a} that {does} {bg}", "one {np} {doing}", "a video of {a} that {does}", "this is a video of {a}",
        "there is {a} {bg}",
    ),
}  # fmt: skip
_AUDIO: Mapping[Side, tuple[str, ...]] = {
    "train": (
        "the sound of {a}", "the sound of {a}", "{sound}", "{sound}", "the sound of {sound}", "{a}",
        "a recording of {sound}", "this is {sound}", "there is {sound}", "{a} can be heard",
    ),
    "held_out": (
        "this is the sound of {sound}", "{sound} can be heard", "a recording of {a}", "this is the sound of {a}",
    ),
}  # fmt: skip


def infer_kind(scene: Scene) -> Kind:
    """Tell the kind of a scene by what it has; a sound looks like a picture of one thing, so "audio" must be said."""
    if scene.relation is not None:
        return "two"
    return "one" if scene.motion is None else "video"


def canonical_caption(scene: Scene, kind: Kind | None = None) -> str:
    """Name everything the scene has set, in the one fixed wording: "a small red bell in a meadow"."""
    kind = kind or infer_kind(scene)
    if kind == "audio":
        return f"the sound of {with_article(scene.thing.name)}"
    words = [with_article(noun_phrase(scene.thing))]
    if kind == "two" and scene.relation is not None:
        words += [RELATION_PHRASES[scene.relation][0], with_article(noun_phrase(scene.things[1]))]
    if kind == "video" and scene.motion is not None:
        words.append(DOING[scene.motion][0])
    return " ".join([*words, BACKGROUND_PHRASES[scene.background][0]])


def caption(scene: Scene, seed: int, *, kind: Kind | None = None, side: Side = "train", complete: bool = True) -> str:
    """Word the scene in one of many ways, a pure function of the arguments.

    All that is set is named, except that a size may be dropped; with `complete=False` colours, background and motion
    may be dropped too. The templates of `side="held_out"` are never trained on; their words are.
    """
    rng = random.Random(f"caption {seed}")
    kind = kind or infer_kind(scene)
    named = {"size", "colour", "background", "motion"}
    if rng.random() < 0.3:
        named.discard("size")
    if not complete:
        named -= {attribute for attribute in ("colour", "background", "motion") if rng.random() < 0.35}
    return wording(scene, rng, kind=kind, side=side, named=frozenset(named))


def wording(scene: Scene, rng: random.Random, *, kind: Kind, side: Side, named: frozenset[str]) -> str:
    """Word a scene naming only the attributes in `named` (of "size", "colour", "background", "motion")."""
    slots = draw_words(scene, rng, kind, named)
    templates = {"one": _ONE, "two": _TWO, "video": _VIDEO, "audio": _AUDIO}[kind][side]
    moves = kind == "video" and scene.motion is not None and "motion" in named
    fitting = [
        template
        for template in templates
        if ("{bg}" in template) == ("background" in named and kind != "audio")
        and ("{do" in template) == moves
        and ("{colour}" not in template or "colour" in named)
        and ("{inv}" not in template or side == "held_out" or may_invert(scene))
    ]
    return rng.choice(fitting or ["{a} {doing}" if moves else "{a}"]).format(**slots)


def may_invert(scene: Scene) -> bool:
    """Tell whether "X above Y" may also be said as "Y below X": not where that names a held-out pair."""
    return scene.relation is not None and is_trained(inverted(scene))


def inverted(scene: Scene) -> Scene:
    """Say the same pair from the other thing: X above Y becomes Y below X. Other scenes stay as they are."""
    if scene.relation is None:
        return scene
    return replace(scene, things=scene.things[::-1], relation=INVERSE[scene.relation])


def upright(scene: Scene) -> Scene:
    """Say a pair from its left or its upper thing. Other scenes stay as they are."""
    return inverted(scene) if scene.relation in (Relation.RIGHT_OF, Relation.BELOW) else scene


def noun_phrase(thing: Thing, *, size: str | None = None, colour: bool = True) -> str:
    """Say "small red bell"; `size` is another word for the size, and `colour=False` leaves the colour out."""
    words = (size or (thing.size and SIZE_WORDS[thing.size][0]), thing.colour if colour else None, thing.name)
    return " ".join(word for word in words if word)


def with_article(phrase: str) -> str:
    """Put "a" or "an" before a noun phrase of the world, in which only "orange" asks for "an"."""
    return f"an {phrase}" if phrase.startswith("orange") else f"a {phrase}"


def draw_words(scene: Scene, rng: random.Random, kind: Kind, named: frozenset[str]) -> dict[str, str]:
    """Draw words for templates: a, np, bare, noun, colour, bg; of pairs b, other, rel, inv; of videos doing, does."""
    if kind == "audio":
        name = scene.thing.name
        return {"a": with_article(name), "sound": rng.choice(SOUND_PHRASES[name])}
    phrases = [_free_noun_phrase(thing, rng, named) for thing in scene.things]
    bare = _free_noun_phrase(scene.thing, rng, named - {"colour"})
    places = BACKGROUND_PHRASES[scene.background]  # the first is the one that replies restate: twice as often
    slots = {
        "a": with_article(phrases[0]), "np": phrases[0], "bare": with_article(bare), "noun": bare,
        "colour": scene.thing.colour, "bg": rng.choice((places[0], *places)),
    }  # fmt: skip
    if scene.relation is not None:
        slots |= {"b": with_article(phrases[1]), "noun": scene.things[0].name, "other": scene.things[1].name}
        slots["rel"] = rng.choice(RELATION_PHRASES[scene.relation])
        slots["inv"] = rng.choice(RELATION_PHRASES[INVERSE[scene.relation]])
    if scene.motion is not None:
        slots |= {"doing": rng.choice(DOING[scene.motion]), "does": rng.choice(DOES[scene.motion])}
    return slots


def _free_noun_phrase(thing: Thing, rng: random.Random, named: frozenset[str]) -> str:
    size = rng.choice(SIZE_WORDS[thing.size]) if thing.size and "size" in named else None
    words = (size, thing.colour if "colour" in named else None, thing.name)
    return " ".join(word for word in words if word)

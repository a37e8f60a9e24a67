"""Turns that change what was just made or shown: another colour, place, size, relation, motion or thing."""

from dataclasses import replace

from training.world.captions import upright
from training.world.making import make_from_text
from training.world.scene import (
    BACKGROUNDS,
    COLOURS,
    SOUNDING_THINGS,
    THINGS,
    Kind,
    Motion,
    Relation,
    Scene,
    Thing,
    draw_scene,
)  # fmt: skip
from training.world.split import is_trained
from training.world.talk import ATTRIBUTES, Talk

_CHANGES: dict[Kind, tuple[str, ...]] = {
    "one": ("colour", "colour", "background", "background", "size", "add", "thing"),
    "two": ("colour_of", "colour_of", "colour_of", "background", "relation", "swap", "swap", "thing_of", "thing_of"),
    "video": ("colour", "background", "motion", "motion", "thing"),
    "audio": ("sound",),
}
# What needs the thing that is named to be found among two: worth rehearsing.
_REHEARSED = ("colour_of", "colour_of", "thing_of", "thing_of", "swap", "relation", "background")
Change = tuple[str, dict[str, str], Scene, Kind]


def revise(talk: Talk) -> None:
    """Change the last picture, video or sound (a new one if there is none), restating the whole new caption."""
    last = talk.last
    if last is not None and (talk.last_was_made or last[1] in ("one", "two")):
        for _ in range(60):
            change = _draw_change(talk, *last)
            if talk.accepts(change[2], change[3]):
                return _change(talk, change)
    kind: Kind = talk.rng.choice(("one", "one", "one", "two", "two", "two", "two", "two", "video", "video", "audio"))
    while True:
        scene = draw_scene(talk.rng, kind)
        if talk.side == "train" and not is_trained(scene):
            continue
        change = _draw_change(talk, scene, kind)
        if talk.accepts(change[2], change[3]):
            break
    if kind in ("one", "two") and talk.rng.random() < 0.15:
        talk.user(talk.ask("describe_image"), talk.shown(scene, kind))
        talk.assistant(talk.reply("seen", c=talk.wording.canonical(upright(scene), kind)))
    else:
        make_from_text(talk, scene, kind)
    return _change(talk, change)


def rehearse(talk: Talk) -> None:
    """Change a picture of two things several times in a row, mostly one of the two."""
    scene = talk.draw("two")
    make_from_text(talk, scene, "two")
    for _ in range(talk.rng.randint(1, 3)):
        while True:
            change = _draw_change(talk, scene, "two", _REHEARSED)
            if talk.accepts(change[2], "two"):
                break
        _change(talk, change)
        scene = change[2]


def _change(talk: Talk, change: Change) -> None:
    what, slots, scene, kind = change
    talk.user(talk.ask(f"revise_{what}", **slots))
    talk.make((scene, kind, ATTRIBUTES[kind]))


def _draw_change(talk: Talk, scene: Scene, kind: Kind, among: tuple[str, ...] = ()) -> Change:
    """Draw a change, `among` some if they are given: its wording's key and slots, the new scene and its kind."""
    rng, wording, thing = talk.rng, talk.wording, scene.thing
    what = rng.choice(among or _CHANGES[kind])
    if what in ("colour", "colour_of"):
        place = rng.randrange(len(scene.things))
        changed = replace(scene.things[place], colour=_another(talk, COLOURS, scene.things[place].colour))
        slots = {"colour": wording.colour(changed.colour), "name": wording.name(changed.name)}
        return what, slots, _with_thing(scene, place, changed), kind
    if what == "background":
        background = _another(talk, BACKGROUNDS, scene.background)
        slots = {"bg": rng.choice(wording.backgrounds[background]), "bgname": rng.choice(wording.places[background])}
        return what, slots, replace(scene, background=background), kind
    if what == "size":
        size = "small" if thing.size == "big" else "big"
        key = "smaller" if size == "small" else "bigger"
        return key, {}, _with_thing(scene, 0, replace(thing, size=size)), kind
    if what == "add":
        other = Thing(_another(talk, THINGS, thing.name), rng.choice(COLOURS))
        relation = rng.choice(list(Relation))
        slots = {"b": wording.thing(other), "rel": rng.choice(wording.relations[relation])}
        return what, slots, Scene((replace(thing, size=None), other), scene.background, relation), "two"
    if what == "relation":
        assert scene.relation is not None
        relation = rng.choice([relation for relation in Relation if relation is not scene.relation])
        slots = {"rel": rng.choice(wording.relations[relation]), **_names(talk, scene)}
        return what, slots, replace(scene, relation=relation), kind
    if what == "swap":
        return what, _names(talk, scene), replace(scene, things=scene.things[::-1]), kind
    if what in ("thing", "thing_of"):
        place = rng.randrange(len(scene.things))
        taken = {old.name for old in scene.things}
        new = replace(scene.things[place], name=rng.choice([name for name in THINGS if name not in taken]))
        slots = {"new": wording.bare(new.name), "name": wording.name(scene.things[place].name)}
        return what, slots, _with_thing(scene, place, new), kind
    if what == "motion":
        assert scene.motion is not None
        motion = rng.choice([motion for motion in Motion if motion is not scene.motion])
        slots = {"do": rng.choice(wording.commanded[motion]), "doing": rng.choice(wording.doing[motion])}
        return what, slots, replace(scene, motion=motion), kind
    new = Thing(_another(talk, SOUNDING_THINGS, thing.name), thing.colour, thing.size)
    return "sound", {"new": wording.sounding(new.name)}, replace(scene, things=(new,)), kind


def _names(talk: Talk, scene: Scene) -> dict[str, str]:
    first, second = scene.things
    return {"name": talk.wording.name(first.name), "other": talk.wording.name(second.name)}


def _another(talk: Talk, options: tuple[str, ...], current: str) -> str:
    return talk.rng.choice([option for option in options if option != current])


def _with_thing(scene: Scene, place: int, thing: Thing) -> Scene:
    things = list(scene.things)
    things[place] = thing
    return replace(scene, things=tuple(things))

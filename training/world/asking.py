"""Turns answered with text alone: describing, questions, facts, small talk, and what lies outside the world."""

from training.world import outside
from training.world.captions import upright
from training.world.making import make_from_text
from training.world.scene import (
    BACKGROUNDS,
    COLOURS,
    SILENT_THINGS,
    SOUNDING_THINGS,
    THINGS,
    Kind,
    Relation,
    Scene,
    Thing,
)
from training.world.split import colour_is_held_out
from training.world.talk import MODALITIES, MediaRef, Talk

_DESCRIBE: dict[Kind, str] = {
    "one": "describe_image", "two": "describe_image", "video": "describe_video", "audio": "describe_audio",
}  # fmt: skip
# What is asked of a medium; what concerns the things alone is asked of partial media too.
_ASKED: dict[Kind, tuple[str, ...]] = {
    "one": ("colour", "place", "size", "count", "if_colour", "if_thing", "if_thing", "thing", "thing", "thing"),
    "two": ("colour", "place", "relation", "relation", "relation", "count", "count", "if_colour", "thing", "thing"),
    "video": ("colour", "place", "motion", "motion", "motion", "if_colour", "if_thing", "if_thing", "thing", "thing"),
}  # fmt: skip
_OF_THINGS = ("thing", "count", "if_thing")


def describe_image(talk: Talk) -> None:
    kind = talk.picture_kind()
    _describe(talk, talk.draw(kind), kind)


def describe_audio(talk: Talk) -> None:
    _describe(talk, talk.draw("audio"), "audio")


def describe_video(talk: Talk) -> None:
    _describe(talk, talk.draw("video"), "video")


def ask_attribute(talk: Talk) -> None:
    """Ask one thing about a medium that the user brings."""
    kind: Kind = talk.rng.choice(("one", "one", "two", "two", "video", "video", "audio"))
    scene = upright(talk.draw(kind))
    if kind == "audio":
        what, (question, answer) = "thing", _is_it(talk, scene.thing.name, SOUNDING_THINGS, "ask_if_heard")
    else:
        what = talk.rng.choice(_ASKED[kind])
        question, answer = _ask_about(talk, scene, what)
    medium = talk.shown(scene, kind)
    if what in _OF_THINGS:
        medium = talk.shown_thing(scene, kind)
    elif what == "motion":
        medium = talk.shown_motion(scene)
    talk.user(question, medium)
    talk.assistant(answer)
    talk.remember(scene, kind)
    if medium.partial:
        talk.last = None


def ask_earlier(talk: Talk) -> None:
    """Ask about what was last shown or heard, in an earlier turn."""
    if talk.last is None:
        kind: Kind = talk.rng.choice(("one", "one", "two", "two", "video", "audio"))
        (make_from_text if talk.rng.random() < 0.6 else _describe)(talk, talk.draw(kind), kind)
    assert talk.last is not None
    question, answer = _ask_back(talk, *talk.last)
    talk.user(question)
    talk.assistant(answer)


def facts(talk: Talk) -> None:
    """Ask in words which sound a thing makes."""
    name = talk.rng.choice(THINGS if talk.rng.random() < 0.3 else SOUNDING_THINGS)
    wording = talk.wording
    talk.user(talk.ask("fact_sound", a=wording.bare(name), name=wording.name(name)))
    silent = talk.reply("silent", name=wording.name(name))
    talk.assistant(wording.sound_facts.get(name, silent))


def small_talk(talk: Talk) -> None:
    train, held_out, replies = talk.wording.small_talk[talk.rng.choice(sorted(talk.wording.small_talk))]
    text = talk.rng.choice(train if talk.side == "train" else held_out)
    talk.user(talk.wording.finish(text, talk.rng))
    talk.assistant(talk.rng.choice(replies))


def silent(talk: Talk) -> None:
    """Ask for the sound of a thing that makes none, in words or with a picture."""
    if talk.rng.random() < 0.5:
        name = talk.rng.choice(SILENT_THINGS)
        talk.user(talk.ask("silent", a=talk.wording.bare(name), name=talk.wording.name(name)))
        talk.assistant(talk.reply("silent", name=talk.wording.name(name)))
        return
    kind: Kind = talk.rng.choice(("one", "video"))
    scene = talk.draw(kind)
    while scene.thing.has_sound:
        scene = talk.draw(kind)
    talk.user(talk.ask("play_seen"), talk.shown_thing(scene, kind))
    talk.assistant(talk.reply("silent_seen", name=talk.wording.name(scene.thing.name)))


def foreign(talk: Talk) -> None:
    """Bring a photograph, speech, noise or a film: nothing of this world, whatever is asked of it."""
    kind: Kind = talk.rng.choice(("one", "one", "video", "audio"))
    motion = talk.rng.choice(list(talk.wording.doing))
    requests: dict[Kind, tuple[str, ...]] = {
        "one": ("describe_image", "describe_image", "play_seen", "animate_seen", "animate_seen_any"),
        "video": ("describe_video", "describe_video", "draw_seen", "play_seen"),
        "audio": ("describe_audio", "describe_audio", "draw_heard", "animate_heard"),
    }
    slots = {"do": talk.wording.commanded[motion][0], "doing": talk.wording.doing[motion][0], "x": ""}
    medium = MediaRef(MODALITIES[kind], None, talk.rng.getrandbits(31), foreign=True)
    talk.user(talk.ask(talk.rng.choice(requests[kind]), **slots), medium)
    talk.assistant(talk.reply(f"foreign_{medium.modality}"))


def refuse(talk: Talk) -> None:
    """Ask in words for what is outside the world."""
    rng, wording, english = talk.rng, talk.wording, talk.wording.language == "en"
    what = rng.choice(("thing", "thing", "thing", "sound", "colour", "place", "motion", "many", "task", "task", "task"))

    def unknown(pairs: tuple[tuple[str, str], ...]) -> str:
        return rng.choice(outside.of_side(pairs, talk.side))[0 if english else 1]

    noun = unknown(outside.UNKNOWN_THINGS)
    first, second, third = rng.sample(THINGS, 3)
    slots = {
        "noun": noun, "a": f"an {noun}" if noun[0] in "aeiou" else f"a {noun}", "name": wording.name(first),
        "other": wording.name(second), "third": wording.name(third), "b": wording.bare(second),
        "c": wording.bare(third),
        "colour": wording.colour(rng.choice([colour for colour in COLOURS if colour != "orange"])),
        "bg": wording.backgrounds[rng.choice(BACKGROUNDS)][0], "place": unknown(outside.UNKNOWN_PLACES),
        "motion": unknown(outside.UNKNOWN_MOTIONS),
        "one": wording.bare(first).removesuffix(wording.name(first)),
    }  # fmt: skip
    if what == "colour":
        slots["colour"] = unknown(outside.UNKNOWN_COLOURS)
    if what in ("place", "motion", "many"):
        slots["a"] = wording.bare(first)
    slots["measure"] = slots["one"].removeprefix("一")
    talk.user(talk.ask(f"refuse_{what}", **slots))
    talk.assistant(talk.reply(f"refuse_{what}"))


def _describe(talk: Talk, scene: Scene, kind: Kind) -> None:
    """Describe a medium; of two things always the left or the upper one first."""
    scene = upright(scene)
    talk.user(talk.ask(_DESCRIBE[kind]), talk.shown(scene, kind))
    talk.assistant(talk.reply("heard" if kind == "audio" else "seen", c=talk.wording.canonical(scene, kind)))
    talk.remember(scene, kind)


def _ask_about(talk: Talk, scene: Scene, what: str) -> tuple[str, str]:
    """Word a question about a medium that is there, and its answer."""
    rng, wording = talk.rng, talk.wording
    if what == "if_thing":
        return _is_it(talk, scene.thing.name, THINGS, "ask_if_thing")
    thing = rng.choice(scene.things)
    name, names = wording.name(thing.name), [wording.name(thing.name) for thing in scene.things]
    if what == "thing" and len(names) == 1:
        return talk.ask("ask_thing"), talk.reply("thing", name=name)
    if what in ("thing", "count"):
        answer = talk.reply("count_one" if len(names) == 1 else "count_two", name=names[0], other=names[-1])
        return talk.ask("ask_count" if what == "count" else "ask_things"), answer
    if what == "if_colour":
        right = rng.random() < 0.5
        asked = thing.colour if right else _another_colour(talk, thing)
        answer = talk.reply("yes_colour" if right else "no_colour", name=name, colour=wording.colour(thing.colour))
        return talk.ask("ask_if_colour", name=name, colour=wording.colour(asked)), answer
    return _question(talk, "ask", what, scene, thing)


def _ask_back(talk: Talk, scene: Scene, kind: Kind) -> tuple[str, str]:
    """Draw a question about an earlier medium, and its answer."""
    if kind == "audio":
        return talk.ask("was_heard"), talk.reply("was_thing", c=talk.wording.canonical(scene, kind))
    what = talk.rng.choice({
        "one": ("colour", "colour", "place", "size", "thing"),
        "two": ("colour", "colour", "place", "relation", "relation", "thing"),
        "video": ("colour", "colour", "place", "motion", "motion", "thing"),
    }[kind])  # fmt: skip
    if what == "thing":
        return talk.ask("was_thing"), talk.reply("was_thing", c=talk.wording.canonical(scene, kind))
    return _question(talk, "was", what, scene, talk.rng.choice(scene.things))


def _question(talk: Talk, tense: str, what: str, scene: Scene, thing: Thing) -> tuple[str, str]:
    """Word a question for the colour, place, size, motion or relation of a thing, and its answer."""
    wording = talk.wording
    slots = {"name": wording.name(thing.name), "other": wording.name(scene.things[-1].name)}
    if scene.relation is not None:
        slots |= _related(talk, scene, scene.relation) if what == "relation" else {}
    if thing.size is not None:
        slots["size"] = wording.size(thing.size)
    if scene.motion is not None:
        slots["doing"] = wording.doing[scene.motion][0]
    question = talk.ask(f"{tense}_{what}", **slots)
    slots |= {"colour": wording.colour(thing.colour), "bg": wording.backgrounds[scene.background][0]}
    return question, talk.reply(what, **slots)


def _related(talk: Talk, scene: Scene, relation: Relation) -> dict[str, str]:
    """Name both things and how the first is placed from the second."""
    first, second = (talk.wording.name(thing.name) for thing in scene.things)
    return {"name": first, "other": second, "rel": talk.wording.relations[relation][0]}


def _is_it(talk: Talk, name: str, names: tuple[str, ...], what: str) -> tuple[str, str]:
    """Ask whether it is a certain thing, right or wrong, and answer with what it is."""
    right = talk.rng.random() < 0.5
    asked = name if right else talk.rng.choice([other for other in names if other != name])
    question = talk.ask(what, new=talk.wording.bare(asked))
    return question, talk.reply("yes_thing" if right else "no_thing", name=talk.wording.name(name))


def _another_colour(talk: Talk, thing: Thing) -> str:
    """Draw a wrong colour; on the train side not a held-out one."""
    options = [colour for colour in COLOURS if colour != thing.colour]
    if talk.side == "train":
        options = [colour for colour in options if not colour_is_held_out(thing.name, colour)]
    return talk.rng.choice(options)

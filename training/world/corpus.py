"""Text about the world for pretraining a language core on text alone: prose, pairs and lists, never dialogues.

Combinations of the held-out split stay out of the train side; each of their words is there.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count

from training.world import captions, chinese, outside, prose
from training.world.captions import canonical_caption, caption, inverted, may_invert
from training.world.dialogues import LANGUAGES
from training.world.scene import BACKGROUNDS, COLOURS, SILENT_THINGS, SOUNDING_THINGS, THINGS, Kind, Motion, Scene
from training.world.split import Side, draw, is_trained
from training.world.wording import Language

Writer = Callable[[random.Random, Language, Side], list[str]]
_KINDS: tuple[Kind, ...] = ("one", "two", "video", "audio")
_EVERYTHING = frozenset({"thing", "colour", "size", "background", "relation", "motion"})


def document(seed: int, language: Language | None = None, side: Side = "train") -> str:
    """Write one short text (2 to 10 sentences or lines), a pure function of the arguments; some mix the languages."""
    return " ".join(_write(seed, language, side))


def sentences(seed: int, side: Side = "train", language: Language | None = None) -> Iterator[str]:
    """Go through the sentences of endlessly many documents; the seeds 0, 1, 2... of this function share no document."""
    for number in count():
        yield from _write(f"{seed} {number}", language, side)


def _write(seed: int | str, language: Language | None, side: Side) -> list[str]:
    rng = random.Random(f"corpus {seed}")
    writer = rng.choices(list(_WRITERS), weights=list(_WRITERS.values()))[0]
    chosen: Language = "en" if rng.random() < 0.5 else "zh"
    return writer(rng, language or chosen, side)


def _captions(rng: random.Random, language: Language, side: Side) -> list[str]:
    """Captions of a few scenes, in any wording."""
    lines = []
    for _ in range(rng.randint(3, 6)):
        kind = rng.choice(_KINDS)
        scene = draw(rng, kind, side)
        if rng.random() < 0.4:
            lines.append(LANGUAGES[language].canonical(scene, kind))
        elif language == "en":
            lines.append(caption(scene, rng.getrandbits(31), kind=kind))
        else:
            lines.append(chinese.phrase(scene, rng, kind=kind, side="train", named=_EVERYTHING))
    return [_sentence(line, language) for line in lines]


def _description(rng: random.Random, language: Language, side: Side) -> list[str]:
    """One scene in several sentences."""
    kind = rng.choice(_KINDS)
    scene = draw(rng, kind, side)
    about = {"video": prose.ABOUT_A_VIDEO, "audio": prose.ABOUT_A_SOUND}.get(kind, prose.ABOUT_A_PICTURE)
    wording, thing = LANGUAGES[language], scene.thing
    slots = {"c": wording.canonical(scene, kind), "n": wording.name(thing.name), "colour": wording.colour(thing.colour)}
    lines = [template.format(**slots) for template in rng.sample(about[language], 2)]
    return lines if kind == "audio" else lines + rng.sample(_details(scene, language), 2)


def _story(rng: random.Random, language: Language, side: Side) -> list[str]:
    """A thing is somewhere, something is beside it, and one thing moves."""
    pair = draw(rng, "two", side)
    wording = LANGUAGES[language]
    first = pair.thing
    lines = [_sentence(wording.canonical(Scene((first,), pair.background), "one"), language)]
    lines += _details(pair, language)
    rng.shuffle(lines)
    moves = [
        wording.doing[motion][0]
        for motion in rng.sample(list(Motion), 5)
        if side == "held_out" or is_trained(Scene((first,), pair.background, motion=motion))
    ][:3]
    name = wording.name(first.name)
    if language == "en":
        starts = rng.choice((("First", "Then", "At last"), ("Now", "Later", "In the evening")))
        return lines + [f"{start} the {name} is {move}." for start, move in zip(starts, moves, strict=False)]
    starts = rng.choice((("先是", "然后", "最后"), ("现在", "后来", "晚上")))
    return lines + [f"{start}{name}在{move}。" for start, move in zip(starts, moves, strict=False)]


def _facts(rng: random.Random, language: Language, side: Side) -> list[str]:
    """Which thing makes which sound, which makes none, and what words mean."""
    wording = LANGUAGES[language]
    silent = "A {} makes no sound." if language == "en" else "{}不会发出声音，所以听不到。"
    lines = [wording.sound_facts[name] for name in rng.sample(SOUNDING_THINGS, 3)]
    lines += [silent.format(wording.name(rng.choice(SILENT_THINGS)))]
    if language == "en":
        name = rng.choice(SOUNDING_THINGS)
        lines.append(f"The sound of a {name} is {rng.choice(captions.SOUND_PHRASES[name])}.")
    else:
        lines.append(f"这是{rng.choice(chinese.SOUND_PHRASES[rng.choice(SOUNDING_THINGS)])}。")
    lines += rng.sample(prose.DEFINITIONS[language], 2)
    rng.shuffle(lines)
    return lines


def _manners(rng: random.Random, language: Language, side: Side) -> list[str]:
    return rng.sample(prose.MANNERS[language], 4)


def _translations(rng: random.Random, language: Language, side: Side) -> list[str]:
    """Pairs of the two languages, of whole captions and of single words."""
    lines = []
    for _ in range(4):
        kind = rng.choice(_KINDS)
        scene = draw(rng, kind, side)
        lines.append((canonical_caption(scene, kind), chinese.canonical(scene, kind)))
    pairs = [(name, word) for name in THINGS for word in chinese.NAMES[name]]
    pairs += [(colour, word) for colour in COLOURS for word in chinese.COLOUR_WORDS[colour]]
    pairs += [
        (phrase, rng.choice(chinese.BACKGROUND_PHRASES[background]))
        for background in BACKGROUNDS
        for phrase in captions.BACKGROUND_PHRASES[background]
    ]
    pairs += [(rng.choice(captions.DOING[motion]), word) for motion in Motion for word in chinese.DOING[motion]]
    pairs += _OUTSIDE
    lines += rng.sample(pairs, 6)
    return [f"{english} = {other}" if language == "en" else f"{other} = {english}" for english, other in lines]


def _rewrites(rng: random.Random, language: Language, side: Side) -> list[str]:
    """A caption, one change, and the caption with the change made; or the same pair said from the other thing."""
    wording = LANGUAGES[language]
    lines: list[str] = []
    while len(lines) < 3:
        kind: Kind = rng.choice(("one", "two", "video"))
        scene = draw(rng, kind, side)
        if kind == "two" and rng.random() < 0.5:
            changed, change = inverted(scene), "the same" if language == "en" else "也就是"
            usable = side == "held_out" or may_invert(scene)
        elif rng.random() < 0.5:
            changed = replace(scene, background=rng.choice([b for b in BACKGROUNDS if b != scene.background]))
            change, usable = wording.backgrounds[changed.background][0], True
        else:
            thing = replace(scene.thing, colour=rng.choice([c for c in COLOURS if c != scene.thing.colour]))
            changed = replace(scene, things=(thing, *scene.things[1:]))
            change, usable = wording.colour(thing.colour), side == "held_out" or is_trained(changed)
        if usable:
            before, after = wording.canonical(scene, kind), wording.canonical(changed, kind)
            form = "{}, but {}: {}." if language == "en" else "{}，换成{}：{}。"
            form = (
                form.replace(" but ", " ").replace("换成", "") if changed == inverted(scene) and kind == "two" else form
            )
            lines.append(_capital(form.format(before, change, after)))
    return lines


def _lists(rng: random.Random, language: Language, side: Side) -> list[str]:
    """Things, colours and places of the world, and such as lie outside."""
    wording = LANGUAGES[language]
    inside = [wording.bare(name) for name in rng.sample(THINGS, 4)]
    beyond = [pair[language == "zh"] for pair in rng.sample(_OUTSIDE, 5)]
    colours = [wording.colour(colour) for colour in rng.sample(COLOURS, 4)]
    if language == "en":
        lines = [
            f"In this world there are things like {_series(inside, 'and')}.",
            f"Outside of it there are words like {_series(beyond, 'or')}.",
            f"It has the colours {_series(colours, 'and')}, and more.",
            f"Of many {rng.choice(THINGS)}s, three {rng.choice(THINGS)}s are too many to draw.",
        ]
    else:
        three = [f"三{chinese.MEASURE_WORDS[name]}{wording.name(name)}" for name in rng.sample(THINGS, 2)]
        lines = [
            f"这里有{_series(inside, '和')}这样的东西。", f"这里没有{_series(beyond, '或者')}。",
            f"颜色有{_series(colours, '和')}。",
            f"{three[0]}太多了，{three[1]}也太多了。",
        ]  # fmt: skip
    rng.shuffle(lines)
    return lines


def _details(scene: Scene, language: Language) -> list[str]:
    """Say each attribute of a scene in a sentence of its own."""
    wording, thing = LANGUAGES[language], scene.thing
    name = wording.name(thing.name)
    slots = {"name": name, "colour": wording.colour(thing.colour), "bg": wording.backgrounds[scene.background][0]}
    english = language == "en"
    lines = [
        "The {name} is {colour}." if english else "{name}是{colour}的。",
        "It is {bg}." if english else "它在{bg}。",
    ]
    if thing.size is not None:
        slots["size"] = wording.size(thing.size)
        lines.append("It is {size}." if english else "它是{size}的。")
    if scene.motion is not None:
        slots["doing"] = wording.doing[scene.motion][0]
        lines.append("It is {doing}." if english else "它正在{doing}。")
    if scene.relation is not None:
        slots |= {"other": wording.thing(scene.things[1]), "rel": wording.relations[scene.relation][0]}
        lines.append("The {name} is {rel} {other}." if english else "{name}在{other}的{rel}。")
    return [line.format(**slots) for line in lines]


def _series(words: list[str], joint: str) -> str:
    comma, space = ("、", "") if "\u4e00" <= joint[0] <= "\u9fff" else (", ", " ")
    return f"{comma.join(words[:-1])}{space}{joint}{space}{words[-1]}"


def _sentence(text: str, language: Language) -> str:
    return f"{text}。" if language == "zh" else f"{_capital(text)}."


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


_OUTSIDE = [
    pair
    for pairs in (outside.UNKNOWN_THINGS, outside.UNKNOWN_COLOURS, outside.UNKNOWN_PLACES, outside.UNKNOWN_MOTIONS)
    for pair in pairs
]
_WRITERS: dict[Writer, float] = {
    _captions: 4, _description: 4, _story: 3, _facts: 2, _manners: 3, _translations: 2, _rewrites: 3, _lists: 2,
}  # fmt: skip

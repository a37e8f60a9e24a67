"""Read attributes back from English or Chinese text, to judge captions and replies without a model."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal, NamedTuple

from training.world import captions, chinese
from training.world.scene import COLOURS, SIZES, THINGS, Scene

Language = Literal["en", "zh"]


class ReadThing(NamedTuple):
    """A thing as a text names it."""

    name: str
    colour: str | None = None
    size: str | None = None


@dataclass(frozen=True)
class Reading:
    """What a text says; of two things with a relation, the first is the one that is `relation` the second."""

    things: tuple[ReadThing, ...] = ()
    relation: str | None = None
    background: str | None = None
    motion: str | None = None


def read_attributes(text: str, language: Language | None = None) -> Reading:
    """Read things, their attributes, relation, background and motion; the first mention of each decides."""
    language = language or ("zh" if re.search("[\u4e00-\u9fff]", text) else "en")
    events = list(_english_events(text) if language == "en" else _chinese_events(text))
    things: dict[str, ReadThing] = {}
    mentions: list[tuple[int, str]] = []
    for index, event in enumerate(events):
        if event.what == "thing":
            mentions.append((index, event.value))
            before = _attributes_before(events, index)
            known = things.get(event.value, ReadThing(event.value))
            things[event.value] = ReadThing(
                event.value, known.colour or before.get("colour"), known.size or before.get("size")
            )
        elif event.what in ("colour", "size") and mentions and not _leads_to_thing(events, index):
            name = mentions[-1][1]
            if getattr(things[name], event.what) is None:
                things[name] = things[name]._replace(**{event.what: event.value})
    background = next((event.value for event in events if event.what == "background"), None)
    motion = next((event.value for event in events if event.what == "motion"), None)
    pair = _related(events, mentions)
    if pair is None:
        return Reading(tuple(things.values()), None, background, motion)
    first, relation, second = pair
    rest = tuple(thing for name, thing in things.items() if name not in (first, second))
    return Reading((things[first], things[second], *rest), relation, background, motion)


def agrees(reading: Reading, scene: Scene, asked: frozenset[str] | None = None) -> bool:
    """Tell whether all asked attributes are right, of thing, colour, size, background, relation, motion (default: all).

    Asking for "thing" wants exactly the things of the scene; "X below Y" agrees with "Y above X".
    """
    if asked is None:
        asked = frozenset({"thing", "colour", "size", "background", "relation", "motion"})
    read = {thing.name: thing for thing in reading.things}
    if "thing" in asked and set(read) != {thing.name for thing in scene.things}:
        return False
    for thing in scene.things:
        seen = read.get(thing.name, ReadThing(thing.name))
        if "colour" in asked and seen.colour != thing.colour:
            return False
        if "size" in asked and thing.size is not None and seen.size != thing.size:
            return False
    if "background" in asked and reading.background != scene.background:
        return False
    if "motion" in asked and scene.motion is not None and reading.motion != scene.motion:
        return False
    if "relation" not in asked or scene.relation is None:
        return True
    names = tuple(thing.name for thing in reading.things[:2])
    ways = [(tuple(thing.name for thing in way.things), way.relation) for way in (scene, captions.inverted(scene))]
    return (names, reading.relation) in ways


class _Event(NamedTuple):
    """A word of the world found in a text, or one that shapes the sentence; places count words or characters."""

    what: str
    value: str
    start: int
    end: int


def _attributes_before(events: list[_Event], index: int) -> dict[str, str]:
    """Read the colours and sizes that stand directly before a thing."""
    found: dict[str, str] = {}
    while index and events[index - 1].what in ("colour", "size") and events[index - 1].end == events[index].start:
        index -= 1
        found.setdefault(events[index].what, events[index].value)
    return found


def _leads_to_thing(events: list[_Event], index: int) -> bool:
    """Tell whether a colour or size stands directly before a thing (perhaps with another attribute between)."""
    while index + 1 < len(events) and events[index].end == events[index + 1].start:
        index += 1
        if events[index].what == "thing":
            return True
        if events[index].what not in ("colour", "size"):
            return False
    return False


def _related(events: list[_Event], mentions: list[tuple[int, str]]) -> tuple[str, str, str] | None:
    """Find (first, relation, second) around the first relation between two different things."""
    for index, event in enumerate(events):
        if event.what != "relation":
            continue
        before = [name for place, name in mentions if place < index]
        after = [name for place, name in mentions if place > index]
        follower = events[index + 1].what if index + 1 < len(events) else None
        second = next((name for name in reversed(before) if name != before[-1]), None) if before else None
        if follower == "has" and before and after:  # zh: Y的上面有X
            first, second = after[0], before[-1]
        elif follower == "it" and second:  # Y with X above it
            first = before[-1]
        elif event.value.startswith("zh ") and second:  # X在Y的上面; Y，X在它的上面
            first, second = (before[-1], second) if _pronoun_before(events, index) else (second, before[-1])
        elif before and after:  # X above Y
            first, second = before[-1], after[0]
        elif len(after) > 1:  # above Y is X
            first, second = after[1], after[0]
        else:
            continue
        if first != second and second is not None:
            return first, event.value.removeprefix("zh "), second
    return None


def _pronoun_before(events: list[_Event], index: int) -> bool:
    return index > 0 and events[index - 1].what == "it"


@cache
def _english_lexicon() -> Mapping[tuple[str, ...], tuple[str, str]]:
    """Map word tuples to (what, value); the longest match wins."""
    lexicon: dict[tuple[str, ...], tuple[str, str]] = {("it",): ("it", "")}
    for name in THINGS:
        lexicon[(name,)] = lexicon[(f"{name}s",)] = ("thing", name)
    lexicon |= {(colour,): ("colour", colour) for colour in COLOURS}
    for size in SIZES:
        lexicon |= {(word,): ("size", size) for word in (*captions.SIZE_WORDS[size], f"{size}ger", f"{size}er")}
    for background, phrases in captions.BACKGROUND_PHRASES.items():
        lexicon |= {tuple(words.split()): ("background", background) for words in phrases}
        lexicon |= {(words.split()[-1],): ("background", background) for words in phrases}
    lexicon |= {tuple(words.split()): ("background", "night") for words in ("in the night sky", "the night sky")}
    for relation, phrases in captions.RELATION_PHRASES.items():
        lexicon |= {tuple(words.split()): ("relation", relation.value) for words in phrases}
    for side in ("left", "right"):
        lexicon |= {
            (*words.split(), side): ("relation", f"{side} of")
            for words in ("to the", "on the", "at the", "on its", "to its")
        }
    for table in (captions.DOING, captions.DOES):
        for motion, phrases in table.items():
            lexicon |= {tuple(words.split()): ("motion", motion.value) for words in phrases}
    for motion, base in zip(captions.DOES, ("", "", "", "", "grow", "shrink", "spin", "bounce"), strict=True):
        for verb in ("move", "go") if not base else ():
            lexicon |= {
                (verb, motion.value): ("motion", motion.value),
                (verb, "to", "the", motion.value): ("motion", motion.value),
            }
        if base:
            lexicon[(base,)] = ("motion", motion.value)
    return lexicon


@cache
def _chinese_lexicon() -> Mapping[str, tuple[str, str]]:
    """Map strings to (what, value); the longest match wins."""
    lexicon: dict[str, tuple[str, str]] = {"它": ("it", ""), "有": ("has", "")}
    for name, words in chinese.NAMES.items():
        lexicon |= dict.fromkeys(words, ("thing", name))
    lexicon |= {"小号": ("thing", "trumpet"), "钟表": ("thing", "clock"), "手机": ("thing", "phone")}
    for colour, words in chinese.COLOUR_WORDS.items():
        lexicon |= dict.fromkeys(words, ("colour", colour))
        lexicon |= {word[0]: ("colour", colour) for word in words}
    for size, words in chinese.SIZE_WORDS.items():
        lexicon |= dict.fromkeys(words, ("size", size))
    for background, words in (*chinese.BACKGROUND_PHRASES.items(), *chinese.BACKGROUND_NAMES.items()):
        lexicon |= dict.fromkeys(words, ("background", background))
    lexicon |= {"夜空": ("background", "night"), "大海": ("background", "beach"), "海": ("background", "beach")}
    for relation, words in chinese.RELATION_WORDS.items():
        lexicon |= dict.fromkeys(words, ("relation", f"zh {relation.value}"))
    for motion, words in chinese.DOING.items():
        lexicon |= dict.fromkeys(words, ("motion", motion.value))
    lexicon |= {"跳": ("motion", "bounce"), "转": ("motion", "spin")}
    return lexicon


def _english_events(text: str) -> Iterator[_Event]:
    words = re.findall(r"[a-z]+", text.lower())
    lexicon = _english_lexicon()
    longest = max(map(len, lexicon))
    start = 0
    while start < len(words):
        for length in range(min(longest, len(words) - start), 0, -1):
            found = lexicon.get(tuple(words[start : start + length]))
            if found:
                yield _Event(*found, start, start + length)
                break
        else:
            length = 1
        start += length


def _chinese_events(text: str) -> Iterator[_Event]:
    text = re.sub(r"(?<=[红橙橘黄绿蓝紫色大小])的", "", text)  # so that 红色的大铃铛 stands together
    lexicon = _chinese_lexicon()
    longest = max(map(len, lexicon))
    start = 0
    while start < len(text):
        for length in range(min(longest, len(text) - start), 0, -1):
            found = lexicon.get(text[start : start + length])
            if found:
                yield _Event(*found, start, start + length)
                break
        else:
            length = 1
        start += length

"""What a search may be narrowed by: kind, date, size, preset, collection, star, seed, prompt, as `name:value`.

    name:value      keeps what has it; commas mean "or"; blanks or commas in a value stand in quotes: tag:"at night"
    -name:value     keeps what has it not
    several filters must all hold

A number, a size or a date is a value, or >value >=value <value <=value, or from..to; a date is 2025, 2025-06,
2025-06-01, today or yesterday, and stands for the whole of it. Sizes: 500kb, 2mb (thousands), 2mib (of 1024).
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import JSON, ColumnElement, Select, and_, cast, false, func, not_, or_, select, type_coerce

from studio.errors import StudioError
from studio.schema import collected, collections, files, media, recipes, stars, texts

if TYPE_CHECKING:
    from studio.library.library import Library

KINDS = ("image", "audio", "video")
UNITS = {"": 1, "b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "kib": 2**10, "mib": 2**20, "gib": 2**30}
_VALUES = re.compile(r'(?:"[^"]*"|[^,"])+')
_RANGE = re.compile(r"(>=|<=|>|<)?(.*)")
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([a-z]*)")
_DATE = re.compile(r"(\d{4})(?:-(\d{1,2}))?(?:-(\d{1,2}))?")

Condition = ColumnElement[bool]


@dataclass(frozen=True)
class Filter:
    """One filter as it was written, `value` with its quotes."""

    name: str
    value: str
    is_negated: bool = False

    def __str__(self) -> str:
        return f"{'-' if self.is_negated else ''}{self.name}:{self.value}"


@dataclass(frozen=True)
class FilterKind:
    """What a filter is called with, what it keeps, and the condition on `media` that it becomes."""

    example: str
    meaning: str
    condition: "Callable[[Filter, Library], Condition]"


def selection(filters: Iterable[Filter], library: "Library") -> Select[tuple[str]]:
    """Return the ids of the media that all filters keep. Raises StudioError that says what a filter wants."""
    return select(media.c.id).where(*(_condition(one, library) for one in filters))


def _condition(one: Filter, library: "Library") -> Condition:
    condition = FILTERS[one.name].condition(one, library)
    return not_(func.coalesce(condition, false())) if one.is_negated else condition


def _kind(one: Filter, library: "Library") -> Condition:
    kinds = _values(one)
    if not set(kinds) <= set(KINDS):
        raise _wrong(one, f"one or more of {', '.join(KINDS)}")
    return media.c.modality.in_(kinds)


def _star(one: Filter, library: "Library") -> Condition:
    value = _values(one)
    if value not in (["yes"], ["no"]):
        raise _wrong(one, "yes or no")
    starred = media.c.id.in_(select(stars.c.media))
    return starred if value == ["yes"] else not_(starred)


def _collection(one: Filter, library: "Library") -> Condition:
    names = _values(one)
    missing = [name for name in names if name not in library.collections()]
    if missing:
        known = ", ".join(library.collections()) or "none yet"
        raise StudioError(f"There is no collection {missing[0]!r}; there is: {known}. See: studio library collect.")
    having = select(collected.c.media).join(collections, collections.c.id == collected.c.collection)
    return media.c.id.in_(having.where(collections.c.name.in_(names)))


def _tag(one: Filter, library: "Library") -> Condition:
    having = select(texts.c.media).where(texts.c.kind == "tag", func.lower(texts.c.text).in_(_lowered(one)))
    return media.c.id.in_(having)


def _prompt(one: Filter, library: "Library") -> Condition:
    holds = or_(*(texts.c.text.icontains(value, autoescape=True) for value in _values(one)))
    return media.c.id.in_(select(texts.c.media).where(texts.c.kind == "prompt", holds))


def _preset(one: Filter, library: "Library") -> Condition:
    preset = _recipe(library)["preset"].as_string()
    return media.c.id.in_(select(recipes.c.media).where(preset.in_(_values(one))))


def _seed(one: Filter, library: "Library") -> Condition:
    seed = _recipe(library)[("options", "seed")].as_integer()
    return media.c.id.in_(select(recipes.c.media).where(_ranged(one, seed, _whole)))


def _made(one: Filter, library: "Library") -> Condition:
    modified = select(func.min(files.c.modified_ns)).where(files.c.media == media.c.id).scalar_subquery()
    return _ranged(one, func.coalesce(modified * 1e-9, media.c.created), _period)


def _number_of(column: ColumnElement[Any]) -> "Callable[[Filter, Library], Condition]":
    return lambda one, library: _ranged(one, column, _number)


FILTERS: Mapping[str, FilterKind] = {
    "kind": FilterKind("kind:image,video", "image, audio, video", _kind),
    "date": FilterKind("date:2025-06..2025-08", "when a file was last changed, or the studio made it", _made),
    "added": FilterKind(
        "added:today", "when it came into the library", lambda one, library: _ranged(one, media.c.created, _period)
    ),
    "size": FilterKind(
        "size:>2mb", "the file's size", lambda one, library: _ranged(one, media.c.num_bytes, _num_bytes)
    ),
    "width": FilterKind("width:>=640", "pixels across", _number_of(media.c.width)),
    "height": FilterKind("height:<480", "pixels down", _number_of(media.c.height)),
    "seconds": FilterKind("seconds:10..60", "how long a sound or a video is", _number_of(media.c.seconds)),
    "star": FilterKind("star:yes", "yes or no", _star),
    "collection": FilterKind('collection:"Best of"', "a collection's name", _collection),
    "tag": FilterKind("tag:boat,ship", "a tag, in any case", _tag),
    "preset": FilterKind("preset:tiny", "the preset that made it", _preset),
    "seed": FilterKind("seed:42", "the seed that it was made with", _seed),
    "prompt": FilterKind('prompt:"red bell"', "what the request for it said", _prompt),
}


def _recipe(library: "Library") -> Any:
    """Return the recipe as JSON, which SQLite reads out of text as it is."""
    is_text = library.store.dialect == "sqlite"
    return type_coerce(recipes.c.recipe, JSON) if is_text else cast(recipes.c.recipe, JSON)


def _values(one: Filter) -> list[str]:
    values = [value.replace('"', "").strip() for value in _VALUES.findall(one.value)]
    if not values or not all(values):
        raise _wrong(one, "a value after the colon, as " + FILTERS[one.name].example)
    return values


def _lowered(one: Filter) -> list[str]:
    return [value.lower() for value in _values(one)]


Bounds = tuple[float, float]


def _ranged(one: Filter, column: ColumnElement[Any], read: Callable[[str], Bounds]) -> Condition:
    """Compare a column with the values of a filter, each of which stands for all from its low to its high bound."""
    return or_(*(_within(one, value, column, read) for value in _values(one)))


def _within(one: Filter, value: str, column: ColumnElement[Any], read: Callable[[str], Bounds]) -> Condition:
    try:
        first, dots, last = value.partition("..")
        if dots:
            low, high = read(first.strip())[0], read(last.strip())[1]
            if low > high:
                raise ValueError
            return and_(column >= low, column <= high)
        found = _RANGE.fullmatch(value)
        assert found is not None, "every text matches"
        low, high = read(found[2].strip())
        match found[1]:
            case ">":
                return column > high
            case ">=":
                return column >= low
            case "<":
                return column < low
            case "<=":
                return column <= high
            case _:
                return and_(column >= low, column <= high)
    except (ValueError, OverflowError):
        number = "a number"
        if read is _period:
            number = "a date, as 2025, 2025-06 or 2025-06-01"
        elif read is _num_bytes:
            number = "a size, as 500kb or 2mb"
        raise _wrong(one, f"{number}, maybe after > >= < <=, or two with .. between, the smaller first") from None


def _number(text: str) -> Bounds:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError
    return value, value


def _whole(text: str) -> Bounds:
    return int(text), int(text)


def _num_bytes(text: str) -> Bounds:
    found = _SIZE.fullmatch(text.lower())
    if found is None or found[2] not in UNITS:
        raise ValueError
    size = float(found[1]) * UNITS[found[2]]
    return size, size


def _period(text: str) -> Bounds:
    """Return the first and the last moment of a year, a month or a day in local time, in seconds since 1970."""
    days = {"today": 0, "yesterday": 1}
    if text in days:
        first = date.today() - timedelta(days=days[text])
        last = first + timedelta(days=1)
    else:
        found = _DATE.fullmatch(text)
        if found is None:
            raise ValueError
        year, month, day = int(found[1]), int(found[2] or 1), int(found[3] or 1)
        first = date(year, month, day)
        if found[3]:
            last = first + timedelta(days=1)
        elif found[2]:
            last = date(year + month // 12, month % 12 + 1, 1)
        else:
            last = date(year + 1, 1, 1)
    low, high = (datetime(day.year, day.month, day.day).timestamp() for day in (first, last))
    return low, math.nextafter(high, -math.inf)


def _wrong(one: Filter, wanted: str) -> StudioError:
    return StudioError(f"The filter {one} was not understood; {one.name}: wants {wanted}.")

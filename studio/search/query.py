"""What a search asks: a small grammar of words, files and filters, read into a frozen query.

    2: a boat + ./sunset.png - night kind:image

    query   = [sign] term { sign term }, and filters anywhere; filters alone list what they keep
    sign    = + or -, with a blank after it
    term    = [weight:] and one of: words, "words", a file [part], like:ID [part]
    file    = a path that begins with ./ ../ ~/ or /, one word that ends as a media file does, or file:"PATH"
    part    = [left,top,right,bottom] of a picture, in pixels or all in %; [1:20-1:35] or [80s-95s] of a sound or video
    filter  = [-]name:value, see `studio.search.filters`

What stands in quotes is words, whatever it looks like. `like:ID` is a medium of the library, by the beginning of its id.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from studio.errors import StudioError
from studio.library.ingest_files import MEDIA_SUFFIXES
from studio.search.filters import FILTERS, Filter

MAX_CHARACTERS = 2000
_TOKEN = re.compile(r'(\s*)((?:"[^"]*"|[^\s"])+)')
_SIGNED = re.compile(r"-(\d+(?:\.\d+)?:(?!\d).*)", re.DOTALL)
_WEIGHT = re.compile(r"(\d+(?:\.\d+)?):(?!\d)(.*)", re.DOTALL)
_NAMED = re.compile(r"(-?)([a-z]{2,}):(.*)", re.DOTALL)
_PART = re.compile(r"(.*?)\s*\[([^\[\]]*)\]", re.DOTALL)
_TIME = re.compile(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d+)?)s?")
_PATH_STARTS = ("./", "../", "~/", "/")


@dataclass(frozen=True)
class Box:
    """A region of a picture: pixels from its left and top, or shares of its sides if `is_share`."""

    left: float
    top: float
    right: float
    bottom: float
    is_share: bool


@dataclass(frozen=True)
class Span:
    """A stretch of a sound or a video, in seconds."""

    start: float
    stop: float


@dataclass(frozen=True)
class Words:
    """A description."""

    text: str


@dataclass(frozen=True)
class File:
    """A file of the person's own, or a part of it."""

    path: Path
    part: Box | Span | None = None


@dataclass(frozen=True)
class Like:
    """A medium of the library by (the beginning of) its id, or a part of it."""

    media: str
    part: Box | Span | None = None


@dataclass(frozen=True)
class Term:
    """Something that is looked for, or away from if the weight is negative."""

    what: Words | File | Like
    weight: float = 1.0


@dataclass(frozen=True)
class Query:
    """A weighted sum of terms, and the filters that must hold."""

    terms: tuple[Term, ...]
    filters: tuple[Filter, ...] = ()

    @property
    def words(self) -> str:
        """Return all the words that are looked for."""
        return " ".join(term.what.text for term in self.terms if isinstance(term.what, Words) and term.weight > 0)


def read_query(text: str) -> Query:
    """Read a query. Raises StudioError that says what was given, what was wanted and what to do."""
    if len(text) > MAX_CHARACTERS:
        raise StudioError(f"A search takes up to {MAX_CHARACTERS} characters; this one has {len(text)}. Shorten it.")
    if text.count('"') % 2:
        raise StudioError('A quotation mark is not closed. Write " at both ends, or leave it out.')
    terms: list[Term] = []
    filters: list[Filter] = []
    open_term = _OpenTerm("")
    for blanks, token in _TOKEN.findall(text):
        signed = _SIGNED.fullmatch(token)
        if signed is not None and open_term.is_empty:  # "-2: night" is "- 2: night"
            open_term = _OpenTerm("+" if open_term.sign == "-" else "-")
            open_term.take("", signed[1])
        elif token in ("+", "-"):
            terms += open_term.close(is_last=not terms and not open_term.sign)
            open_term = _OpenTerm(token)
        elif (one := _filter(token)) is not None:
            filters.append(one)
        else:
            open_term.take(blanks, token)
    terms += open_term.close(is_last=not terms and not open_term.sign)
    if not terms and not filters:
        raise StudioError('Say what to look for: words, a file, or a filter, as "a boat", ./sunset.png, kind:image.')
    return Query(tuple(terms), tuple(filters))


class _OpenTerm:
    """A term while its tokens are read."""

    def __init__(self, sign: str) -> None:
        self.sign = sign
        self._weight: float | None = None
        self._tokens: list[str] = []
        self._text = ""

    @property
    def is_empty(self) -> bool:
        return not self._tokens and self._weight is None

    def take(self, blanks: str, token: str) -> None:
        weight = _WEIGHT.fullmatch(token)
        if weight is not None and self._weight is None and not self._tokens:
            self._weight = float(weight[1])
            if self._weight == 0:
                raise StudioError("A weight of 0 asks for nothing; leave the term out, or weigh it more.")
            token = weight[2]
            if not token:
                return
        self._text += (blanks if self._tokens else "") + token
        self._tokens.append(token)

    def close(self, *, is_last: bool) -> list[Term]:
        """Return the term, or nothing where there may be none: `is_last` before any sign."""
        if not self._tokens:
            if is_last and self._weight is None:
                return []
            before = f"{self.sign} {'' if self._weight is None else f'{self._weight:g}:'}".strip()
            raise StudioError(f"After {before!r} something is missing: words, a file, or like:ID.")
        weight = 1.0 if self._weight is None else self._weight
        return [Term(_what(self._text, self._tokens), -weight if self.sign == "-" else weight)]


def _filter(token: str) -> Filter | None:
    """Return a token as a filter, or None if it is none. Raises StudioError if it looks like one and is not."""
    named = _NAMED.fullmatch(token)
    if named is None or named[2] in ("like", "file"):
        return None
    if named[2] in FILTERS:
        if not named[3]:
            example = FILTERS[named[2]].example
            raise StudioError(f"The filter {named[2]}: has no value; write it right after the colon, as {example}.")
        return Filter(named[2], named[3], is_negated=bool(named[1]))
    if not named[3]:
        return None
    raise StudioError(
        f"There is no filter {named[2]!r}; there is: {', '.join(FILTERS)}, and like:ID and file:PATH. "
        f'To look for the words, put them in quotes: "{token}".'
    )


def _what(text: str, tokens: list[str]) -> Words | File | Like:
    first = tokens[0]
    named = _NAMED.fullmatch(first)
    named = named if named is not None and named[2] in ("like", "file") else None  # "night: a boat" is words
    if first.startswith('"') or (named is None and not _is_path(text, tokens)):
        return Words(text.replace('"', "").strip() or _nothing_quoted())
    name = named[2] if named is not None else "file"
    place, part = _cut(text.partition(":")[2] if named is not None else text)
    if not place:
        raise StudioError(f"{first} has no value; write it right after the colon, as like:3fa8b2 or file:./a.png.")
    if name == "file":
        return File(Path(place).expanduser(), part)
    if " " in place:
        raise StudioError(f"like: takes one id, got {place!r}. Put + between it and words: like:ID + words.")
    return Like(place, part)


def _is_path(text: str, tokens: list[str]) -> bool:
    if text.startswith(_PATH_STARTS):
        return True
    place, _, _ = text.partition("[")
    return " " not in place.strip() and Path(place.strip()).suffix.lower() in MEDIA_SUFFIXES


def _cut(text: str) -> tuple[str, Box | Span | None]:
    """Split what is meant from the part of it."""
    found = _PART.fullmatch(text)
    if found is None:
        return text.replace('"', "").strip(), None
    return found[1].replace('"', "").strip(), _part(found[2])


def _part(text: str) -> Box | Span:
    numbers = [number.strip() for number in text.split(",")]
    shares = [number.endswith("%") for number in numbers]
    try:
        if len(numbers) == 4 and (all(shares) or not any(shares)):
            scale = 0.01 if all(shares) else 1.0
            left, top, right, bottom = (float(number.removesuffix("%")) * scale for number in numbers)
            limit = 1 + 1e-9 if all(shares) else float("inf")
            if 0 <= left < right <= limit and 0 <= top < bottom <= limit:
                return Box(left, top, right, bottom, is_share=all(shares))
        start, dash, stop = text.partition("-")
        if dash and (span := Span(_seconds(start), _seconds(stop))).start < span.stop:
            return span
    except ValueError:
        pass
    raise StudioError(
        f"The part [{text}] was not understood. Wanted [left,top,right,bottom] of a picture, in pixels or all in %, "
        "or [from-to] of a sound or a video, as [1:20-1:35] or [80s-95s]."
    )


def _seconds(text: str) -> float:
    found = _TIME.fullmatch(text.strip())
    if found is None:
        raise ValueError
    return 3600 * int(found[1] or 0) + 60 * int(found[2] or 0) + float(found[3])


def _nothing_quoted() -> str:
    raise StudioError("There is nothing between the quotation marks. Say what to look for.")

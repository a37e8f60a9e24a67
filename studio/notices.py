"""What a person is told beside a result, by codes: a page says it in the reader's language, all else as it stands here.

A notice is a text with its code and values. What is written elsewhere, or was kept before there were codes, is known again by
its shape.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

# The more particular before the more general, since a text is read as the first that fits.
NOTICES: Mapping[str, str] = {
    "cut": "The reply was cut: it had reached its longest length.",
    "turn-forgotten": "The conversation is longer than the model can remember: the oldest turn was forgotten.",
    "turns-forgotten": "The conversation is longer than the model can remember: the oldest {count} turns were forgotten.",
    "unread": "This model cannot read {things} yet: what was attached reached it as a remark only.",
    "from-captions": "Made from captions that the model wrote: its own projections are not trained yet.",
    "near-copies": "The {kind} {media} is nearly the same as {original} and {count} more in the library.",
    "near-copy": "The {kind} {media} is nearly the same as {original} in the library.",
    "copies": "The {kind} {media} is the same as {original} and {count} more in the library.",
    "copy": "The {kind} {media} is the same as {original} in the library.",
    "few": "There are fewer than {limit} of the kind {kind}, too few to tell what stands out: "
    "the nearest are given, whatever they are.",
    "not-in-the-reply": "this time the reply does not hold it",
    "other-weights": "the preset {preset} has other weights",
    "read-at-once": "earlier turns were read at once, not as they were said",
    "another-rate": "a rate of {before} became {after}",
    "only-one": "only one has a {signal}",
    "another-shape": "the {signal}: {before} became {after}",
    "another-kind": "{before} became {after}",
    "another-version": "{what} {before} -> {after}",
}


class Notice(str):
    """A sentence for a person, with the code that it is known by and what is filled in; "" is the code of any other."""

    code: str
    values: Mapping[str, str]

    def __new__(cls, text: str, code: str = "", values: Mapping[str, str] | None = None) -> "Notice":
        made = super().__new__(cls, text)
        made.code, made.values = code, dict(values or {})
        return made

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON takes it."""
        return {"text": str(self), "code": self.code, "values": dict(self.values)}

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any]) -> "Notice":
        """Read it again; one that was kept without its code is known by its shape, if it is known at all."""
        text, code = str(kept["text"]), str(kept.get("code", ""))
        return cls(text, code, kept["values"]) if code else next(iter(_whole(text)), cls(text))


def notice(code: str, **values: object) -> Notice:
    """Return the notice of a code, with what its sentence tells."""
    told = {name: str(value) for name, value in values.items()}
    return Notice(NOTICES[code].format(**told), code, told)


def known_again(text: str) -> list[Notice]:
    """Return the notices that a text is made of, one after another; one without a code where it is not known."""
    found: list[Notice] = []
    rest = text.strip()
    while rest:
        known = next(iter(_whole(rest)), None) or next(_first(rest), Notice(rest))
        found.append(known)
        rest = rest[len(known) :].strip()
    return found


def _whole(text: str) -> Iterator[Notice]:
    for code in NOTICES:
        if matched := _shape(code).fullmatch(text):
            yield Notice(text, code, matched.groupdict())


def _first(text: str) -> Iterator[Notice]:
    """Yield the sentence that a text begins with, if another follows it."""
    for code, sentence in NOTICES.items():
        if sentence.endswith(".") and (matched := _shape(code).match(text)):
            yield Notice(matched[0], code, matched.groupdict())


@cache
def _shape(code: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", NOTICES[code])
    return re.compile("".join(f"(?P<{one}>[^\n]+?)" if at % 2 else re.escape(one) for at, one in enumerate(parts)))

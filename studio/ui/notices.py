"""What a person is told beside a result, in the reader's language: what is known by a code, or a sentence with what was said."""

from collections.abc import Mapping

from studio.notices import Notice
from studio.ui.faults import MESSAGES, in_words, shown
from studio.ui.frame import show_text
from studio.ui.words import N_, _, reads_english

SENTENCES: Mapping[str, str] = {
    "cut": N_("The reply was cut: it had reached its longest length."),
    "turn-forgotten": N_("The conversation is longer than the model can remember: the oldest turn was forgotten."),
    "turns-forgotten": N_(
        "The conversation is longer than the model can remember: the oldest {count} turns were forgotten."
    ),
    "unread": N_("This model cannot read {things} yet: what was attached reached it as a remark only."),
    "from-captions": N_("Made from captions that the model wrote: its own projections are not trained yet."),
    "near-copies": N_("The {kind} {media} is nearly the same as {original} and {count} more in the library."),
    "near-copy": N_("The {kind} {media} is nearly the same as {original} in the library."),
    "copies": N_("The {kind} {media} is the same as {original} and {count} more in the library."),
    "copy": N_("The {kind} {media} is the same as {original} in the library."),
    "few": N_(
        "There are fewer than {limit} of the kind {kind}, too few to tell what stands out: "
        "the nearest are given, whatever they are."
    ),
    "not-in-the-reply": N_("this time the reply does not hold it"),
    "other-weights": N_("the preset {preset} has other weights"),
    "read-at-once": N_("earlier turns were read at once, not as they were said"),
    "another-rate": N_("a rate of {before} became {after}"),
    "only-one": N_("only one has a {signal}"),
    "another-shape": N_("the {signal}: {before} became {after}"),
    "another-kind": N_("{before} became {after}"),
    "another-version": N_("{what} {before} -> {after}"),
}
WHAT: Mapping[str, str] = {"processor": N_("processor"), "threads": N_("threads"), "device": N_("device")}
OTHER = N_("This is to be known of it: {said}")


def show_notice(notice: Notice) -> None:
    """Show a notice below what it is about."""
    show_text(in_language(notice), kind="note")


def in_language(notice: Notice) -> str:
    """Return a notice in the reader's language; where the studio is shared, without the server's paths."""
    if reads_english():
        return shown(notice)
    sentence = SENTENCES.get(notice.code) or MESSAGES.get(notice.code)
    if sentence is None:
        return shown(_(OTHER).format(said=notice))
    values = in_words(notice.values)
    if values.get("what") in WHAT:
        values["what"] = _(WHAT[values["what"]])
    return shown(_(sentence).format(**values))

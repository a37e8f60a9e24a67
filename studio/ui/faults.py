"""What went wrong, in the reader's language where it is known by a code."""

from collections.abc import Mapping

from studio.errors import StudioError
from studio.jobs.queue import Job
from studio.ui.frame import PageStudio, label
from studio.ui.words import N_, _

MESSAGES: Mapping[str, str] = {
    "inside": N_("Something went wrong inside the studio. The details are in {log} in its folder."),
    "memory": N_("There is not enough memory for this. Ask for less at once, or close other programs."),
    "unknown-work": N_("This version cannot do {kind} work. Update the program."),
    "no-decoder": N_("The model {preset} makes no {modality}; it makes: {able}."),
    "no-wish": N_("Write what is to be made."),
    "long-wish": N_("A wish has up to {limit} characters; this one has {count}. Shorten it."),
    "not-begun-with": N_("Only a picture begins with a picture. Take the picture away."),
    "no-picture": N_("{name} is no picture. Choose a PNG, JPEG, WebP or GIF to begin with."),
    "beginning-gone": N_("The picture that this begins with is not in the studio any more."),
    "few-values": N_("An axis takes two values or more, with commas between: 1, 2, 3"),
    "word-not-there": N_("The first of the words is the one that others replace; {word} is not in the wish."),
    "odd-values": N_("The values of {name} are numbers, with commas between; got {text}."),
    "odd-whole-values": N_("The values of {name} are whole numbers, with commas between; got {text}."),
    "no-beginning": N_("How much may change is told of a picture to begin with. Add one above."),
    "same-axes": N_("The two axes are of different options."),
    "many-cells": N_("A grid has up to {limit} cells; this one has {count}. Give fewer values."),
    "nothing-said": N_("Write something, or attach a file."),
    "long-message": N_("A message holds up to {limit} characters; this one has {count}. Shorten it."),
    "many-files": N_("A message takes up to {limit} files; this one has {count}. Remove some."),
    "attach-it": N_('Attach the file to the search instead of naming it; words that look like a file go in "".'),
    "no-pictures-there": N_("There is no folder of pictures at {path}."),
    "model-name": N_("A model's name has small letters, digits, dots and dashes, 40 at most: nextgpt-7b"),
    "model-taken": N_("There is a model {name} already. Choose another name."),
}


def told(error: StudioError) -> str:
    """Return what an error says, for a label."""
    return label(_said(error.code, error.values) or str(error))


def why_failed(studio: PageStudio, job: Job) -> str:
    """Return why a job failed, for a label."""
    for event in reversed(studio.queue.events(job.id)):
        if event.kind == "fault" and (said := _said(event.data["code"], event.data["values"])):
            return label(said)
    return label(job.error or "")


def _said(code: str, values: Mapping[str, str]) -> str:
    return _(MESSAGES[code]).format(**values) if code in MESSAGES else ""

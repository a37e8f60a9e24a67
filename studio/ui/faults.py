"""What went wrong, in the reader's language: what is known by a code, or a sentence for all else with what was said below."""

import re
from collections.abc import Mapping

from studio.errors import StudioError
from studio.jobs.queue import Job
from studio.server.names import names_alone
from studio.ui.frame import PageStudio, label
from studio.ui.person import is_shared
from studio.ui.words import N_, _, reads_english

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
    "interrupted": N_("The work was interrupted twice and stopped. Try again."),
    "unknown-job": N_("This job is not known here. It may have been deleted with its conversation."),
    "often-tried": N_("This was tried again {limit} times. Ask for something else, or in other words."),
    "not-failed": N_("Only what failed or was stopped can be tried again."),
    "no-encoder": N_("No encoder of this library compares {asked} with {target}; there is: {names}."),
    "unreadable": N_("The file {name} cannot be read."),
    "other-kind": N_("'{name}' holds {held}, not {asked}."),
    "large-file": N_("This file is larger than {limit} MB. Choose a smaller or shorter one."),
    "media-gone": N_("This file is missing from the studio's media folder. Restore the folder, or make it again."),
    "upload-gone": N_("The attached file is no longer here. Attach it again."),
    "still-reading": N_("What was attached is still being read. Wait a moment, then try again."),
    "unknown-conversation": N_("This conversation is not known here. It may have been deleted."),
    "no-family": N_("No generator could answer this."),
    "not-measured": N_("The measuring ended early."),
    "not-imported": N_("This could not be imported. Nothing of it was kept."),
    "not-offered": N_("{name} is not among what this studio offers. It offers: {offered}."),
    "unknown-training": N_("This training is not known here. It may have been deleted."),
    "training-runs": N_("This training is running; only one that was stopped or failed can go on."),
    "training-done": N_("This training is finished; only one that was stopped or failed can go on."),
}

# What kinds of media are called in sentences, and the values of sentences that name them.
KINDS: Mapping[str, str] = {
    "text": N_("text"),
    "image": N_("image"),
    "an image": N_("an image"),
    "picture": N_("picture"),
    "audio": N_("audio"),
    "sound": N_("sound"),
    "a sound": N_("a sound"),
    "video": N_("video"),
    "a video": N_("a video"),
    "a depth map": N_("a depth map"),
    "a thermal image": N_("a thermal image"),
    "a motion recording": N_("a motion recording"),
    "frames": N_("frames"),
    "soundtrack": N_("soundtrack"),
    "text only": N_("text only"),
}
_SEVERAL = re.compile(", | or ")
NAMING_KINDS = ("modality", "able", "held", "asked", "target", "kind", "things", "signal", "before", "after")

UNKNOWN = N_("This could not be done.")
# What an error is known by that was kept without its code: sentences in which nothing is filled in.
_CODES = {sentence: code for code, sentence in MESSAGES.items() if "{" not in sentence}


def told(error: StudioError) -> str:
    """Return what an error says, for a label."""
    return _label(error.code, error.values, str(error))


def why_failed(studio: PageStudio, job: Job) -> str:
    """Return why a job failed, for a label."""
    said = job.error or ""
    for event in reversed(studio.queue.events(job.id)):
        if event.kind == "fault":
            return _label(event.data["code"], event.data["values"], said)
    return _label("", {}, said)


def with_detail(sentence: str, said: str, **values: str) -> str:
    """Return for a label what the program said, which is English, below a sentence of the pages in another language."""
    lines = [label(shown(line)) for line in said.splitlines() if line.strip()]
    if reads_english():
        return "  \n".join(lines)
    return "  \n".join([label(shown(_(sentence).format(**values))), *(f":small[{line}]" for line in lines)])


def in_words(values: Mapping[str, str]) -> dict[str, str]:
    """Return the values of a sentence, with the kinds of media among them in the reader's language."""
    return {
        name: _(", ").join(_(KINDS[one]) if one in KINDS else one for one in _SEVERAL.split(value))
        if name in NAMING_KINDS
        else value
        for name, value in values.items()
    }


def shown(text: str) -> str:
    """Return a text as its reader may see it: where the studio is shared, the server's paths are names alone."""
    return names_alone(text) if is_shared() else text


def _label(code: str, values: Mapping[str, str], said: str) -> str:
    sentence = MESSAGES.get(code or _CODES.get(said, ""), UNKNOWN)
    if sentence.format(**values) == said:
        return label(shown(_(sentence).format(**in_words(values))))
    return with_detail(sentence, said, **in_words(values))

"""What is known to go wrong, by codes: a page says it in the reader's language, everything else as it is written here."""

from collections.abc import Mapping

from studio.errors import StudioError

FAULTS: Mapping[str, str] = {
    "inside": "Something went wrong inside the studio. The details are in {log} in its folder.",
    "memory": "There is not enough memory for this. Ask for less at once, or close other programs.",
    "unknown-work": "This version cannot do {kind} work. Update the program.",
    "no-decoder": "The model {preset} makes no {modality}; it makes: {able}.",
    "no-wish": "Write what is to be made.",
    "long-wish": "A wish has up to {limit} characters; this one has {count}. Shorten it.",
    "not-begun-with": "Only a picture begins with a picture. Take the picture away.",
    "no-picture": "{name} is no picture. Choose a PNG, JPEG, WebP or GIF to begin with.",
    "beginning-gone": "The picture that this begins with is not in the studio any more.",
    "few-values": "An axis takes two values or more, with commas between: 1, 2, 3",
    "word-not-there": "The first of the words is the one that others replace; {word} is not in the wish.",
    "odd-values": "The values of {name} are numbers, with commas between; got {text}.",
    "odd-whole-values": "The values of {name} are whole numbers, with commas between; got {text}.",
    "no-beginning": "How much may change is told of a picture to begin with. Add one above.",
    "same-axes": "The two axes are of different options.",
    "many-cells": "A grid has up to {limit} cells; this one has {count}. Give fewer values.",
    "nothing-said": "Write something, or attach a file.",
    "long-message": "A message holds up to {limit} characters; this one has {count}. Shorten it.",
    "many-files": "A message takes up to {limit} files; this one has {count}. Remove some.",
    "attach-it": 'Attach the file to the search instead of naming it; words that look like a file go in "".',
    "no-pictures-there": "There is no folder of pictures at {path}.",
    "model-name": "A model's name has small letters, digits, dots and dashes, 40 at most: nextgpt-7b",
    "model-taken": "There is a model {name} already. Choose another name.",
    "interrupted": "The work was interrupted twice and stopped. Try again.",
    "unknown-job": "This job is not known here. It may have been deleted with its conversation.",
    "often-tried": "This was tried again {limit} times. Ask for something else, or in other words.",
    "not-failed": "Only what failed or was stopped can be tried again.",
    "no-encoder": "No encoder of this library compares {asked} with {target}; there is: {names}.",
    "unreadable": "The file {name} cannot be read.",
    "other-kind": "'{name}' holds {held}, not {asked}.",
    "large-file": "This file is larger than {limit} MB. Choose a smaller or shorter one.",
    "media-gone": "This file is missing from the studio's media folder. Restore the folder, or make it again.",
    "upload-gone": "The attached file is no longer here. Attach it again.",
    "still-reading": "What was attached is still being read. Wait a moment, then try again.",
    "unknown-conversation": "This conversation is not known here. It may have been deleted.",
    "no-family": "No generator could answer this.",
    "not-measured": "The measuring ended early.",
    "not-imported": "This could not be imported. Nothing of it was kept.",
    "not-offered": "{name} is not among what this studio offers. It offers: {offered}.",
    "unknown-training": "This training is not known here. It may have been deleted.",
    "training-runs": "This training is running; only one that was stopped or failed can go on.",
    "training-done": "This training is finished; only one that was stopped or failed can go on.",
}


def fault(code: str, *, said: str = "", **values: object) -> StudioError:
    """Return the error of a code, with what its sentence tells; `said` is what there is to tell beyond it, in its place."""
    told = {name: str(value) for name, value in values.items()}
    return StudioError(said or FAULTS[code].format(**told), code=code, values=told)

"""Classes by name or number: what a person asks a baseline for, as the vector that it is conditioned on."""

from collections import defaultdict
from collections.abc import Sequence
from difflib import get_close_matches
from functools import cache
from itertools import accumulate, pairwise
from typing import Literal

import torch
from torch import Tensor

# One class by name or number, several at once (a multi-hot vector), the vector (num_classes) itself, or any class.
Label = int | str | Sequence[int | str] | Tensor | None
Labels = Literal["imagenet"] | tuple[str, ...]

IMAGENET_SIZE = 1000


class ClassLabels:
    """The classes of one model: `labels` is "imagenet", a name for each class, or empty for numbers only.

    `groups` says how many classes belong to each question, in order (16 things, 6 colours...), of each of which a picture
    shows one; empty: all to one.
    """

    def __init__(self, num_classes: int, labels: Labels = (), groups: Sequence[int] = ()) -> None:
        count = IMAGENET_SIZE if labels == "imagenet" else len(labels)
        if labels and count != num_classes:
            raise ValueError(f"A model of {num_classes} classes was given {count} names.")
        if groups and (sum(groups) != num_classes or min(groups) < 1):
            raise ValueError(f"A model of {num_classes} classes was given groups of {tuple(groups)}.")
        self.num_classes = num_classes
        self.groups = tuple(groups) or ((num_classes,) if num_classes else ())
        self._labels = labels

    def names(self, index: int) -> tuple[str, ...]:
        """Return all names of a class; none if it has a number only."""
        if self._labels == "imagenet":
            return imagenet_names()[index]
        return (self._labels[index],) if self._labels else ()

    @property
    def ranges(self) -> tuple[range, ...]:
        """Return the numbers of each group's classes."""
        ends = list(accumulate(self.groups, initial=0))
        return tuple(range(start, end) for start, end in pairwise(ends))

    def vector(self, label: Label, generator: torch.Generator) -> Tensor:
        """Return (1, num_classes): 1 for each class asked for; of a group without any, one is drawn evenly.

        Raises ValueError for an unknown or ambiguous name, a number out of range, or a vector of another size.
        """
        vector = self.asked(label)
        if isinstance(label, Tensor):
            return vector
        for group in self.ranges:
            if not vector[0, group.start : group.stop].any():
                drawn = torch.randint(len(group), (), generator=generator, device=generator.device)
                vector[0, group.start + int(drawn)] = 1
        return vector

    def asked(self, label: Label) -> Tensor:
        """Return (1, num_classes): 1 for each class asked for, and nothing drawn; errors as for `vector`."""
        if isinstance(label, Tensor):
            if tuple(label.shape) != (self.num_classes,):
                raise ValueError(f"A label's vector has the shape ({self.num_classes},), not {tuple(label.shape)}.")
            return label[None].to(torch.float32)
        vector = torch.zeros(1, self.num_classes)
        if label is None:
            return vector
        if self.num_classes == 0:
            raise ValueError(f"This model was trained without classes, so it cannot be asked for {label!r}.")
        several = (label,) if isinstance(label, int | str) else tuple(label)
        vector[0, [self.index(one) for one in several]] = 1
        return vector

    def index(self, label: int | str) -> int:
        """Find a class by its number or one of its names, whose case does not matter."""
        if isinstance(label, int):
            if not 0 <= label < self.num_classes:
                raise ValueError(f"Classes have numbers from 0 to {self.num_classes - 1}, not {label}.")
            return label
        if not self._labels:
            raise ValueError(f"The classes of this model have no names; ask by number, not for {label!r}.")
        names = _numbers(imagenet_names() if self._labels == "imagenet" else tuple((n,) for n in self._labels))
        found = names.get(_folded(label), ())
        if len(found) == 1:
            return found[0]
        if found:
            meant = " or ".join(f"{number} ({', '.join(self.names(number))})" for number in found)
            raise ValueError(f"{label!r} names several classes; ask by number: {meant}.")
        close = get_close_matches(_folded(label), names, n=3)
        hint = f"did you mean {' or '.join(map(repr, close))}?" if close else f"they are {_some(tuple(names))}."
        raise ValueError(f"This model knows no class {label!r} among its {self.num_classes}; {hint}")


@cache
def imagenet_names() -> tuple[tuple[str, ...], ...]:
    """Return the names of each of ImageNet's 1000 classes: its label, each synonym in it, and OpenAI's name for it."""
    from open_clip import IMAGENET_CLASSNAMES  # these take seconds, so only when names are asked for
    from timm.data.imagenet_info import ImageNetInfo

    pairs = zip(ImageNetInfo().label_descriptions(), IMAGENET_CLASSNAMES, strict=True)
    return tuple(tuple(dict.fromkeys([label, *label.split(", "), name])) for label, name in pairs)


@cache
def _numbers(rows: tuple[tuple[str, ...], ...]) -> dict[str, tuple[int, ...]]:
    numbers: dict[str, list[int]] = defaultdict(list)
    for number, names in enumerate(rows):
        for name in {_folded(name) for name in names}:
            numbers[name].append(number)
    return {name: tuple(found) for name, found in numbers.items()}


def _folded(name: str) -> str:
    return " ".join(name.casefold().split())


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(names[:8]) + (" and others" if len(names) > 8 else "")

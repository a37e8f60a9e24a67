"""Read in a person's words which classes a baseline is asked for: "a red bell at night" -> bell, red, night."""

import re

from pipelines.baselines.labels import ClassLabels


def classes_in(prompt: str, labels: ClassLabels) -> tuple[str, ...]:
    """Find one class of each group in a prompt, by its name as whole words; groups that it leaves open are left out.

    Of several answers to a later question (two colours) the one nearest before the first group's class counts. Raises
    ValueError if the prompt names no class of the first group, or several: a picture shows one.
    """
    found = [_places(prompt, labels, group) for group in labels.ranges]
    if not found or not found[0]:
        known = ", ".join(labels.names(number)[0] for number in list(labels.ranges[0])[:8]) if labels.ranges else ""
        raise ValueError(
            f"{prompt!r} names nothing that this model knows" + (f"; it knows {known}..." if known else ".")
        )
    if len(found[0]) > 1:
        several = " and ".join(sorted(found[0]))
        raise ValueError(f"{prompt!r} names {several}; a picture of this model shows one of them.")
    ((thing, at),) = found[0].items()
    chosen = [thing]
    for places in found[1:]:
        before = {name: place for name, place in places.items() if place < at}
        if before:
            chosen.append(max(before, key=lambda name: before[name]))
        elif places:
            chosen.append(min(places, key=lambda name: places[name]))
    return tuple(chosen)


def _places(prompt: str, labels: ClassLabels, group: range) -> dict[str, int]:
    """Where each class of a group is first named."""
    places: dict[str, int] = {}
    for number in group:
        for name in labels.names(number):
            match = re.search(rf"\b{re.escape(name.casefold())}\b", prompt.casefold())
            if match is not None:
                places.setdefault(labels.names(number)[0], match.start())
    return places

"""A prompt of one thing is read as classes, one of each group, and another prompt is refused with its reason."""

import pytest

from pipelines.baselines.asking import classes_in
from pipelines.baselines.labels import ClassLabels

LABELS = ClassLabels(7, ("bell", "boat", "Red Kite", "red", "blue", "sky", "night"), (3, 2, 2))


@pytest.mark.parametrize(
    ("prompt", "classes"),
    [
        ("a red bell at night", ("bell", "red", "night")),
        ("A Red BELL on a blue background", ("bell", "red")),
        ("blue night, and in it a red bell", ("bell", "red", "night")),
        ("the bell is blue", ("bell", "blue")),
        ("bells? a boat in the sky", ("boat", "sky")),  # a plural is another word
    ],
)
def test_one_class_of_each_group_is_found(prompt: str, classes: tuple[str, ...]) -> None:
    assert classes_in(prompt, LABELS) == classes


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ("a red zeppelin", "names nothing that this model knows; it knows bell, boat, Red Kite"),
        ("a bell above a boat", "names bell and boat; a picture of this model shows one of them"),
    ],
)
def test_what_cannot_be_shown_is_said(prompt: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        classes_in(prompt, LABELS)


def test_a_model_without_classes_knows_nothing() -> None:
    with pytest.raises(ValueError, match="names nothing that this model knows"):
        classes_in("a bell", ClassLabels(0))

"""Classes are asked for by name, number or vector, and a wrong one is named."""

import pytest
import torch

from pipelines.baselines.labels import ClassLabels, imagenet_names

NAMES = ("bell", "boat", "Red Kite")


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_name_a_number_and_several_at_once_are_vectors() -> None:
    labels = ClassLabels(3, NAMES)
    assert labels.vector("boat", generator()).tolist() == [[0, 1, 0]]
    assert labels.vector("  red  KITE ", generator()).tolist() == [[0, 0, 1]]
    assert labels.vector(0, generator()).tolist() == [[1, 0, 0]]
    assert labels.vector(["bell", 2], generator()).tolist() == [[1, 0, 1]]
    assert labels.vector(torch.tensor([0.5, 0.0, 0.5]), generator()).tolist() == [[0.5, 0, 0.5]]


def test_no_label_draws_every_class_and_the_same_one_from_the_same_seed() -> None:
    labels = ClassLabels(3, NAMES)
    drawn = [labels.vector(None, generator(seed)) for seed in range(30)]
    assert torch.equal(drawn[7], labels.vector(None, generator(7)))
    assert torch.stack(drawn).sum(dim=0).min() > 0
    assert all(vector.sum() == 1 for vector in drawn)


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ("bel", "knows no class 'bel' among its 3; did you mean 'bell'?"),
        ("zeppelin", "they are bell, boat, red kite."),
        (3, "numbers from 0 to 2, not 3"),
        (-1, "numbers from 0 to 2, not -1"),
        (torch.zeros(2), r"shape \(3,\), not \(2,\)"),
    ],
)
def test_a_wrong_label_is_named(label: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ClassLabels(3, NAMES).vector(label, generator())


def test_a_model_without_classes_or_without_names_says_so() -> None:
    assert ClassLabels(0).vector(None, generator()).shape == (1, 0)
    with pytest.raises(ValueError, match="trained without classes, so it cannot be asked for 'bell'"):
        ClassLabels(0).vector("bell", generator())
    with pytest.raises(ValueError, match="have no names; ask by number, not for 'bell'"):
        ClassLabels(3).vector("bell", generator())
    with pytest.raises(ValueError, match="A model of 4 classes was given 3 names"):
        ClassLabels(4, NAMES)


def test_imagenet_classes_are_found_by_their_whole_label_and_by_each_word_of_it() -> None:
    labels = ClassLabels(1000, "imagenet")
    assert len(imagenet_names()) == 1000
    assert [labels.index(name) for name in ("tench, Tinca tinca", "Tinca tinca", "goldfish", "bubble")] == [
        0, 0, 1, 971,
    ]  # fmt: skip
    with pytest.raises(
        ValueError, match=r"'crane' names several classes; ask by number: 134 \(crane, crane bird\) or 517 \(crane, c"
    ):
        labels.index("crane")
    with pytest.raises(ValueError, match="did you mean 'goldfish'"):
        labels.index("golfish")


def test_groups_are_questions_of_which_each_has_one_answer() -> None:
    labels = ClassLabels(5, ("bell", "boat", "kite", "red", "blue"), (3, 2))
    assert labels.ranges == (range(0, 3), range(3, 5))
    drawn = [labels.vector("boat", generator(seed)) for seed in range(20)]
    assert all(vector[0, :3].tolist() == [0, 1, 0] and vector[0, 3:].sum() == 1 for vector in drawn)
    assert {int(vector[0].argmax()) for vector in (v[:, 3:] for v in drawn)} == {0, 1}
    assert labels.vector(["blue", "kite"], generator()).tolist() == [[0, 0, 1, 0, 1]]
    assert labels.asked("boat").tolist() == [[0, 1, 0, 0, 0]]
    assert all(v[0, :3].sum() == v[0, 3:].sum() == 1 for v in (labels.vector(None, generator(s)) for s in range(9)))
    with pytest.raises(ValueError, match=r"5 classes was given groups of \(3, 3\)"):
        ClassLabels(5, groups=(3, 3))

"""Labels put on what they fit: by standing out, or the best one each; and a person's own tags are left alone."""

from pathlib import Path

import numpy as np
import pytest
from parts import imagebind_folder
from PIL import Image as PillowImage
from shelf import WIDTH, Directions, Shelf, axis, media_id, noise, unit
from typer.testing import CliRunner

from studio.cli import app
from studio.errors import StudioError
from studio.library.labels import LabelOptions, classify, read_labels, tag_by_labels
from studio.library.library import Library
from studio.library.vectors import Piece
from studio.search.search import Search
from studio.store import Store


@pytest.fixture
def shelf(store: Store) -> Shelf:
    library = Library(store)
    return Shelf(
        library,
        library.vectors.register(
            "imagebind", fingerprint="f", width=WIDTH, modalities=Directions().modalities, source="imagebind:nowhere"
        ),
    )


@pytest.fixture
def search(shelf: Shelf) -> Search:
    return Search(shelf.library, embedders=[Directions()])


def tags(shelf: Shelf, number: int) -> list[tuple[str, str]]:
    return [(text.text, text.source) for text in shelf.library.texts.of(media_id(number))]


def test_a_label_goes_on_what_stands_out_for_it_and_on_nothing_else(shelf: Shelf, search: Search) -> None:
    shelf.put_bulk()
    shelf.put(1, Piece(unit(axis(0) + 0.2 * noise(1))))
    shelf.put(2, Piece(unit(axis(0) + axis(1))))
    shelf.put(3, Piece(noise(3)), Piece(noise(4), 0, 5), Piece(axis(2), 5, 10), kind="audio")
    shelf.put_bulk(start=5000, kind="audio")
    done = tag_by_labels(search, ["boat", "night", "bell", "unseen"], LabelOptions(max_chance=0.01))
    assert done.counts == {"boat": 2, "night": 1, "bell": 1, "unseen": 0} and done.notices == ()
    assert tags(shelf, 1) == [("boat", "imagebind")] and tags(shelf, 3) == [("bell", "imagebind")]
    assert {text for text, _ in tags(shelf, 2)} == {"boat", "night"}


def test_labelling_again_replaces_what_it_said_and_keeps_what_a_person_said(shelf: Shelf, search: Search) -> None:
    shelf.put_bulk()
    for number in (1, 2):
        shelf.put(number, Piece(axis(0)))
    shelf.library.texts.add(media_id(1), "tag", "boat", source="person")
    shelf.library.texts.add(media_id(1), "tag", "mine", source="person")
    tag_by_labels(search, ["boat"])
    assert tags(shelf, 1) == [("boat", "person"), ("mine", "person")] and tags(shelf, 2) == [("boat", "imagebind")]
    shelf.library.vectors.put(media_id(2), shelf.encoder, [Piece(noise(2))])
    tag_by_labels(search, ["night"])
    assert tags(shelf, 2) == [("boat", "imagebind")]
    tag_by_labels(search, ["boat"])
    assert tags(shelf, 2) == [] and len(tags(shelf, 1)) == 2


def test_the_best_label_is_given_to_each_and_shares_add_up(shelf: Shelf, search: Search) -> None:
    shelf.put(1, Piece(unit(2 * axis(0) + axis(1))))
    shelf.put(2, Piece(axis(1)))
    found = {one.media: one for one in classify(search, ["boat", "night"], LabelOptions(best=True))}
    assert (found[media_id(1)].label, found[media_id(2)].label) == ("boat", "night")
    gap = 100 * (2 - 1) / np.sqrt(5)
    assert found[media_id(1)].share == pytest.approx(1 / (1 + np.exp(-gap)), abs=1e-3)
    done = tag_by_labels(search, ["boat", "night"], LabelOptions(best=True, filters="-star:yes"))
    assert done.counts == {"boat": 1, "night": 1}


def test_a_template_makes_the_words(shelf: Shelf) -> None:
    shelf.put(1, Piece(axis(5)))
    shelf.put(2, Piece(axis(0)))
    search = Search(shelf.library, embedders=[Directions(words={"a photo of boat": 5, "a photo of bell": 0})])
    found = classify(search, ["boat", "bell"], LabelOptions(best=True, template="a photo of {}"))
    assert [(one.media, one.label) for one in found] == [(media_id(1), "boat"), (media_id(2), "bell")]


def test_filters_say_what_is_labelled_and_few_are_not_judged(shelf: Shelf, search: Search) -> None:
    shelf.put_bulk()
    shelf.put(1, Piece(axis(0)))
    shelf.put(2, Piece(axis(0)))
    shelf.put(3, Piece(axis(0)), kind="audio")
    shelf.library.star(media_id(2))
    done = tag_by_labels(search, ["boat"], LabelOptions(filters="star:yes"))
    assert done.counts == {"boat": 1} and tags(shelf, 1) == []
    done = tag_by_labels(search, ["boat"])
    assert "kind audio" in done.notices[0] and tags(shelf, 3) == []


@pytest.mark.parametrize(
    ("labels", "options", "says"),
    [
        (["boat"], {"best": True}, "two or more"),
        (["boat"], {"template": "a photo"}, "one {} for the label"),
        (["boat"], {"filters": "a tree"}, "Only filters"),
    ],
)
def test_what_cannot_be_labelled_is_said(
    search: Search, labels: list[str], options: dict[str, object], says: str
) -> None:
    with pytest.raises(StudioError, match=says):
        tag_by_labels(search, labels, LabelOptions(**options))  # type: ignore[arg-type]
    assert read_labels(" boat, bell,,boat ") == ("boat", "bell")
    with pytest.raises(StudioError, match="commas"):
        read_labels(" ,")


def test_the_command_labels_a_real_library(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    for seed in range(3):
        pixels = np.random.default_rng(seed).integers(0, 256, (32, 32, 3), np.uint8)
        PillowImage.fromarray(pixels).save(folder / f"{seed}.png")
    (tmp_path / "imagebind").mkdir()
    encoder = f"imagebind=imagebind:{imagebind_folder(tmp_path / 'imagebind')}"
    run = lambda *words: CliRunner().invoke(app, ["library", *words])  # noqa: E731
    assert run("add", str(folder), "--encoder", encoder).exit_code == 0
    said = run("tag", "--labels", "boat,bell", "--best")
    assert said.exit_code == 0
    counts = [int(line.partition(": ")[2]) for line in said.stdout.splitlines()]
    assert sum(counts) == 3
    assert "too few" in run("tag", "--labels", "boat").stderr
    for words in (["tag", "ab", "--labels", "boat"], ["tag", "ab"], ["tag"]):
        assert run(*words).exit_code == 1

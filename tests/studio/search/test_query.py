"""The grammar of a search: what is read as words, files, media and filters, and what is said about the rest."""

from pathlib import Path

import pytest

from studio.errors import StudioError
from studio.search.filters import FILTERS, Filter
from studio.search.query import Box, File, Like, Query, Span, Term, Words, read_query


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("a boat", [Term(Words("a boat"))]),
        ("2: a boat + ./sunset.png - night",
         [Term(Words("a boat"), 2), Term(File(Path("sunset.png"))), Term(Words("night"), -1)]),
        ("- 0.5:night", [Term(Words("night"), -0.5)]),
        ("-2: night + a boat", [Term(Words("night"), -2), Term(Words("a boat"))]),
        ("a boat + -0.5:night", [Term(Words("a boat")), Term(Words("night"), -0.5)]),
        ("-12:30 on a clock", [Term(Words("-12:30 on a clock"))]),
        ("night: a boat", [Term(Words("night: a boat"))]),
        ("+ a red-blue boat at 12:30", [Term(Words("a red-blue boat at 12:30"))]),
        ("12:30 on a clock", [Term(Words("12:30 on a clock"))]),
        ("2:./my film.mp4[1:20-1:35]", [Term(File(Path("my film.mp4"), Span(80, 95)), 2)]),
        ("talk.wav[80s-1:00:01.5]", [Term(File(Path("talk.wav"), Span(80, 3601.5)))]),
        ("like:3fa8 [10,20,110,220] + at night",
         [Term(Like("3fa8", Box(10, 20, 110, 220, False))), Term(Words("at night"))]),
        ("/a/b.png[0%,0%,50%,100%]", [Term(File(Path("/a/b.png"), Box(0, 0, 0.5, 1, True)))]),
        ('file:"./a - b.png" - x', [Term(File(Path("a - b.png"))), Term(Words("x"), -1)]),
        ('"./a.png" and more', [Term(Words("./a.png and more"))]),
        ('"kind:image + you"', [Term(Words("kind:image + you"))]),
        ("the dog's ball", [Term(Words("the dog's ball"))]),
        ("my sunset.png at night", [Term(Words("my sunset.png at night"))]),
        ("画一个 红色的铃铛", [Term(Words("画一个 红色的铃铛"))]),
    ],
)  # fmt: skip
def test_terms_are_read_with_weights_signs_files_and_parts(text: str, terms: list[Term]) -> None:
    assert read_query(text) == Query(tuple(terms))


def test_filters_may_stand_anywhere_and_be_turned_round() -> None:
    query = read_query('kind:image a boat -tag:"at night",x - fog collection:"Best of"')
    assert query.terms == (Term(Words("a boat")), Term(Words("fog"), -1))
    assert query.filters == (
        Filter("kind", "image"), Filter("tag", '"at night",x', is_negated=True), Filter("collection", '"Best of"'),
    )  # fmt: skip
    assert read_query("star:yes").terms == ()
    assert query.words == "a boat"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "Say what to look for"),
        ("   ", "Say what to look for"),
        ("a boat +", "After '\\+' something is missing"),
        ("a + + b", "After '\\+' something is missing"),
        ("- 2:", "After '- 2:' something is missing"),
        ("2:", "After '2:' something is missing"),
        ("0: a boat", "weight of 0"),
        ('a "boat', "not closed"),
        ('""', "nothing between"),
        ("knid:image", "no filter 'knid'; there is: kind, date"),
        ("http://example.org/a.png", "no filter 'http'"),
        ("kind: image", "kind: has no value"),
        ("like:3fa8 at night", "Put \\+ between"),
        ("like:", "has no value"),
        ("./a.png[1,2,3]", "\\[1,2,3\\] was not understood"),
        ("./a.png[5,5,5,9]", "was not understood"),
        ("./a.png[10%,5,50%,9]", "was not understood"),
        ("./a.png[0%,0%,101%,9%]", "was not understood"),
        ("./a.wav[9-3]", "was not understood"),
        ("./a.wav[]", "was not understood"),
        ("x" * 2001, "up to 2000 characters"),
    ],
)
def test_what_was_not_understood_is_said_with_what_was_wanted(text: str, says: str) -> None:
    with pytest.raises(StudioError, match=says):
        read_query(text)


def test_every_example_of_a_filter_is_one() -> None:
    for name, kind in FILTERS.items():
        (one,) = read_query(kind.example).filters
        assert one.name == name and str(one) == kind.example

"""The corpus is prose: deterministic, without held-out combinations, with every word that dialogues use."""

import itertools
import re
from collections import Counter

from training.world.corpus import document, sentences
from training.world.dialogues import draw_dialogue
from training.world.reading import read_attributes
from training.world.scene import Motion, Relation
from training.world.split import colour_is_held_out, motion_is_held_out, pair_is_held_out


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9]+|[\u4e00-\u9fff]", text.lower())


def test_a_document_is_a_pure_function_of_its_seed() -> None:
    documents = [document(seed) for seed in range(200)]
    assert documents == [document(seed) for seed in range(200)]
    assert len(set(documents)) == len(documents)
    assert all(10 < len(text) < 1200 and "{" not in text for text in documents)


def test_the_language_can_be_chosen() -> None:
    pure = [(len(re.findall("[\u4e00-\u9fff]", document(seed, "en"))), document(seed, "en")) for seed in range(100)]
    assert all(count == 0 or " = " in text for count, text in pure)
    assert all(re.search("[\u4e00-\u9fff]", document(seed, "zh")) for seed in range(100))


def test_sentences_go_on_and_differ_between_seeds() -> None:
    first, second = (list(itertools.islice(sentences(seed), 300)) for seed in (1, 2))
    assert first == list(itertools.islice(sentences(1), 300))
    assert first != second


def test_every_word_of_dialogues_occurs_in_a_corpus_of_the_same_size() -> None:
    corpus = Counter(word for seed in range(2000) for word in _words(document(seed)))
    texts = (
        part["text"]
        for seed in range(2000)
        for message in draw_dialogue(seed).messages
        for part in message["content"]
        if part["type"] == "text"
    )
    assert {word for text in texts for word in _words(text)} <= set(corpus)


def test_the_corpus_has_no_dialogue() -> None:
    text = " ".join(document(seed).lower() for seed in range(1000))
    assert not re.search(r"user|assistant|用户|助手|\bhere is\b", text)


def test_no_held_out_combination_is_named() -> None:
    for sentence in itertools.islice(sentences(3), 10_000):
        for part in re.split("[=:：]", sentence):
            reading = read_attributes(part)
            names = [thing.name for thing in reading.things]
            assert not any(thing.colour and colour_is_held_out(thing.name, thing.colour) for thing in reading.things)
            if reading.relation and len(names) == 2:
                assert not pair_is_held_out(names[0], names[1], Relation(reading.relation)), sentence
            if reading.motion and len(names) == 1:
                assert not motion_is_held_out(names[0], Motion(reading.motion)), sentence

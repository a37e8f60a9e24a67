"""Slips of the tongue: replies in training in which a word already said is another one than what is to be said next knows.

Every colour comes with some things only, so a core learns that after one colour some things never follow, and says another
thing than it sees when they do. Where the words before are now and then wrong, what is seen decides (after the word dropout
of Bowman et al. 2016, with words of the same kind in place of none).
"""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from transformers import PreTrainedTokenizerBase

from training.losses import IGNORED
from training.sequences import SequenceSet, TokenSequence
from training.world.dialogues import LANGUAGES
from training.world.scene import COLOURS, THINGS

SEQUENCES = 0.35  # the share of the dialogues about media in which the assistant slips
WORDS = 0.4  # the share of their words of a kind that are exchanged

Kinds = Mapping[int, Sequence[int]]  # a token -> all tokens of its kind


def kinds(tokenizer: PreTrainedTokenizerBase) -> Kinds:
    """Group the tokens that hold a colour's or a thing's name, by what else they hold."""
    groups: dict[str, list[int]] = {}
    for token in range(len(tokenizer)):
        text = str(tokenizer.decode([token]))
        for name, sign in _names():
            whole = text.strip() == name if name.isascii() else name in text
            if whole:
                groups.setdefault(text.replace(name, sign), []).append(token)
                break
    return {token: group for group in groups.values() if len(group) > 1 for token in group}


def with_slips(data: SequenceSet, tokenizer: PreTrainedTokenizerBase, seed: int) -> SequenceSet:
    """Let some sequences slip; what these make is no longer taught, for nobody knows any more what it should be."""
    exchanged = kinds(tokenizer)
    sequences = [
        _slip(sequence, exchanged, rng)
        if sequence.media and (rng := random.Random(f"slips {seed} {number}")).random() < SEQUENCES
        else sequence
        for number, sequence in enumerate(data.sequences)
    ]
    return replace(data, sequences=sequences)


def _slip(sequence: TokenSequence, exchanged: Kinds, rng: random.Random) -> TokenSequence:
    ids = sequence.ids.copy()
    for place, (token, label) in enumerate(zip(sequence.ids.tolist(), sequence.labels.tolist(), strict=True)):
        if label != IGNORED and token in exchanged and rng.random() < WORDS:
            ids[place] = rng.choice(exchanged[token])
    return replace(sequence, ids=ids, signals=(), latents=())


def _names() -> Iterable[tuple[str, str]]:
    """Every name of a colour and of a thing, the longer ones first, with a sign for its kind."""
    names = [(wording.colour(colour), "<colour>") for wording in LANGUAGES.values() for colour in COLOURS]
    names += [(wording.name(thing), "<thing>") for wording in LANGUAGES.values() for thing in THINGS]
    return sorted(names, key=lambda pair: -len(pair[0]))

"""Slips of the tongue: dialogues in training in which a word is exchanged, so that the core leans on no single one.

In replies: every colour comes with some things only, so a core learns that after one colour some things never follow, and
says another thing than it sees when they do. Where the words before are now and then wrong, what is seen decides (after the
word dropout of Bowman et al. 2016, with words of the same kind in place of none). In requests: whatever a person's wording
has beside what a reply could say may be another word, since people word things in more ways than any training.
"""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from transformers import PreTrainedTokenizerBase

from training.losses import IGNORED
from training.sequences import SequenceSet, TokenSequence
from training.world.dialogues import LANGUAGES
from training.world.scene import COLOURS, THINGS

REPLIES = 0.45  # the share of the dialogues in which the assistant slips, in its last reply
NAMES = 0.5  # the share of their names of colours and things that are exchanged
REQUESTS = 0.5  # the share of the dialogues in which the user's wording slips
WORDING = 0.12  # the share of its tokens, of those that no reply has, that are exchanged

Kinds = Mapping[int, Sequence[int]]  # a token -> all tokens of its kind


def kinds(tokenizer: PreTrainedTokenizerBase) -> Kinds:
    """Group the tokens that hold a colour's or a thing's name, by what else they hold."""
    groups: dict[str, list[int]] = {}
    for token in range(len(tokenizer)):
        text = str(tokenizer.decode([token]))
        for name, sign in _signs():
            whole = text.strip() == name if name.isascii() else name in text
            if whole:
                groups.setdefault(text.replace(name, sign), []).append(token)
                break
    return {token: group for group in groups.values() if len(group) > 1 for token in group}


def with_slips(data: SequenceSet, tokenizer: PreTrainedTokenizerBase, seed: int) -> SequenceSet:
    """Let some sequences slip, a pure function of the arguments.

    What a reply with a slip makes is no longer taught, for nobody knows any more what it should be.
    """
    exchanged = kinds(tokenizer)
    replied = {label for sequence in data.sequences for label in sequence.labels.tolist()}
    asked = {token for sequence in data.sequences for token in sequence.ids.tolist() if token >= 0}
    wording = dict.fromkeys(sorted(asked - replied - set(tokenizer.all_special_ids)))
    sequences = []
    for number, sequence in enumerate(data.sequences):
        rng = random.Random(f"slips {seed} {number}")
        if rng.random() < REQUESTS:
            sequence = _reword(sequence, wording, rng)
        if rng.random() < REPLIES:
            sequence = _slip(sequence, exchanged, rng)
        sequences.append(sequence)
    return replace(data, sequences=sequences)


def _reword(sequence: TokenSequence, wording: Mapping[int, None], rng: random.Random) -> TokenSequence:
    ids, others = sequence.ids.copy(), list(wording)
    for place, token in enumerate(sequence.ids.tolist()):
        if token in wording and rng.random() < WORDING:
            ids[place] = rng.choice(others)
    return replace(sequence, ids=ids)


def _slip(sequence: TokenSequence, exchanged: Kinds, rng: random.Random) -> TokenSequence:
    ids = sequence.ids.copy()
    untaught = np.flatnonzero(sequence.labels == IGNORED)
    for place in range(int(untaught[-1]) + 1 if len(untaught) else 0, len(ids)):
        if (token := int(ids[place])) in exchanged and rng.random() < NAMES:
            ids[place] = rng.choice(exchanged[token])
    return replace(sequence, ids=ids, signals=(), latents=())


def _signs() -> Iterable[tuple[str, str]]:
    """Every name of a colour and of a thing, the longer ones first, with a sign for its kind."""
    names = [(wording.colour(colour), "<colour>") for wording in LANGUAGES.values() for colour in COLOURS]
    names += [(wording.name(thing), "<thing>") for wording in LANGUAGES.values() for thing in THINGS]
    return sorted(names, key=lambda pair: -len(pair[0]))

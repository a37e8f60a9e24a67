"""Slips exchange words for others of their kind in replies about media, and leave alone what is taught."""

import numpy as np
from transformers import AutoTokenizer

from encoders.modality import Modality
from pipelines.presets import preset_folder
from training.losses import IGNORED
from training.sequences import MEDIA, SequenceSet, Slot, TokenSequence
from training.slips import kinds, with_slips


def test_slips_stay_of_a_kind_and_labels_stay_right() -> None:
    tokenizer = AutoTokenizer.from_pretrained(preset_folder("tiny") / "core")
    exchanged = kinds(tokenizer)
    assert exchanged
    said = np.array(sorted(exchanged), dtype=np.int64)
    labels = np.where(np.arange(len(said)) < 8, IGNORED, said)
    medium = (Slot(Modality.IMAGE, 0, 0),)
    data = SequenceSet([TokenSequence(said, labels, medium, medium) for _ in range(40)], {}, {})
    slipped = with_slips(data, tokenizer, seed=0)
    changed = 0
    for sequence in slipped.sequences:
        assert np.array_equal(sequence.labels, labels)
        before, after = said[labels != IGNORED].tolist(), sequence.ids[labels != IGNORED].tolist()
        assert all(new in exchanged[old] for old, new in zip(before, after, strict=True))
        changed += (is_new := before != after)
        assert bool(sequence.signals) != is_new
    assert 0 < changed < 40
    again = with_slips(data, tokenizer, seed=0)
    assert all(np.array_equal(a.ids, b.ids) for a, b in zip(slipped.sequences, again.sequences, strict=True))


def test_only_the_last_reply_slips() -> None:
    tokenizer = AutoTokenizer.from_pretrained(preset_folder("tiny") / "core")
    said = np.array(sorted(kinds(tokenizer)), dtype=np.int64)
    ids = np.concatenate([said, [tokenizer.eos_token_id], said])
    labels = np.where(np.arange(len(ids)) == len(said), IGNORED, ids)
    data = SequenceSet([TokenSequence(ids, labels)] * 20, {}, {})
    slipped = [sequence.ids for sequence in with_slips(data, tokenizer, seed=0).sequences]
    assert all(np.array_equal(new[: len(said)], said) for new in slipped)
    assert any(not np.array_equal(new, ids) for new in slipped)


def test_in_requests_only_words_that_no_reply_has_are_exchanged() -> None:
    tokenizer = AutoTokenizer.from_pretrained(preset_folder("tiny") / "core")
    end = int(tokenizer.eos_token_id)
    ids = np.array([end, MEDIA, 300, 301, 302, 303, 400, 401], dtype=np.int64)
    labels = np.array([IGNORED] * 6 + [400, 401], dtype=np.int64)
    data = SequenceSet([TokenSequence(ids, labels)] * 60, {}, {})
    slipped = [sequence.ids for sequence in with_slips(data, tokenizer, seed=0).sequences]
    assert all(np.array_equal(new[[0, 1, 6, 7]], ids[[0, 1, 6, 7]]) for new in slipped)
    assert all(set(new[2:6].tolist()) <= {300, 301, 302, 303} for new in slipped)
    assert any(not np.array_equal(new, ids) for new in slipped)

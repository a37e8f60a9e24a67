"""Slips exchange words for others of their kind in replies about media, and leave alone what is taught."""

import numpy as np
from transformers import AutoTokenizer

from encoders.modality import Modality
from pipelines.presets import preset_folder
from training.losses import IGNORED
from training.sequences import SequenceSet, Slot, TokenSequence
from training.slips import kinds, with_slips


def test_slips_stay_of_a_kind_and_labels_stay_right() -> None:
    tokenizer = AutoTokenizer.from_pretrained(preset_folder("tiny") / "core")
    exchanged = kinds(tokenizer)
    assert exchanged
    said = np.array(sorted(exchanged), dtype=np.int64)
    labels = np.where(np.arange(len(said)) % 2, said, IGNORED)
    medium = (Slot(Modality.IMAGE, 0, 0),)
    data = SequenceSet([TokenSequence(said, labels, medium, medium) for _ in range(40)], {}, {})
    slipped = with_slips(data, tokenizer, seed=0)
    changed = 0
    for sequence in slipped.sequences:
        assert np.array_equal(sequence.labels, labels)
        assert np.array_equal(sequence.ids[labels == IGNORED], said[labels == IGNORED])
        assert all(new in exchanged[old] for old, new in zip(said.tolist(), sequence.ids.tolist(), strict=True))
        changed += (is_new := not np.array_equal(sequence.ids, said))
        assert bool(sequence.signals) != is_new
    assert 0 < changed < 40
    again = with_slips(data, tokenizer, seed=0)
    assert all(np.array_equal(a.ids, b.ids) for a, b in zip(slipped.sequences, again.sequences, strict=True))


def test_without_media_nothing_slips() -> None:
    tokenizer = AutoTokenizer.from_pretrained(preset_folder("tiny") / "core")
    said = np.array(sorted(kinds(tokenizer)), dtype=np.int64)
    data = SequenceSet([TokenSequence(said, said)] * 20, {}, {})
    assert all(np.array_equal(sequence.ids, said) for sequence in with_slips(data, tokenizer, seed=0).sequences)

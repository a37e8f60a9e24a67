"""Batches by length are pure functions of the step, and padding changes nothing."""

from pathlib import Path

import numpy as np
import pytest
import torch

from encoders.modality import Modality
from training.features import FeatureCache
from training.losses import IGNORED
from training.sequences import MEDIA, SequenceSet, Slot, TokenSequence, batch_indices

LENGTHS = [int(length) for length in np.random.default_rng(0).integers(10, 200, size=1003)]


def test_an_epoch_takes_every_sequence_at_most_once() -> None:
    per_epoch = len(LENGTHS) // 8
    seen = np.concatenate([batch_indices(LENGTHS, 8, seed=3, step=step) for step in range(per_epoch)])
    assert len(seen) == per_epoch * 8 == len(set(seen.tolist()))


def test_a_step_alone_decides_its_batch() -> None:
    later = batch_indices(LENGTHS, 8, seed=3, step=777)
    np.testing.assert_array_equal(later, batch_indices(LENGTHS, 8, seed=3, step=777))
    assert not np.array_equal(later, batch_indices(LENGTHS, 8, seed=4, step=777))


def test_epochs_differ() -> None:
    per_epoch = len(LENGTHS) // 8
    assert not np.array_equal(batch_indices(LENGTHS, 8, 0, 0), batch_indices(LENGTHS, 8, 0, per_epoch))


def test_bucketing_wastes_little_padding() -> None:
    batches = [np.asarray(LENGTHS)[batch_indices(LENGTHS, 8, 0, step)] for step in range(100)]
    padded = sum(len(batch) * batch.max() for batch in batches)
    assert sum(batch.sum() for batch in batches) / padded > 0.9


def test_lengths_do_not_come_in_order() -> None:
    longest = [np.asarray(LENGTHS)[batch_indices(LENGTHS, 8, 0, step)].max() for step in range(16)]
    assert longest != sorted(longest)
    assert longest != sorted(longest, reverse=True)


def test_few_sequences_make_one_small_batch() -> None:
    assert sorted(batch_indices([5, 6, 7], 8, 0, 4).tolist()) == [0, 1, 2]


def test_nothing_to_train_on_is_said() -> None:
    with pytest.raises(ValueError, match="nothing"):
        batch_indices([], 8, 0, 0)


def test_a_batch_places_media_and_signals_by_flat_position(tmp_path: Path) -> None:
    values = torch.arange(12.0).reshape(2, 2, 3)
    table = FeatureCache(tmp_path, "features", "f").complete(
        ["a", "b"], lambda rows: {"tokens": values[list(rows)]}, what="x"
    )
    short = TokenSequence(np.array([7, MEDIA, MEDIA]), np.array([IGNORED] * 3), media=(Slot(Modality.IMAGE, 1, 1),))
    long = TokenSequence(
        np.array([1, 2, MEDIA, MEDIA, 5]),
        np.array([IGNORED, IGNORED, IGNORED, IGNORED, 5]),
        media=(Slot(Modality.IMAGE, 2, 0),),
        signals=(Slot(Modality.AUDIO, 4, 1),),
    )
    batch = SequenceSet([short, long], {Modality.IMAGE: table}, {Modality.AUDIO: table}).collate([0, 1])
    assert batch.ids.tolist() == [[7, -1, -1, 0, 0], [1, 2, -1, -1, 5]]
    assert batch.labels.tolist() == [[IGNORED] * 5, [IGNORED] * 4 + [5]]
    assert batch.media[Modality.IMAGE].starts.tolist() == [1, 7]
    torch.testing.assert_close(batch.media[Modality.IMAGE].values["tokens"], values[[1, 0]])
    assert batch.signals[Modality.AUDIO].starts.tolist() == [9]
    assert batch.num_tokens == 8

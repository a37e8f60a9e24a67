"""Tokenised dialogues as flat arrays, their batches by length, and the padded batch that a stage's model takes.

A sequence's ids hold MEDIA where an encoder's features stand; its labels hold the ids that are taught, else IGNORED.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from encoders.modality import Modality
from training.features import Table, sampled, spread
from training.losses import IGNORED, Lens

MEDIA = -1  # the id at a position that holds an encoder's feature
_BUCKET_BATCHES = 16  # batches drawn together, sorted by length among themselves

Ids = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Slot:
    """Features or a signal run at a position; `item` is the row of the medium, or of the caption, in its table.

    `answers`: what the medium shows, as `training.foundation.readout` asks for it, where that is known.
    """

    modality: Modality
    start: int
    item: int
    answers: tuple[int, ...] | None = None


@dataclass(frozen=True, eq=False)
class TokenSequence:
    """ids (T,), labels (T,), where media stand, where signal runs stand, and which of these have latents at hand."""

    ids: Ids
    labels: Ids
    media: tuple[Slot, ...] = ()
    signals: tuple[Slot, ...] = ()
    latents: tuple[Slot, ...] = ()

    def __post_init__(self) -> None:
        if self.ids.shape != self.labels.shape:
            raise ValueError(f"{self.ids.shape[0]} ids came with {self.labels.shape[0]} labels.")

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, eq=False)
class Placed:
    """Values for some rows of a batch: starts (M,) are flat positions row * T + start; values have M leading.

    `answers` (M, attributes), if all are known.
    """

    starts: Tensor
    values: Mapping[str, Tensor]
    answers: Tensor | None = None


@dataclass(frozen=True, eq=False)
class TokenBatch:
    """ids (B, T) and labels (B, T), padded on the right with 0 and IGNORED, and what stands where."""

    ids: Tensor
    labels: Tensor
    media: Mapping[Modality, Placed]
    signals: Mapping[Modality, Placed]
    latents: Mapping[Modality, Placed]
    num_tokens: int


@dataclass(frozen=True, eq=False)
class SequenceSet:
    """Sequences with the tables of frozen values that they point into."""

    sequences: Sequence[TokenSequence]
    features: Mapping[Modality, Table]
    conditions: Mapping[Modality, Table]
    latents: Mapping[Modality, Table] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.sequences)

    def units(self) -> dict[Modality, dict[str, float]]:
        """The spread of each decoder's conditions: a distance of 1 is that of who knows nothing of the caption."""
        return {modality: spread(table) for modality, table in self.conditions.items()}

    def lenses(self) -> dict[Modality, dict[str, Lens]]:
        """Through what each decoder's conditions are compared, where there are at least two."""
        return {
            modality: {name: Lens.of(values) for name, values in sampled(table, 2048).items()}
            for modality, table in self.conditions.items()
            if len(table) > 1
        }

    def collate(self, indices: Sequence[int], device: torch.device | None = None) -> TokenBatch:
        """Pad some sequences into a batch and fetch what they point at."""
        chosen = [self.sequences[index] for index in indices]
        length = max(len(sequence) for sequence in chosen)
        ids = np.zeros((len(chosen), length), dtype=np.int64)
        labels = np.full((len(chosen), length), IGNORED, dtype=np.int64)
        for row, sequence in enumerate(chosen):
            ids[row, : len(sequence)] = sequence.ids
            labels[row, : len(sequence)] = sequence.labels
        return TokenBatch(
            torch.from_numpy(ids).to(device),
            torch.from_numpy(labels).to(device),
            _place([sequence.media for sequence in chosen], self.features, length, device),
            _place([sequence.signals for sequence in chosen], self.conditions, length, device),
            _place([sequence.latents for sequence in chosen], self.latents, length, device),
            sum(len(sequence) for sequence in chosen),
        )


def batch_indices(lengths: Sequence[int], batch_size: int, seed: int, step: int) -> Ids:
    """The (batch_size,) sequences of a step (from 0), a pure function of the arguments.

    Every epoch is a new shuffle; within windows of batches, sequences of like length share a batch, and the batches of
    a window come in random order. A last incomplete batch of an epoch is dropped, unless it is all there is.
    """
    if not lengths:
        raise ValueError("There is nothing to train on.")
    size = min(batch_size, len(lengths))
    per_epoch = len(lengths) // size
    epoch, number = divmod(step, per_epoch)
    order = np.random.default_rng((seed, epoch)).permutation(len(lengths))[: per_epoch * size]
    window, inside = divmod(number, _BUCKET_BATCHES)
    members = order[window * _BUCKET_BATCHES * size : (window + 1) * _BUCKET_BATCHES * size]
    members = members[np.argsort(np.asarray(lengths)[members], kind="stable")]
    shuffled = np.random.default_rng((seed, epoch, window)).permutation(len(members) // size)
    chosen = int(shuffled[inside])
    return members[chosen * size : (chosen + 1) * size]


def _place(
    slots: Sequence[Sequence[Slot]], tables: Mapping[Modality, Table], length: int, device: torch.device | None
) -> dict[Modality, Placed]:
    found: dict[Modality, list[tuple[int, Slot]]] = {}
    for row, mine in enumerate(slots):
        for slot in mine:
            found.setdefault(slot.modality, []).append((row * length + slot.start, slot))
    placed = {}
    for modality, places in found.items():
        values = tables[modality][[slot.item for _, slot in places]]
        known = [slot.answers for _, slot in places if slot.answers is not None]
        placed[modality] = Placed(
            torch.tensor([start for start, _ in places], device=device),
            {name: value.to(device) for name, value in values.items()},
            torch.tensor(known, device=device) if len(known) == len(places) else None,
        )
    return placed

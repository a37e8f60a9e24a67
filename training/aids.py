"""Reading aids of the stages: throw-away heads that ask what a medium shows, of the vectors that stand for it.

A distance to a condition of many vectors moves slowly where four states do not yet say what is asked for, and so does the
cross-entropy of a reply where the projected features do not yet say what is seen. Asked directly, both learn to say it in
a few hundred steps. Only the world knows the answers; a manifest trains without.
"""

from collections.abc import Collection, Mapping

import torch
from torch import Tensor, nn

from encoders.modality import Modality
from training.foundation.readout import ANSWERS, UNASKED, readout_loss
from training.parts import Parts

HIDDEN = 512


class SlotwiseAid(nn.Module):
    """Each attribute is asked of a vector of its own, so that a core finds what is seen in places of their own."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.answers = nn.ModuleList(nn.Linear(width, len(among)) for among in ANSWERS.values())

    def forward(self, vectors: Tensor) -> list[Tensor]:
        """(M, num_vectors, width), at least as many vectors as attributes -> for each (M, number of answers)."""
        normed = self.norm(vectors.float())
        return [layer(normed[:, place]) for place, layer in enumerate(self.answers)]


class ReadingAid(nn.Module):
    """All vectors of a medium or of a signal run at once -> for each attribute the scores."""

    def __init__(self, num_vectors: int, width: int) -> None:
        super().__init__()
        self.hidden = nn.Sequential(
            nn.Flatten(), nn.LayerNorm(num_vectors * width), nn.Linear(num_vectors * width, HIDDEN), nn.GELU()
        )
        self.answers = nn.ModuleList(nn.Linear(HIDDEN, len(among)) for among in ANSWERS.values())

    def forward(self, vectors: Tensor) -> list[Tensor]:
        """(M, num_vectors, width) -> for each attribute (M, number of answers)."""
        hidden = self.hidden(vectors.float())
        return [layer(hidden) for layer in self.answers]


class ReadingAids(nn.Module):
    """One aid for each of the vectors asked, by name."""

    def __init__(self, num_vectors: Mapping[str, int], width: int) -> None:
        super().__init__()
        self.aids = nn.ModuleDict(
            {
                name: SlotwiseAid(width) if number >= len(ANSWERS) else ReadingAid(number, width)
                for name, number in num_vectors.items()
            }
        )

    def forward(self, asked: Mapping[str, tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
        """{name: (vectors (M, K, width), answers (M, attributes))} -> {name: cross-entropy}, of those that have an aid."""
        losses = {}
        for name, (vectors, right) in asked.items():
            known = (right != UNASKED).any(dim=1)
            if name in self.aids and bool(known.any()):
                losses[name], _ = readout_loss(self.aids[name](vectors[known]), right[known])
        return losses


def reading_aids(
    parts: Parts, seed: int, *, reads: Collection[Modality] = (), makes: Collection[Modality] = ()
) -> ReadingAids:
    """Make an aid for every medium that the core learns to read, and for every one that it learns to make."""
    seen = {f"{modality}_seen": parts.pipe.num_positions(modality) for modality in sorted(reads)}
    said = {f"{modality}_said": parts.core.signals.counts[modality] for modality in sorted(makes)}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return ReadingAids(seen | said, parts.core.width)

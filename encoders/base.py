"""What every encoder promises: media in, vectors out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from encoders.media import Media, Readable
from encoders.modality import Modality


@dataclass(frozen=True, eq=False)
class Features:
    """What an encoder says of a batch: tokens (B, N, width) for the core; pooled (B, D), unit norm, for search.

    Both are float32, whatever precision the encoder computes with.
    """

    tokens: Tensor
    pooled: Tensor


class Encoder(Protocol):
    """Read media of some modalities. The same item gives the same bytes alone and in any batch."""

    @property
    def modalities(self) -> frozenset[Modality]:
        """Return the modalities that it reads."""
        ...

    @property
    def width(self) -> int:
        """Return the width of `Features.tokens`, the same for every modality."""
        ...

    @property
    def num_tokens(self) -> Mapping[Modality, int]:
        """Return the number of tokens that one item of each modality gives."""
        ...

    def encode(self, batch: Sequence[Media]) -> Features:
        """Encode a batch of one modality, without gradients. Raises ValueError if it is empty, mixed or unreadable."""
        ...


def batch_modality(batch: Sequence[Readable], readable: frozenset[Modality]) -> Modality:
    """Return the one modality of a batch; raise ValueError if it has none, several, or one that is not readable."""
    found = sorted({media.modality for media in batch})
    if len(found) != 1:
        given = ", ".join(found) if found else "nothing"
        raise ValueError(f"A batch must hold items of exactly one modality; this one holds {given}.")
    if found[0] not in readable:
        wanted = ", ".join(modality for modality in Modality if modality in readable)
        raise ValueError(f"This encoder cannot read {found[0]}; it reads: {wanted}.")
    return found[0]

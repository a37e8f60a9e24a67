"""What the core has read so far: the keys and values of every position, and the items that they stand for."""

from collections.abc import Callable, Sequence
from copy import copy
from itertools import takewhile

import torch
from torch import Tensor
from transformers import DynamicCache

from pipelines.core import LanguageCore
from pipelines.events import Costs
from pipelines.prompt import MediaSlot

Item = int | MediaSlot
ItemKey = int | tuple[str, str]
Embed = Callable[[MediaSlot], Tensor]


class CoreState:
    """The core's key-value cache with the items it was made of, so that a new prompt costs only what is new in it."""

    def __init__(self, core: LanguageCore) -> None:
        self.core = core
        self.cache = DynamicCache()
        self.costs = Costs()
        self._keys: list[ItemKey] = []
        self._sizes: list[int] = []

    @property
    def num_positions(self) -> int:
        """How many positions the core has read."""
        return sum(self._sizes)

    def fork(self) -> "CoreState":
        """Copy the state without copying its tensors: a cache layer replaces its tensors when it grows or is cut."""
        twin = CoreState(self.core)
        twin.cache.layers = [copy(layer) for layer in self.cache.layers]
        twin.costs, twin._keys, twin._sizes = self.costs, [*self._keys], [*self._sizes]
        return twin

    @torch.no_grad()
    def read(self, items: Sequence[Item], embed: Embed) -> Tensor:
        """Make the state stand for exactly these items; return the last one's hidden state (width).

        What they have in common with the items read before is kept; the rest runs in one forward.
        """
        if not items:
            raise ValueError("There is nothing to read.")
        keys = [_key(item) for item in items]
        same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(keys, self._keys, strict=False)))
        same = min(same, len(items) - 1)  # the last item's hidden state is wanted, so it always runs
        self._keep(same)
        media = {at: embed(item) for at, item in enumerate(items[same:]) if isinstance(item, MediaSlot)}
        words = self.core.embed([0 if isinstance(item, MediaSlot) else item for item in items[same:]])
        embeddings = [media.get(at, words[at : at + 1]) for at in range(len(words))]
        states = self._run(torch.cat(embeddings))
        self._keys += keys[same:]
        self._sizes += [len(embedding) for embedding in embeddings]
        return states[-1]

    @torch.no_grad()
    def append(self, ids: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Run K more ids in one forward: their hidden states and their input embeddings, (K, width) each."""
        embeddings = self.core.embed(ids)
        states = self._run(embeddings)
        self._keys += ids
        self._sizes += [1] * len(ids)
        return states, embeddings

    def _run(self, embeddings: Tensor) -> Tensor:
        states: Tensor = self.core(embeddings[None], self.cache)[0]
        self.costs += Costs(core_forwards=1, core_tokens=len(embeddings))
        return states

    def _keep(self, count: int) -> None:
        surplus = sum(self._sizes[count:])
        if surplus:
            self.cache.crop(-surplus)  # a negative number is what to remove
        del self._keys[count:], self._sizes[count:]


def _key(item: Item) -> ItemKey:
    return (item.modality.value, item.media.content_hash) if isinstance(item, MediaSlot) else item

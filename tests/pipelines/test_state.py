"""What the core has read: only what is new runs, and copies do not disturb each other."""

import parts
import pytest
import torch
from torch import Tensor

from encoders.media import Text
from encoders.modality import Modality
from pipelines.core import LanguageCore
from pipelines.events import Costs
from pipelines.prompt import MediaSlot
from pipelines.state import CoreState


@pytest.fixture(scope="module")
def core() -> LanguageCore:
    tokenizer = parts.core_tokenizer()
    return LanguageCore(parts.core_model(len(tokenizer)), tokenizer, parts.signal_tokens())


def slot(name: str) -> MediaSlot:
    return MediaSlot(Modality.IMAGE, Text(name))


def embed(slot: MediaSlot) -> Tensor:
    return torch.randn(4, 48, generator=torch.Generator().manual_seed(len(slot.media.text)))


def close(a: Tensor, b: Tensor) -> None:
    torch.testing.assert_close(a, b, atol=1e-5, rtol=0)


def test_reading_on_costs_what_is_new_and_gives_the_plain_states(core: LanguageCore) -> None:
    first, second = [1, 2, slot("a"), 3], [1, 2, slot("a"), 3, 9, slot("bb"), 8]
    state = CoreState(core)
    close(state.read(first, embed), CoreState(core).read(first, embed))
    assert state.costs == Costs(core_forwards=1, core_tokens=7)
    last = state.read(second, embed)
    assert state.costs == Costs(core_forwards=2, core_tokens=7 + 6)
    assert state.num_positions == 13
    close(last, CoreState(core).read(second, embed))


def test_a_changed_prompt_runs_from_where_it_changed(core: LanguageCore) -> None:
    state = CoreState(core)
    state.read([1, 2, slot("a"), 3, 4], embed)
    before = state.costs
    changed = [1, 2, slot("other"), 3]
    close(state.read(changed, embed), CoreState(core).read(changed, embed))
    assert state.costs - before == Costs(core_forwards=1, core_tokens=5)


def test_media_in_the_part_that_is_kept_are_not_asked_for_again(core: LanguageCore) -> None:
    asked = []

    def spy(slot: MediaSlot) -> Tensor:
        asked.append(slot.media.text)
        return embed(slot)

    state = CoreState(core)
    state.read([1, slot("a"), 2], spy)
    state.read([1, slot("a"), 2, 3, slot("bb")], spy)
    assert asked == ["a", "bb"]


def test_the_same_prompt_again_runs_its_last_item_only(core: LanguageCore) -> None:
    state = CoreState(core)
    first = state.read([1, 2, 3], embed)
    close(state.read([1, 2, 3], embed), first)
    assert state.costs == Costs(core_forwards=2, core_tokens=4)


def test_appended_ids_are_part_of_what_was_read(core: LanguageCore) -> None:
    state = CoreState(core)
    state.read([1, 2], embed)
    states, embeddings = state.append([5, 6])
    assert states.shape == embeddings.shape == (2, 48)
    assert state.costs == Costs(core_forwards=2, core_tokens=4)
    close(state.read([1, 2, 5, 6, 7], embed), CoreState(core).read([1, 2, 5, 6, 7], embed))
    assert state.costs == Costs(core_forwards=3, core_tokens=5)


def test_forks_go_their_own_ways(core: LanguageCore) -> None:
    state = CoreState(core)
    state.read([1, 2, 3, 4], embed)
    twin = state.fork()
    assert twin.cache.layers[0].keys.data_ptr() == state.cache.layers[0].keys.data_ptr()
    state.append([7, 8])
    twin.read([1, 2, 9], embed)
    twin.append([10])
    close(state.read([1, 2, 3, 4, 7, 8, 5], embed), CoreState(core).read([1, 2, 3, 4, 7, 8, 5], embed))
    close(twin.read([1, 2, 9, 10, 5], embed), CoreState(core).read([1, 2, 9, 10, 5], embed))


def test_nothing_cannot_be_read(core: LanguageCore) -> None:
    with pytest.raises(ValueError, match="nothing to read"):
        CoreState(core).read([], embed)

"""The core's free writing: what may be sampled, and signal runs in one forward."""

from collections.abc import Callable, Iterator, Sequence

import parts
import pytest
import torch
from torch import Tensor

from encoders.modality import Modality
from pipelines.core import LanguageCore
from pipelines.options import GenerationOptions
from pipelines.prompt import stop_ids
from pipelines.sampling import Finish, SampledId, SampledRun, sample, write
from pipelines.state import CoreState
from pipelines.text import control_ids

ALL = (Modality.IMAGE, Modality.AUDIO, Modality.VIDEO)


@pytest.fixture
def core() -> LanguageCore:
    tokenizer = parts.core_tokenizer()
    return LanguageCore(parts.core_model(len(tokenizer), max_positions=64), tokenizer, parts.signal_tokens())


def start(core: LanguageCore) -> tuple[CoreState, Tensor]:
    state = CoreState(core)
    return state, state.read([1, 2, 3], lambda slot: torch.zeros(1, 48))


def write_all(
    core: LanguageCore, options: GenerationOptions, outputs: Sequence[Modality] = ALL, seed: int = 0
) -> list[SampledId | SampledRun | Finish]:
    state, last = start(core)
    return list(write(state, last, options, outputs, seed))


def test_a_run_is_one_forward_with_the_states_of_single_steps(
    core: LanguageCore, script: Callable[[Sequence[int]], None]
) -> None:
    run, stop = core.signals.run(Modality.VIDEO), min(stop_ids(core.tokenizer))
    script([9, run[0], 10, stop])
    state, last = start(core)
    before = state.costs
    written = list(write(state, last, GenerationOptions(), ALL, 0))
    spent = state.costs - before
    assert (spent.core_forwards, spent.core_tokens) == (3, 1 + len(run) + 1)
    assert isinstance(written[1], SampledRun)
    assert written[1].ids == run
    assert written[-1] == Finish("stop")

    stepwise, _ = start(core)
    stepwise.append([9])
    states = torch.cat([stepwise.append([id_])[0] for id_ in run])
    torch.testing.assert_close(written[1].states, states, atol=1e-5, rtol=0)
    torch.testing.assert_close(written[1].embeddings, core.embed(run))


@pytest.mark.parametrize("allowed", [ALL, (Modality.AUDIO,), ()])
def test_of_the_new_tokens_only_allowed_first_ones_are_ever_sampled(
    core: LanguageCore, allowed: tuple[Modality, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Tensor] = []

    def spy(logits: Tensor, temperature: float, top_p: float, generator: torch.Generator) -> int:
        seen.append(logits.clone())
        return sample(logits, temperature, top_p, generator)

    monkeypatch.setattr("pipelines.sampling.sample", spy)
    core.output_rows.data.mul_(50)  # the new tokens are wanted badly
    for seed in range(5):
        for written in write_all(core, GenerationOptions(max_new_tokens=30, temperature=5.0), allowed, seed):
            if isinstance(written, SampledRun):
                assert written.modality in allowed
    stops = stop_ids(core.tokenizer)
    forbidden = set(range(core.num_base, core.num_ids)) - {core.signals.run(m)[0] for m in allowed}
    forbidden |= control_ids(core.tokenizer) - stops
    for logits in seen:
        assert bool(torch.isneginf(logits[sorted(forbidden)]).all())


def test_rows_behind_the_vocabulary_are_never_sampled() -> None:
    tokenizer = parts.core_tokenizer()
    core = LanguageCore(parts.core_model(len(tokenizer) + 40), tokenizer, parts.signal_tokens())
    for seed in range(5):
        for written in write_all(core, GenerationOptions(max_new_tokens=30, temperature=9.0), (), seed):
            assert isinstance(written, Finish) or (isinstance(written, SampledId) and written.id < len(tokenizer))


def test_a_run_that_does_not_fit_is_not_begun(core: LanguageCore) -> None:
    first = core.signals.run(Modality.IMAGE)[0]
    core.output_rows.data.zero_()
    core.output_rows.data[first - core.num_base] = 1000 * torch.randn(48)
    written = write_all(core, GenerationOptions(max_new_tokens=500, max_media=500, temperature=9.0))
    ids = [id_ for piece in written if not isinstance(piece, Finish) for id_ in ids_of(piece)]
    assert len(core.signals.find(ids)) == sum(isinstance(piece, SampledRun) for piece in written)
    assert 3 + len(ids) <= core.max_positions
    assert written[-1] == Finish("length")


def test_no_more_media_than_allowed_are_asked_for(core: LanguageCore) -> None:
    firsts = [core.signals.run(m)[0] - core.num_base for m in ALL]
    core.output_rows.data[firsts] *= 1000
    written = write_all(core, GenerationOptions(max_new_tokens=50, temperature=1.0, max_media=2))
    assert sum(isinstance(piece, SampledRun) for piece in written) <= 2


def test_a_seed_writes_the_same_again(core: LanguageCore) -> None:
    options = GenerationOptions(max_new_tokens=12, temperature=3.0)

    def ids(seed: int) -> list[int]:
        return [
            i for piece in write_all(core, options, (), seed) if isinstance(piece, SampledId) for i in ids_of(piece)
        ]

    assert ids(1) == ids(1)
    assert ids(1) != ids(2)


def test_the_likeliest_tokens_up_to_top_p_are_drawn_from() -> None:
    logits = torch.log(torch.tensor([0.1, 0.5, 0.3, 0.1]))
    generator = torch.Generator().manual_seed(0)
    draws = [sample(logits, 1.0, 0.7, generator) for _ in range(300)]
    assert set(draws) == {1, 2}
    assert 0.5 < draws.count(1) / 300 < 0.75
    assert sample(logits, 0.0, 1.0, generator) == 1
    assert {sample(logits, 1.0, 1.0, generator) for _ in range(300)} == {0, 1, 2, 3}


def ids_of(piece: SampledId | SampledRun) -> Iterator[int]:
    yield from piece.ids if isinstance(piece, SampledRun) else (piece.id,)

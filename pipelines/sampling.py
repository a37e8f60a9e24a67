"""The core's free writing: token by token, with each signal run forced in one forward as soon as it begins."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from encoders.modality import Modality
from pipelines.core import LanguageCore
from pipelines.options import GenerationOptions
from pipelines.prompt import stop_ids
from pipelines.state import CoreState
from pipelines.text import control_ids


@dataclass(frozen=True)
class SampledId:
    """One sampled id of the base vocabulary."""

    id: int


@dataclass(frozen=True, eq=False)
class SampledRun:
    """A signal run: its ids, its last hidden states and its input embeddings, (K, width) each."""

    modality: Modality
    ids: tuple[int, ...]
    states: Tensor
    embeddings: Tensor


@dataclass(frozen=True)
class Finish:
    """The end of the writing: the core ended its turn, or there was no more room."""

    reason: Literal["stop", "length"]


def write(
    state: CoreState, last: Tensor, options: GenerationOptions, outputs: Sequence[Modality], seed: int
) -> Iterator[SampledId | SampledRun | Finish]:
    """Write on from a state whose last hidden state is `last` (width); `outputs` are the media that may be asked for.

    Of the new tokens only the first of each run can be sampled, and of the control tokens only those that end a turn.
    A run is written whole or, where it would not fit into the core's positions, not at all. A text that ends a turn for
    this core is left out.
    """
    written = _write(state, last, options, outputs, seed)
    yield from stop_at(state.core.stops, written, lambda ids: _spell(state.core, ids)) if state.core.stops else written


def _write(
    state: CoreState, last: Tensor, options: GenerationOptions, outputs: Sequence[Modality], seed: int
) -> Iterator[SampledId | SampledRun | Finish]:
    core = state.core
    stops = stop_ids(core.tokenizer)
    firsts = {core.signals.run(modality)[0]: modality for modality in outputs}
    forbidden = _forbidden(core, allowed=stops | firsts.keys())
    generator = torch.Generator().manual_seed(seed)
    num_written = num_media = 0
    while num_written < options.max_new_tokens and state.num_positions < core.max_positions:
        with torch.no_grad():
            logits = core.logits(last).float().cpu() + forbidden
        room = core.max_positions - state.num_positions
        for first, modality in firsts.items():
            if num_media >= options.max_media or core.signals.counts[modality] > room:
                logits[first] = -torch.inf
        sampled = sample(logits, options.temperature, options.top_p, generator)
        if sampled in stops:
            yield Finish("stop")
            return
        if sampled in firsts:
            run = core.signals.run(firsts[sampled])
            states, embeddings = state.append(run)
            num_media += 1
            yield SampledRun(firsts[sampled], run, states, embeddings)
        else:
            run = (sampled,)
            states, _ = state.append(run)
            yield SampledId(sampled)
        num_written += len(run)
        last = states[-1]
    yield Finish("length")


def stop_at(
    stops: Sequence[str],
    written: Iterable[SampledId | SampledRun | Finish],
    spell: Callable[[list[int]], str],
) -> Iterator[SampledId | SampledRun | Finish]:
    """Pass on what a core writes until it spells one of these texts, which ends its turn.

    Ids that may be the beginning of such a text are held back until the next ones tell.
    """
    held: list[SampledId] = []
    for event in written:
        if not isinstance(event, SampledId):
            yield from held
            held.clear()
            yield event
            continue
        held.append(event)
        text = spell([one.id for one in held])
        found = [at for stop in stops if (at := text.find(stop)) >= 0]
        doubtful = (n for stop in stops for n in range(1, len(stop)) if text.endswith(stop[:n]))
        num_kept = len(text) - min(found) if found else max(doubtful, default=0)
        while held and len(spell([one.id for one in held[1:]])) >= num_kept:
            yield held.pop(0)
        if found:
            yield Finish("stop")
            return


def sample(logits: Tensor, temperature: float, top_p: float, generator: torch.Generator) -> int:
    """Draw an id from logits (num_ids) on the CPU, among the likeliest whose probabilities sum to top_p."""
    if temperature == 0:
        return int(logits.argmax())
    probabilities, ids = torch.softmax(logits / temperature, dim=-1).sort(descending=True)
    before = probabilities.cumsum(dim=-1) - probabilities
    probabilities[before >= top_p] = 0
    return int(ids[torch.multinomial(probabilities, 1, generator=generator)])


def _spell(core: LanguageCore, ids: list[int]) -> str:
    return str(core.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))


def _forbidden(core: LanguageCore, allowed: frozenset[int]) -> Tensor:
    """(num_ids): -inf for control tokens, new tokens and rows behind the vocabulary, unless allowed; else 0."""
    forbidden = torch.zeros(core.num_ids)
    forbidden[min(len(core.tokenizer), core.num_base) :] = -torch.inf
    forbidden[sorted(control_ids(core.tokenizer))] = -torch.inf
    forbidden[sorted(allowed)] = 0
    return forbidden

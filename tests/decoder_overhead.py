"""`python tests/decoder_overhead.py [FAMILY...]` prints what a decoder costs beside the stock pipeline that it calls.

Processor time, in turns, of a sample of twenty steps, each of which the decoder reports, and how many operations on
tensors it takes, which no other load of the machine changes. The networks are tiny and random: real ones only make the
share smaller.
"""

import sys
from collections.abc import Callable
from statistics import median
from time import process_time
from typing import Any

import pipeline_parts
import torch
from rich.console import Console
from rich.table import Table
from torch.utils._python_dispatch import TorchDispatchMode

from pipelines.decoders.base import DecodeOptions
from pipelines.decoders.diffusion import PromptEmbedsDecoder
from pipelines.quiet import quiet

STEPS, ROUNDS = 20, 7


class Operations(TorchDispatchMode):
    """Count the operations on tensors while it is entered."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += 1
        return func(*args, **(kwargs or {}))


def both(name: str, steps: int) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Return what makes a sample with the stock pipeline and with the decoder, given the same embeddings and seed."""
    decoder = pipeline_parts.decoder(name)
    assert isinstance(decoder, PromptEmbedsDecoder)
    condition = decoder.condition(["a bell"])
    given = decoder._conditions(condition)
    call = {**pipeline_parts.PIPELINES[name].call, "num_inference_steps": steps, "guidance_scale": 2.0}

    def stock() -> Any:
        return decoder.pipeline(**given, **call, generator=torch.Generator().manual_seed(1), output_type="np")

    def ours() -> Any:
        return decoder.decode(condition, DecodeOptions(seed=1, num_inference_steps=steps), lambda step: None)

    return stock, ours


def operations(name: str, steps: int = STEPS) -> tuple[int, int]:
    """Return how many operations the stock pipeline and the decoder take."""
    counts = []
    for make in both(name, steps):
        with Operations() as counted:
            make()
        counts.append(counted.count)
    return counts[0], counts[1]


def measure(name: str, steps: int = STEPS, rounds: int = ROUNDS) -> tuple[float, float]:
    """Return the median seconds of the stock pipeline and of the decoder."""
    times: tuple[list[float], list[float]] = ([], [])
    makers = both(name, steps)
    for _ in range(rounds + 1):
        for make, kept in zip(makers, times, strict=True):
            start = process_time()
            make()
            kept.append(process_time() - start)
    return median(times[0][1:]), median(times[1][1:])  # the first round warms up


def main() -> None:
    """Print a row for each family."""
    torch.set_num_threads(1)
    table = Table("Pipeline", "stock, ms", "decoder, ms", "ratio", "of operations", box=None, pad_edge=False)
    # AudioLDM's decoder gives its one vector by a way of its own.
    names = sys.argv[1:] or [n for n, sample in pipeline_parts.PIPELINES.items() if sample.kind == "prompt_embeds"]
    with quiet():
        rows = {name: (*measure(name), *operations(name)) for name in names}
    sums = [sum(column) for column in zip(*rows.values(), strict=True)]
    for name, (stock, ours, fewest, counted) in {**rows, "together": tuple(sums)}.items():
        table.add_row(name, f"{stock * 1e3:.0f}", f"{ours * 1e3:.0f}", f"{ours / stock:.3f}", f"{counted / fewest:.3f}")
    Console().print(table)


if __name__ == "__main__":
    main()

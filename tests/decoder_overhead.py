"""`python tests/decoder_overhead.py [FAMILY...]` prints what a decoder costs beside the stock pipeline that it calls.

Processor time of a sample of twenty steps, each of which the decoder reports, and how many operations on tensors it
takes, which no other load of the machine changes. The two are run one after the other, which of them first by turns, and the
ratio is the median of the pairs' own: what slows the machine for a while slows both of a pair, and what the second of a
pair gains evens out. Pairs are added until the ratio is known to one percent (95%) or there are many; the last column says
to how much it is known. The networks are tiny and random: real ones only make the share smaller.
"""

import gc
import sys
from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from statistics import median
from time import process_time
from typing import Any

import pipeline_parts
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from pipelines.decoders.base import DecodeOptions
from pipelines.decoders.diffusion import PromptEmbedsDecoder
from pipelines.quiet import quiet

STEPS = 20
FEWEST_PAIRS, MOST_PAIRS = 10, 100
KNOWN_TO = 0.01  # of the ratio
ROW = "{:18} {:>9} {:>11} {:>6} {:>13} {:>8}"


@dataclass(frozen=True)
class Measured:
    """The median seconds of each of the two, the median of the pairs' ratios, and half its 95% interval."""

    stock: float
    ours: float
    ratio: float
    spread: float

    @classmethod
    def of(cls, pairs: list[tuple[float, float]]) -> "Measured":
        """Summarise pairs; the interval of the median lies between two of the ratios in order, and needs six of them."""
        ratios = sorted(ours / stock for stock, ours in pairs)
        reach = 1.96 * sqrt(len(ratios)) / 2
        low, high = int(len(ratios) / 2 - reach), int(len(ratios) / 2 + reach)
        spread = (ratios[min(high, len(ratios) - 1)] - ratios[max(low, 0)]) / 2
        stock, ours = (median(times) for times in zip(*pairs, strict=True))
        return cls(stock, ours, median(ratios), spread)


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


def measure(name: str, steps: int = STEPS, most_pairs: int = MOST_PAIRS) -> Measured:
    """Run the stock pipeline and the decoder side by side until their ratio is known well enough."""
    makers = both(name, steps)
    for make in makers:  # warms up
        make()
    gc.freeze()  # so that collecting looks at what a sample leaves, not at the libraries
    pairs: list[tuple[float, float]] = []
    while len(pairs) < most_pairs:
        seconds = [0.0, 0.0]
        for which in (0, 1) if len(pairs) % 2 else (1, 0):
            gc.collect()  # what the other left is not counted here
            start = process_time()
            makers[which]()
            seconds[which] = process_time() - start
        pairs.append((seconds[0], seconds[1]))
        if len(pairs) >= FEWEST_PAIRS and Measured.of(pairs).spread <= KNOWN_TO:
            break
    return Measured.of(pairs)


def main() -> None:
    """Print a row for each family."""
    torch.set_num_threads(1)
    print(ROW.format("pipeline", "stock, ms", "decoder, ms", "ratio", "of operations", "known to"))
    # AudioLDM's decoder gives its one vector by a way of its own.
    names = sys.argv[1:] or [n for n, sample in pipeline_parts.PIPELINES.items() if sample.kind == "prompt_embeds"]
    with quiet():
        for name in names:
            taken, (fewest, counted) = measure(name), operations(name)
            times = (f"{taken.stock * 1e3:.0f}", f"{taken.ours * 1e3:.0f}", f"{taken.ratio:.3f}")
            print(ROW.format(name, *times, f"{counted / fewest:.3f}", f"± {taken.spread:.3f}"), flush=True)


if __name__ == "__main__":
    main()

"""`python tests/decoder_overhead.py [FAMILY...]` prints what a decoder costs beside the stock pipeline that it calls.

Processor time, in turns, of a sample of twenty steps, each of which the decoder reports. The networks are tiny and
random: real ones only make the share smaller.
"""

import sys
from statistics import median
from time import process_time

import pipeline_parts
import torch
from rich.console import Console
from rich.table import Table

from pipelines.decoders.base import DecodeOptions
from pipelines.decoders.diffusion import PromptEmbedsDecoder
from pipelines.quiet import quiet

STEPS, ROUNDS = 20, 7


def measure(name: str, steps: int = STEPS, rounds: int = ROUNDS) -> tuple[float, float]:
    """Return the median seconds of the stock pipeline and of the decoder, given the same embeddings and seed."""
    decoder = pipeline_parts.decoder(name)
    assert isinstance(decoder, PromptEmbedsDecoder)
    condition = decoder.condition(["a bell"])
    given = decoder._conditions(condition)
    call = {**pipeline_parts.PIPELINES[name].call, "num_inference_steps": steps, "guidance_scale": 2.0}
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds + 1):
        start = process_time()
        decoder.pipeline(**given, **call, generator=torch.Generator().manual_seed(1), output_type="np")
        middle = process_time()
        decoder.decode(condition, DecodeOptions(seed=1, num_inference_steps=steps), lambda step: None)
        for kept, seconds in zip(times, (middle - start, process_time() - middle), strict=True):
            kept.append(seconds)
    return median(times[0][1:]), median(times[1][1:])  # the first round warms up


def main() -> None:
    """Print a row for each family."""
    torch.set_num_threads(1)
    table = Table("Pipeline", "stock, ms", "decoder, ms", "ratio", box=None, pad_edge=False)
    # AudioLDM's decoder gives its one vector by a way of its own.
    names = sys.argv[1:] or [n for n, sample in pipeline_parts.PIPELINES.items() if sample.kind == "prompt_embeds"]
    with quiet():
        rows = {name: measure(name) for name in names}
    rows["together"] = (sum(stock for stock, _ in rows.values()), sum(ours for _, ours in rows.values()))
    for name, (stock, ours) in rows.items():
        table.add_row(name, f"{stock * 1e3:.0f}", f"{ours * 1e3:.0f}", f"{ours / stock:.3f}")
    Console().print(table)


if __name__ == "__main__":
    main()

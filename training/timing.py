"""What a reply costs: seconds by modality, and our conversation's forwards and FLOPs beside those of the plain flow.

The plain flow is the original's: every turn encodes all media of the dialogue again, reads the whole history again, and
samples every token, signal tokens too, one at a time. Both flows write the same replies. Making the media costs the same
in both, so it is left out of the FLOPs.
"""

import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from transformers import DynamicCache

from encoders.media import Audio, Image, Media, Text, Video
from encoders.modality import Modality
from pipelines.any_to_any import AnyToAnyPipeline
from pipelines.conversation import Conversation, Turn
from pipelines.decoders.base import DecodeOptions, Decoder, DecoderConfig, StepCallback
from pipelines.events import Costs
from pipelines.options import GenerationOptions
from pipelines.prompt import MediaSlot, SampledTokens, encode_dialogue
from training.data import WorldMedia, render
from training.report import Timing
from training.world.dialogues import MediaRef
from training.world.scene import Motion, Relation, Scene, Thing

REQUESTS: Mapping[Modality, tuple[str, float]] = {  # what is said, and the seconds that its reply may take on two cores
    Modality.TEXT: ("What can you do?", 1.0),
    Modality.IMAGE: ("Draw a big red bell in the sky", 4.0),
    Modality.AUDIO: ("Play the sound of a bell", 4.0),
    Modality.VIDEO: ("Animate a red bell moving left in the sky", 10.0),
}
NUM_TIMED = 3
FEWER_FLOPS = 4.0  # times, summed over turns 2 to 8

_CAR = Scene((Thing("car", "blue", "big"),), "beach")
_PAIR = Scene((Thing("cat", "orange"), Thing("tree", "green")), "meadow", relation=Relation.LEFT_OF)
_BIRD = Scene((Thing("bird", "yellow"),), "sky", motion=Motion.UP)
SCRIPT: Sequence[tuple[MediaRef | None, str]] = (
    (MediaRef(Modality.IMAGE, _CAR, 1), "What do you see?"),
    (None, "Draw a red bell above a blue boat"),
    (MediaRef(Modality.AUDIO, _CAR, 2), "What do you hear?"),
    (None, "Play the sound of a frog"),
    (MediaRef(Modality.VIDEO, _BIRD, 3), "What happens in this video?"),
    (MediaRef(Modality.IMAGE, _PAIR, 4), "Describe this picture"),
    (None, "Draw a small green house at night"),
    (None, "Thank you"),
)


def measure_costs(pipe: AnyToAnyPipeline) -> list[Timing]:
    """Seconds of each kind of reply, and both flows of the scripted dialogue side by side."""
    return [*measure_seconds(pipe), *compare_flows(pipe)]


def measure_seconds(pipe: AnyToAnyPipeline) -> list[Timing]:
    """The median seconds of a first reply of each modality; one that did not fire says so."""
    timings = []
    for modality, (request, aim) in REQUESTS.items():
        fired = {modality} if modality is not Modality.TEXT else set[Modality]()
        Conversation(pipe).send(request, GenerationOptions(seed=0))  # the first reply of a kind also warms up
        seconds = []
        for seed in range(NUM_TIMED):
            start = time.perf_counter()
            reply = Conversation(pipe).send(request, GenerationOptions(seed=seed))
            seconds.append(time.perf_counter() - start)
        note = "" if {medium.modality for medium in reply.media} == fired else " (which did not come out as asked)"
        timings.append(Timing(f"a reply with {modality}{note}", statistics.median(seconds), aim=aim, unit="s"))
    return timings


@dataclass(frozen=True)
class Flow:
    """What one way of answering cost: counts, FLOPs of core and encoders, seconds without the making of media."""

    costs: Costs = field(default_factory=Costs)
    flops: float = 0.0
    seconds: float = 0.0

    def __add__(self, other: "Flow") -> "Flow":
        return Flow(self.costs + other.costs, self.flops + other.flops, self.seconds + other.seconds)


def compare_flows(pipe: AnyToAnyPipeline) -> list[Timing]:
    """Counts, FLOPs and seconds of turns 2 to 8 of the scripted dialogue, ours beside the plain flow's."""
    ours, plain = (sum(flows[1:], start=Flow()) for flows in zip(*run_script(pipe), strict=True))
    of = "turns 2 to 8 of a dialogue"
    return [
        Timing(f"forwards of the core, {of}", ours.costs.core_forwards, plain.costs.core_forwards),
        Timing(f"positions through the core, {of}", ours.costs.core_tokens, plain.costs.core_tokens),
        Timing(f"media encoded, {of}", ours.costs.encoder_calls, plain.costs.encoder_calls),
        Timing(f"core and encoders, {of}", ours.seconds, plain.seconds, unit="s"),
        Timing(f"core and encoders, {of}", ours.flops / 1e9, plain.flops / 1e9, unit="GFLOP"),
        Timing(
            "fewer FLOPs than the plain flow", plain.flops / ours.flops, aim=FEWER_FLOPS, unit="times", want="at least"
        ),
    ]


def run_script(pipe: AnyToAnyPipeline) -> Iterator[tuple[Flow, Flow]]:
    """Answer the script turn by turn: what each turn costs in our flow, and in the plain one."""
    silent = copy(pipe)
    silent.decoders = {modality: BlankDecoder(decoder) for modality, decoder in pipe.decoders.items()}
    conversation = Conversation(silent)
    encoder_flops: list[float] = []
    for reference, text in SCRIPT:
        shown: list[Media] = [] if reference is None else [render(WorldMedia(reference, "held_out"))]
        new_flops = [_encoder_flops(pipe, medium) for medium in shown]
        encoder_flops += new_flops
        start = time.perf_counter()
        costs = conversation.send([*shown, Text(text)], GenerationOptions(seed=0, max_new_tokens=64)).costs
        seconds = time.perf_counter() - start
        start = time.perf_counter()
        plain_costs = reply_plainly(pipe, conversation.turns)
        plain_seconds = time.perf_counter() - start
        end = plain_costs.core_tokens  # the positions of the whole dialogue so far
        yield (
            Flow(costs, sum(new_flops) + core_flops(pipe, end, costs), seconds),
            Flow(plain_costs, sum(encoder_flops) + core_flops(pipe, end, plain_costs), plain_seconds),
        )


def core_flops(pipe: AnyToAnyPipeline, end: int, costs: Costs) -> float:
    """FLOPs of the core's last `core_tokens` positions before position `end`: its matrices, its attention, its head."""
    config = pipe.core.base.config
    matrices = sum(m.weight.numel() for m in pipe.core.base.get_decoder().modules() if isinstance(m, nn.Linear))
    attended = (2 * end - costs.core_tokens + 1) * costs.core_tokens / 2  # the sum of all positions up to each of these
    attention = 4 * config.num_hidden_layers * config.hidden_size * attended
    head = 2 * pipe.core.width * pipe.core.num_ids * costs.core_forwards
    return float(2 * matrices * costs.core_tokens + attention + head)


def _encoder_flops(pipe: AnyToAnyPipeline, medium: Media) -> float:
    with FlopCounterMode(display=False) as counter:
        pipe.embed_media(medium)
    return float(counter.get_total_flops())


@torch.no_grad()
def reply_plainly(pipe: AnyToAnyPipeline, turns: Sequence[Turn]) -> Costs:
    """Write the last of these turns' replies in the plain flow, from nothing."""
    core, messages = pipe.core, list[dict[str, Any]]()
    for turn in turns:
        messages.append({"role": "user", "content": _to_parts(turn.question)})
        messages.append({"role": "assistant", "content": turn.answer})
    prompt = encode_dialogue(messages[:-1], core.tokenizer, core.signals, add_generation_prompt=True)
    shown = [pipe.embed_media(i.media) if isinstance(i, MediaSlot) else core.embed([i]) for i in prompt.items]
    ids = [id_ for part in turns[-1].answer if isinstance(part, SampledTokens) for id_ in part.ids]
    cache = DynamicCache()
    costs = Costs(encoder_calls=len(prompt.slots))
    for new in (torch.cat(shown), *(core.embed([id_]) for id_ in ids)):
        core.logits(core(new[None], cache)[0, -1])
        costs += Costs(core_forwards=1, core_tokens=len(new))
    return costs


class BlankDecoder:
    """Stands in the place of a decoder and makes something blank for nothing."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder

    @property
    def modality(self) -> Modality:
        return self._decoder.modality

    @property
    def config(self) -> DecoderConfig:
        return self._decoder.config

    @property
    def condition_shapes(self) -> Mapping[str, tuple[int, ...]]:
        return self._decoder.condition_shapes

    @property
    def unconditional(self) -> Mapping[str, torch.Tensor]:
        return self._decoder.unconditional

    def condition(self, captions: Sequence[str]) -> dict[str, torch.Tensor]:
        return self._decoder.condition(captions)

    def decode(
        self, condition: Mapping[str, torch.Tensor], options: DecodeOptions, callback: StepCallback | None = None
    ) -> list[Media]:
        blank: Mapping[Modality, Media] = {
            Modality.IMAGE: Image(torch.zeros(3, 1, 1)),
            Modality.AUDIO: Audio(torch.zeros(1, 1), rate=1),
            Modality.VIDEO: Video(torch.zeros(1, 3, 1, 1), rate=1.0),
        }
        return [blank[self.modality]] * options.count * len(next(iter(condition.values())))

    def drop_text_encoder(self) -> None:
        self._decoder.drop_text_encoder()

    def to(self, device: torch.device | str) -> "BlankDecoder":
        return self


def _to_parts(question: Sequence[Media]) -> list[dict[str, Any]]:
    return [{"type": m.modality.value, m.modality.value: m.text if isinstance(m, Text) else m} for m in question]

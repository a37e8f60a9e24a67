"""From samples to a stage's data: dialogues tokenised, their media and captions encoded once by the frozen parts."""

import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
import torch
from accelerate import PartialState
from torch import Tensor

from encoders.base import Encoder
from encoders.imagebind import ImageBindEncoder
from encoders.modality import Modality
from pipelines.any_to_any import AnyToAnyPipeline
from pipelines.decoders.base import Decoder
from pipelines.prompt import EncodedDialogue, MediaSlot, encode_dialogue
from training.data import Payload, Sample, known_answers, load_media, media_key
from training.features import FeatureCache, Progress, Table, hash_text, no_progress
from training.losses import IGNORED
from training.sequences import MEDIA, SequenceSet, Slot, TokenSequence

Part = TypeVar("Part")


@dataclass(frozen=True, eq=False)
class Frozen(Generic[Part]):
    """A frozen part with the fingerprint that names its entries in the cache."""

    part: Part
    fingerprint: str


def prepare(
    samples: Sequence[Sample],
    pipe: AnyToAnyPipeline,
    encoders: Mapping[Modality, Frozen[Encoder]],
    decoders: Mapping[Modality, Frozen[Decoder]],
    cache: Path,
    *,
    progress: Progress = no_progress,
) -> SequenceSet:
    """Tokenise samples for a model and fetch all that is frozen. Raises ValueError naming a sample that cannot be used."""
    core = pipe.core
    encoded = []
    for number, sample in enumerate(samples):
        dialogue = encode_dialogue(sample.messages, core.tokenizer, core.signals)
        encoded.append(replace(dialogue, spans=()) if sample.words_only else dialogue)
        if number % 100 == 99 or number + 1 == len(samples):
            progress("tokenise", number + 1, len(samples))
    shown: dict[Modality, dict[str, Payload]] = {}
    asked: dict[Modality, dict[str, None]] = {}
    for sample, dialogue in zip(samples, encoded, strict=True):
        for slot in dialogue.slots:
            if slot.modality not in encoders:
                raise ValueError(
                    f"{sample.name}: no encoder here reads {slot.modality}; remove it or choose another encoder."
                )
            shown.setdefault(slot.modality, {})[media_key(slot.media)] = slot.media
        for span in dialogue.spans:
            if span.modality not in decoders:
                raise ValueError(f"{sample.name}: no decoder here makes {span.modality}.")
            if span.caption is None:
                raise ValueError(f"{sample.name}: {span.modality} made by the assistant needs a caption.")
            asked.setdefault(span.modality, {})[span.caption] = None
    with PartialState().main_process_first():  # the others find it all in the cache
        features = {
            m: encode_media(list(items.values()), m, encoders[m], cache, progress=progress)
            for m, items in shown.items()
        }
        conditions = {
            m: encode_captions(list(items), m, decoders[m], cache, progress=progress) for m, items in asked.items()
        }
    rows = {m: {key: row for row, key in enumerate(items)} for m, items in shown.items()}
    captions = {m: {caption: row for row, caption in enumerate(items)} for m, items in asked.items()}
    sizes = {modality: pipe.num_positions(modality) for modality in encoders}
    sequences = []
    for sample, dialogue in zip(samples, encoded, strict=True):
        made = () if sample.words_only else tuple(known_answers(payload) for payload in sample.made())
        sequence = lay_out(dialogue, sizes, rows, captions, made)
        if len(sequence) > core.max_positions:
            raise ValueError(
                f"{sample.name} takes {len(sequence)} positions; this core has {core.max_positions}. Shorten it."
            )
        sequences.append(sequence)
    return SequenceSet(sequences, features, conditions)


def encode_media(
    items: Sequence[Payload],
    modality: Modality,
    encoder: Frozen[Encoder],
    cache: Path,
    *,
    progress: Progress = no_progress,
) -> Table:
    """The encoder's tokens of each item, {"tokens": (N, width)} a row, from the cache where they are there."""
    store = FeatureCache(cache, f"features-{modality}", encoder.fingerprint)
    keys = [media_key(item) for item in items]

    def encode(rows: Sequence[int]) -> dict[str, Tensor]:
        with ThreadPoolExecutor(os.cpu_count()) as pool:  # a file is decoded in a process of its own
            media = list(pool.map(lambda row: load_media(items[row], modality), rows))
        if isinstance(encoder.part, ImageBindEncoder):  # at once, which half precision cannot tell from one by one
            inputs = torch.cat([encoder.part.inputs(item) for item in media])
            return {"tokens": encoder.part.features(modality, inputs).tokens}
        return {"tokens": encoder.part.encode(media).tokens}

    return store.complete(keys, encode, what=f"encode {modality}", batch_size=32, progress=progress)


def encode_captions(
    captions: Sequence[str],
    modality: Modality,
    decoder: Frozen[Decoder],
    cache: Path,
    *,
    progress: Progress = no_progress,
) -> Table:
    """The decoder's own conditions of each caption, from the cache where they are there."""
    store = FeatureCache(cache, f"conditions-{modality}", decoder.fingerprint)
    return store.complete(
        [hash_text(caption) for caption in captions],
        lambda rows: decoder.part.condition([captions[row] for row in rows]),
        what=f"captions for {modality}",
        batch_size=64,
        progress=progress,
    )


def lay_out(
    dialogue: EncodedDialogue,
    num_positions: Mapping[Modality, int],
    rows: Mapping[Modality, Mapping[str, int]],
    captions: Mapping[Modality, Mapping[str, int]],
    made: Sequence[tuple[int, ...] | None],
) -> TokenSequence:
    """Spread a dialogue's items over positions: a media slot takes as many as its projection makes.

    `made`: what is known of the media that the assistant made, one after the other.
    """
    sizes = [num_positions[item.modality] if isinstance(item, MediaSlot) else 1 for item in dialogue.items]
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    ids = np.full(int(starts[-1]), MEDIA, dtype=np.int64)
    labels = np.full(int(starts[-1]), IGNORED, dtype=np.int64)
    media: list[Slot] = []
    for start, item, taught in zip(starts.tolist(), dialogue.items, dialogue.targets, strict=False):
        if isinstance(item, MediaSlot):
            row = rows[item.modality][media_key(item.media)]
            media.append(Slot(item.modality, start, row, known_answers(item.media)))
            continue
        ids[start] = item
        if taught:
            labels[start] = item
    signals = _signals(dialogue, starts.tolist(), captions, made)
    return TokenSequence(ids, labels, tuple(media), tuple(signals))


def _signals(
    dialogue: EncodedDialogue,
    starts: Sequence[int],
    captions: Mapping[Modality, Mapping[str, int]],
    made: Sequence[tuple[int, ...] | None],
) -> Iterable[Slot]:
    for span, known in zip(dialogue.spans, made, strict=True):
        assert span.caption is not None
        yield Slot(span.modality, starts[span.start], captions[span.modality][span.caption], known)

"""What a stage shows as it goes: replies to held-out samples, and how near their signals come to the conditions."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from transformers import DynamicCache

from pipelines.core import LanguageCore
from pipelines.prompt import stop_ids
from training.alignment import AlignmentModel
from training.losses import IGNORED
from training.sequences import MEDIA, SequenceSet, TokenSequence

MAX_NEW_TOKENS = 48


def preview_replies(model: AlignmentModel, data: SequenceSet) -> list[dict[str, Any]]:
    """Answer the last turn of every sequence greedily: {"prompt", "wanted", "text"}."""
    rows = []
    for index, sequence in enumerate(data.sequences):
        start = last_turn(sequence)
        embeddings, _ = model.read(data.collate([index], model.core.device))
        reply = reply_greedily(model.core, embeddings[:, :start])
        wanted = [int(label) for label in sequence.labels[start:] if label != IGNORED]
        prompt = readable(model.core, sequence.ids[:start].tolist())
        rows.append({"prompt": prompt, "wanted": readable(model.core, wanted), "text": readable(model.core, reply)})
    return rows


def preview_signals(model: AlignmentModel, data: SequenceSet) -> list[dict[str, Any]]:
    """Compare every signal run with its decoder's condition: {"prompt", "asks_for", "fires", "cosine", "distance"}."""
    rows = []
    for index, sequence in enumerate(data.sequences):
        batch = data.collate([index], model.core.device)
        embeddings, states = model.read(batch)
        said = model.core.logits(states[0]).argmax(dim=-1)
        made = model.conditions(batch, embeddings, states)
        for modality, placed in batch.signals.items():
            first = int(placed.starts[0])
            cosines, distances = zip(
                *(_nearness(made[modality][name], wanted) for name, wanted in placed.values.items()), strict=True
            )
            rows.append(
                {
                    "prompt": readable(model.core, sequence.ids[:first].tolist()),
                    "asks_for": str(modality),
                    "fires": bool(said[first - 1] == batch.ids[0, first]),
                    "cosine": round(sum(cosines) / len(cosines), 4),
                    "distance": round(sum(distances) / len(distances), 4),
                }
            )
    return rows


def _nearness(made: Tensor, wanted: Tensor) -> tuple[float, float]:
    cosine = functional.cosine_similarity(made, wanted, dim=-1).mean()
    return float(cosine), float(torch.linalg.vector_norm(made - wanted, dim=-1).mean())


def last_turn(sequence: TokenSequence) -> int:
    """The position at which the last taught run of a sequence starts."""
    taught = sequence.labels != IGNORED
    starts = [at for at in range(1, len(sequence)) if taught[at] and not taught[at - 1]]
    if not starts:
        raise ValueError("This sequence teaches nothing.")
    return starts[-1]


def reply_greedily(core: LanguageCore, embeddings: Tensor) -> list[int]:
    """(1, T, width) of a prompt -> the ids that follow, signal runs completed, without the end of the turn."""
    stops, cache = stop_ids(core.tokenizer), DynamicCache()
    reply: list[int] = []
    while len(reply) < MAX_NEW_TOKENS:
        states = core(embeddings, cache)
        sampled = int(core.logits(states[:, -1]).argmax())
        if sampled in stops:
            break
        asked = core.signals.first_ids.get(sampled)
        new = [sampled] if asked is None else list(core.signals.run(asked))
        reply += new
        embeddings = core.embed(new).unsqueeze(0)
    return reply


def readable(core: LanguageCore, ids: Iterable[int]) -> str:
    """Spell ids for people; a medium's features are one ellipsis between its marks."""
    words: list[str] = []
    base: list[int] = []

    def flush() -> None:
        if base:
            words.append(str(core.tokenizer.decode(base)))
            base.clear()

    for id_ in ids:
        if 0 <= id_ < core.num_base:
            base.append(id_)
            continue
        flush()
        word = "..." if id_ == MEDIA else core.signals.name(id_)
        if word != "..." or words[-1:] != ["..."]:
            words.append(word)
    flush()
    return "".join(words)

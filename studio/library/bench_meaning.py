"""The bench of meaning: how often the nearest item of another sense is one with the same attributes.

A manifest has one JSON object a line, paths relative to its folder:

    {"image": "0001.png", "attributes": {"thing": "bell", "colour": "red"}}                 (or "audio", or "video")
    {"text": "a red bell", "about": "image", "attributes": {"thing": "bell", "colour": "red"}}

A text is compared with what it is `about`. The nearest is a hit if every attribute that both name is the same, and they
name one. What nothing among the others is like is not asked for, and counted.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from studio.errors import StudioError
from studio.library.encoders import Embedder, load_embedders
from studio.library.vector_index import ExactIndex

MEDIA = ("image", "audio", "video")
# What is asked with, what is looked for, and the recall@1 that is aimed at.
ROWS: Sequence[tuple[str, str, float]] = (
    ("text", "image", 0.90), ("image", "text", 0.90), ("audio", "image", 0.85), ("text", "audio", 0.90),
    ("text", "video", 0.85),
)  # fmt: skip


@dataclass(frozen=True)
class Labelled:
    """An item whose attributes are known; `about` is its kind, or of a text the kind that it tells of."""

    kind: str
    about: str
    content: str | Path
    attributes: Mapping[str, str]

    def is_like(self, other: "Labelled") -> bool:
        both = self.attributes.keys() & other.attributes.keys()
        return bool(both) and all(self.attributes[name] == other.attributes[name] for name in both)


def meaning_bench(
    manifest: Path, *, preset: str = "tiny", embedders: Sequence[Embedder] | None = None
) -> Iterator[str]:
    """Yield the report, a line a pair of senses. Raises StudioError for a manifest that cannot be used."""
    if embedders is None:
        embedders, notices = load_embedders(preset)
        yield from notices
    groups: dict[tuple[str, str], list[Labelled]] = defaultdict(list)
    for item in read_labelled(manifest):
        groups[item.kind, item.about].append(item)
    yield f"Meaning, the nearest of another sense, {manifest.name}:"
    for asked, wanted, aim in ROWS:
        queries = groups[asked, wanted if asked == "text" else asked]
        targets = groups[wanted, asked if wanted == "text" else wanted]
        able = [one for one in embedders if {asked, wanted} <= one.modalities]
        if not queries or not targets or not able:
            yield f"  {asked} to {wanted}: left out ({'no encoder reads both' if queries and targets else 'no items'})"
            continue
        embedder = min(able, key=lambda one: (not one.source.startswith("clip:"), one.name))
        answerable = [query for query in queries if any(query.is_like(target) for target in targets)]
        if not answerable:
            yield f"  {asked} to {wanted}: left out (nothing is like any of them)"
            continue
        share = recall(answerable, targets, embedder)
        alone = f" ({len(queries) - len(answerable):,} left out: nothing is like them)" if answerable != queries else ""
        yield (
            f"  {asked} to {wanted}: recall@1 {share:.1%} of {len(answerable):,}{alone} among {len(targets):,}, "
            f"by {embedder.name}; aimed at {aim:.0%}"
        )


def recall(queries: Sequence[Labelled], targets: Sequence[Labelled], embedder: Embedder) -> float:
    """Return the share of queries whose nearest target is like them."""
    index = ExactIndex(embedder.width)
    vectors = np.stack([_embed(target, embedder) for target in targets]).astype(np.float16)
    index.add(np.arange(1, len(targets) + 1), vectors)
    hits = 0
    for query in queries:
        ids, _ = index.nearest(_embed(query, embedder), 1)
        hits += query.is_like(targets[int(ids[0]) - 1])
    return hits / len(queries)


def read_labelled(manifest: Path) -> list[Labelled]:
    """Read a manifest. Raises StudioError that names the line that is wrong."""
    if not manifest.is_file():
        raise StudioError(f"There is no manifest {manifest}; wanted a file with one JSON object a line.")
    lines = manifest.read_text(encoding="utf-8").splitlines()
    return [_labelled(line, number, manifest) for number, line in enumerate(lines, start=1) if line.strip()]


def _labelled(line: str, number: int, manifest: Path) -> Labelled:
    try:
        entry = json.loads(line)
        attributes = {str(name): str(value) for name, value in entry["attributes"].items()}
        if "text" in entry and entry["about"] in MEDIA:
            return Labelled("text", entry["about"], str(entry["text"]), attributes)
        (kind,) = (name for name in MEDIA if name in entry)
        return Labelled(kind, kind, manifest.parent / entry[kind], attributes)
    except (AttributeError, KeyError, TypeError, ValueError):
        raise StudioError(
            f'Line {number} of {manifest.name} was not understood; wanted {{"image": "a.png", "attributes": {{...}}}} or '
            '{"text": "...", "about": "image", "attributes": {...}}.'
        ) from None


def _embed(item: Labelled, embedder: Embedder) -> "np.ndarray[tuple[int], np.dtype[np.float32]]":
    from encoders.files import read_media
    from encoders.media import Text

    media = Text(item.content) if isinstance(item.content, str) else read_media(item.content)
    return np.asarray(embedder.embed(media), np.float32)

"""A person's own labels, put on what they fit: tags by zero-shot comparison with the words of each label.

Two ways: a label goes on all media that stand out for it (several labels or none to a medium), or each medium gets the
one label that it is nearest to, as in Radford et al. (2021), "Learning transferable visual models from natural language
supervision". The tags are written with the encoder's name as their source, so that labelling again replaces them and a
person's own tags stay.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import softmax
from sqlalchemy import Select, delete, select

from studio.errors import StudioError
from studio.library.encoders import choose_encoder
from studio.library.vectors import ROWS_AT_ONCE, EncoderRecord
from studio.schema import media, texts, vectors
from studio.search.filters import selection
from studio.search.query import read_query
from studio.search.score import MAX_CHANCE, MIN_ROWS, background_of, chances
from studio.search.search import Search

SCALE = 100.0  # of the cosines in the softmax: what Radford et al. learned, and clipped at


@dataclass(frozen=True)
class Labelled:
    """A label that fits a medium. `share` is what it has among the labels asked for, all of which have 1 together."""

    media: str
    label: str
    share: float


@dataclass(frozen=True)
class LabelOptions:
    """`template` makes words of a label, as "a photo of {}"; `filters` say what is looked at; `best` gives one label each."""

    template: str = "{}"
    filters: str = ""
    best: bool = False
    max_chance: float = MAX_CHANCE

    def __post_init__(self) -> None:
        if self.template.count("{}") != 1:
            raise StudioError(f"A template has one {{}} for the label, as 'a photo of {{}}'; got {self.template!r}.")


@dataclass(frozen=True)
class Labels:
    """How many media each label was put on, and what to know of it."""

    counts: dict[str, int]
    notices: tuple[str, ...]


def read_labels(text: str) -> tuple[str, ...]:
    """Read labels with commas between them, each once."""
    labels = tuple(dict.fromkeys(label.strip() for label in text.split(",") if label.strip()))
    if not labels:
        raise StudioError("Give labels with commas between them, as --labels boat,bell,tree.")
    return labels


def classify(search: Search, labels: Sequence[str], options: LabelOptions | None = None) -> Iterator[Labelled]:
    """Yield the labels that fit the media of a library. Raises StudioError if they cannot be compared with words."""
    options = options or LabelOptions()
    if options.best and len(labels) < 2:
        raise StudioError("To choose the best label, give two or more.")
    for kind, encoder in _encoders(search, options):
        yield from _fitting(search, kind, encoder, labels, options)


def tag_by_labels(search: Search, labels: Sequence[str], options: LabelOptions | None = None) -> Labels:
    """Save the labels that fit as tags, in the place of what was saved of these labels before."""
    options = options or LabelOptions()
    found: list[tuple[Labelled, EncoderRecord]] = []
    notices = []
    encoders = list(_encoders(search, options))
    if options.best and len(labels) < 2:
        raise StudioError("To choose the best label, give two or more.")
    for kind, encoder in encoders:
        found += [(one, encoder) for one in _fitting(search, kind, encoder, labels, options)]
        if not options.best and len(search.samples.get(kind, encoder)) < MIN_ROWS:
            notices.append(
                f"There are fewer than {MIN_ROWS} of the kind {kind}, too few to tell what stands out. "
                "Give each the best label instead: --best"
            )
    looked_at = _looked_at(search, options)
    with search.library.store.transaction() as database:
        for name in {encoder.name for _, encoder in encoders}:
            old = delete(texts).where(texts.c.kind == "tag", texts.c.source == name, texts.c.text.in_(labels))
            database.execute(old.where(texts.c.media.in_(looked_at)))
        for one, encoder in found:
            search.library.texts.add(one.media, "tag", one.label, source=encoder.name)
    counts = Counter(one.label for one, _ in found)
    return Labels({label: counts[label] for label in labels}, tuple(notices))


def _looked_at(search: Search, options: LabelOptions) -> Select[tuple[str]]:
    if not options.filters.strip():
        return select(media.c.id)
    query = read_query(options.filters)
    if query.terms:
        raise StudioError(f"Only filters say what is labelled, as kind:image; got {options.filters!r}.")
    return selection(query.filters, search.library)


def _encoders(search: Search, options: LabelOptions) -> Iterator[tuple[str, EncoderRecord]]:
    kinds = _looked_at(search, options).with_only_columns(media.c.modality).distinct().order_by(media.c.modality)
    for row in search.library.store.rows(kinds):
        yield row["modality"], choose_encoder(search.library.vectors, "text", row["modality"])


def _fitting(
    search: Search, kind: str, encoder: EncoderRecord, labels: Sequence[str], options: LabelOptions
) -> Iterator[Labelled]:
    from encoders.media import Text

    embedder = search.spaces.embedder(encoder)
    words = np.stack([embedder.embed(Text(options.template.format(label))) for label in labels])
    ids, cosines, num_searched = _cosines(search, _looked_at(search, options), kind, encoder, words)
    shares = softmax(SCALE * cosines, axis=1)
    if options.best:
        for row, column in enumerate(cosines.argmax(axis=1).tolist()):
            yield Labelled(ids[row], labels[column], float(shares[row, column]))
        return
    sample, floor = search.samples.get(kind, encoder), search.floors.get(kind, encoder)
    for column, label in enumerate(labels):
        background = background_of(sample @ words[column])
        if background is None:
            continue
        order = np.argsort(-cosines[:, column], kind="stable")
        scores = background.scores(cosines[order, column])
        kept = chances(scores, background, num_searched=num_searched) <= options.max_chance
        kept &= cosines[order, column] >= floor
        for row in order[kept].tolist():
            yield Labelled(ids[row], label, float(shares[row, column]))


def _cosines(
    search: Search, looked_at: Select[tuple[str]], kind: str, encoder: EncoderRecord, words: npt.NDArray[np.float32]
) -> tuple[list[str], npt.NDArray[np.float32], int]:
    """Return the media of a kind, the cosine of the nearest piece of each with each label, (N, L), and how many pieces."""
    query = select(vectors.c.id, vectors.c.media, vectors.c.vector).where(vectors.c.encoder == encoder.id)
    query = query.where(vectors.c.media.in_(looked_at.where(media.c.modality == kind)))
    query = query.order_by(vectors.c.id).limit(ROWS_AT_ONCE)
    best: dict[str, npt.NDArray[np.float32]] = {}
    last = num_searched = 0
    while rows := search.library.store.rows(query.where(vectors.c.id > last)):
        values = np.frombuffer(b"".join(bytes(row["vector"]) for row in rows), "<f2").astype(np.float32)
        for row, cosines in zip(rows, values.reshape(len(rows), -1) @ words.T, strict=True):
            known = best.get(row["media"])
            best[row["media"]] = cosines if known is None else np.maximum(known, cosines)
        last, num_searched = rows[-1]["id"], num_searched + len(rows)
    together = np.stack(list(best.values())) if best else np.zeros((0, len(words)), np.float32)
    return list(best), together, num_searched

"""Search the library by meaning and by words: a query in, matches that stand out from this library's background out."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

import numpy as np
from sqlalchemy import Select, func, select

from studio.errors import StudioError
from studio.library.encoders import Embedder, choose_encoder, load_embedder
from studio.library.library import Library
from studio.library.vectors import EncoderRecord, Hit
from studio.notices import Notice, notice
from studio.schema import media, vectors
from studio.search.filters import selection
from studio.search.floor import Floors
from studio.search.fusion import fuse
from studio.search.moments import moments_of
from studio.search.query import Query, read_query
from studio.search.result import Aim, Found, Match
from studio.search.score import MAX_CHANCE, MIN_ROWS, Samples, chances
from studio.search.spaces import Asked, Spaces

WAYS = ("both", "meaning", "words")
POOL = 100  # candidates of each kind and each way, or four times what is asked for
WORDS_LIMIT = 10_000  # media that full-text search may name, before the filters


@dataclass(frozen=True)
class SearchOptions:
    """How many matches; found by "both", "meaning" or "words"; `max_chance` None keeps whatever is nearest.

    `encoder` is the name of the one that compares; without it a CLIP does where it reads all, else an ImageBind.
    """

    limit: int = 20
    by: str = "both"
    max_chance: float | None = MAX_CHANCE
    encoder: str | None = None

    def __post_init__(self) -> None:
        if self.by not in WAYS:
            raise StudioError(f"A search goes by {', '.join(WAYS)}; got {self.by!r}.")
        if self.limit < 1:
            raise StudioError(f"A search gives at least one match; the limit is {self.limit}.")


class Search:
    """Search in one library. `embedders` are encoders loaded already; others are loaded when a query needs them."""

    def __init__(
        self,
        library: Library,
        *,
        embedders: Iterable[Embedder] = (),
        load: Callable[[str, str], Embedder] = load_embedder,
    ) -> None:
        self.library = library
        self.samples = Samples(library)
        self.spaces = Spaces(library, self.samples, embedders=embedders, load=load)
        self.floors = Floors(self.samples, self.spaces)

    def __call__(self, query: Query | str, options: SearchOptions | None = None) -> Found:
        """Answer a query, written as `studio.search.query` reads it. Raises StudioError or MediaError for the person."""
        return _Run(self, read_query(query) if isinstance(query, str) else query, options or SearchOptions()).found()


class _Run:
    """One query on its way."""

    def __init__(self, search: Search, query: Query, options: SearchOptions) -> None:
        self.library = search.library
        self.samples = search.samples
        self.spaces = search.spaces
        self.floors = search.floors
        self.query = query
        self.options = options
        self.pool = max(POOL, 4 * options.limit)
        self.kept = selection(query.filters, search.library)
        self.aims: dict[str, Aim] = {}
        self.compared: dict[str, Match] = {}  # by id
        self.kinds: set[str] = set()
        self.shown: set[str | None] = set()  # what the query itself shows: "like this" means others
        self.notices: list[Notice] = []

    def found(self) -> Found:
        if not self.query.terms:
            matches = [Match(self.library.get(one), None, None, None, has_words=False) for one in self._newest()]
            return self._found(matches)
        if self.options.by == "words" and not self.query.words:
            raise StudioError("To search by words, write some; files are compared by meaning.")
        worded = [] if self.options.by == "meaning" else self._worded(every=False)
        complete = set() if self.options.by == "meaning" else set(self._worded(every=True))
        ranked = [] if self.options.by == "words" else self._compare(worded, complete)
        order = fuse([ranked, worded[: self.pool]])
        found = (self.compared.get(one) or self._uncompared(one, complete) for one in order if one not in self.shown)
        matches = [match for match in found if self._stands_out(match)]
        return self._found(matches[: self.options.limit])

    def _found(self, matches: Sequence[Match]) -> Found:
        matches = [self._with_moments(match) for match in matches]
        return Found(self.query, tuple(matches), tuple(self.notices), self.aims, self.library)

    def _newest(self) -> list[str]:
        newest = self.kept.order_by(media.c.created.desc(), media.c.id).limit(self.options.limit)
        return [row["id"] for row in self.library.store.rows(newest)]

    def _worded(self, *, every: bool) -> list[str]:
        """Return the media whose texts hold any (or every) word of the query and that the filters keep, best first."""
        found = [one for one, _ in self.library.texts.matching(self.query.words, limit=WORDS_LIMIT, every=every)]
        if not self.query.filters or not found:
            return found
        kept = {row["id"] for row in self.library.store.rows(self.kept.where(media.c.id.in_(found)))}
        return [one for one in found if one in kept]

    def _compare(self, worded: Sequence[str], complete: set[str]) -> list[str]:
        """Compare the query with every kind of media that the filters keep; return the nearest of all, best first."""
        asked = [self.spaces.read(term) for term in self.query.terms]
        self.shown = {one.media_id for one in asked}
        refusals: list[StudioError] = []
        rankings: list[list[Match]] = []
        kinds = self.kept.with_only_columns(media.c.modality).distinct()
        self.kinds = {row["modality"] for row in self.library.store.rows(kinds)}
        for kind in sorted(self.kinds):
            try:
                encoder = choose_encoder(
                    self.library.vectors, {one.modality for one in asked}, kind, name=self.options.encoder
                )
            except StudioError as refusal:
                refusals.append(refusal)
                continue
            self.aims[kind] = aim = self._aim(asked, kind, encoder)
            rankings.append(self._matches(kind, aim, worded, complete))
            if aim.background is None and rankings[-1]:
                self.notices.append(notice("few", limit=MIN_ROWS, kind=kind))
        if refusals and not rankings and not worded:
            raise refusals[0]
        self.notices += [Notice(str(one), one.code, one.values) for one in refusals]
        self.compared = {match.item.id: match for matches in rankings for match in matches}
        return [match.item.id for match in _merged(rankings)]

    def _aim(self, asked: Sequence[Asked], kind: str, encoder: EncoderRecord) -> Aim:
        vector = self.spaces.compose(asked, kind, encoder)
        searched = select(func.count().label("number")).select_from(vectors)
        searched = searched.where(vectors.c.encoder == encoder.id, vectors.c.media.in_(self._of_kind(kind)))
        row = self.library.store.row(searched)
        assert row is not None
        background = self.samples.background(vector, kind, encoder)
        is_words = [(one.modality, one.weight > 0) for one in asked] == [("text", True)]
        floor = self.floors.get(kind, encoder) if is_words and background is not None else -1.0
        return Aim(encoder, vector, background, int(row["number"]), floor)

    def _matches(self, kind: str, aim: Aim, worded: Sequence[str], complete: set[str]) -> list[Match]:
        """Return the nearest media of a kind, and those that full-text search found, with their scores, best first."""
        # Where the encoder has nothing but what is searched, its whole index is asked, which is quicker.
        is_all = not self.query.filters and self.kinds & set(aim.encoder.modalities) == {kind}
        hits = self.library.nearest(aim.vector, aim.encoder, self.pool, None if is_all else self._of_kind(kind))
        if worded:
            known = {hit.media for hit in hits}
            others = self._of_kind(kind).where(media.c.id.in_([one for one in worded[: self.pool] if one not in known]))
            hits += self.library.nearest(aim.vector, aim.encoder, self.pool, others)
        hits.sort(key=lambda hit: -hit.score)
        return [self._match(hit, *judged, complete) for hit, judged in zip(hits, _judged(aim, hits), strict=True)]

    def _match(self, hit: Hit, score: float | None, chance: float | None, complete: set[str]) -> Match:
        item = self.library.get(hit.media)
        return Match(item, score, chance, hit.score, has_words=item.id in complete)

    def _uncompared(self, media_id: str, complete: set[str]) -> Match:
        return Match(self.library.get(media_id), None, None, None, has_words=media_id in complete)

    def _stands_out(self, match: Match) -> bool:
        """Tell whether a match is unusually near, or is said to be what was asked for."""
        if self.options.max_chance is None or match.has_words:
            return True
        if match.cosine is None or match.cosine < self.aims[match.item.modality].floor:
            return False
        return match.chance is None or match.chance <= self.options.max_chance

    def _with_moments(self, match: Match) -> Match:
        aim = self.aims.get(match.item.modality)
        if aim is None or match.item.seconds is None:
            return match
        found = moments_of(self.library, match.item.id, aim)
        return replace(match, moments=found)

    def _of_kind(self, kind: str) -> Select[tuple[str]]:
        return self.kept.where(media.c.modality == kind)


def _judged(aim: Aim, hits: Sequence[Hit]) -> list[tuple[float | None, float | None]]:
    """Return the score and the chance of each hit."""
    if aim.background is None:
        return [(None, None)] * len(hits)
    scores = aim.background.scores(np.array([hit.score for hit in hits]))
    shares = chances(scores, aim.background, num_searched=aim.num_searched)
    return [(float(score), float(share)) for score, share in zip(scores, shares, strict=True)]


def _merged(rankings: Sequence[Sequence[Match]]) -> list[Match]:
    """Return matches of all kinds in one order: by score where all have one; else what stands out, then kinds in turn."""
    together = [match for ranking in rankings for match in ranking]
    by_score = sorted((match for match in together if match.score is not None), key=lambda match: -(match.score or 0.0))
    if len(by_score) == len(together):
        return by_score
    first = [match for match in by_score if match.chance is not None and match.chance <= MAX_CHANCE]
    known = {match.item.id for match in first}
    rest = [[match for match in ranking if match.item.id not in known] for ranking in rankings]
    return first + [match for rank in zip_longest(*rest) for match in rank if match is not None]

"""The worker's part of the library: files that a person adds, what is new taken in, searches answered."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from studio.errors import StudioError
from studio.faults import fault
from studio.jobs.queue import Lease
from studio.jobs.worker import JobKind
from studio.library.library import Library
from studio.models.presets import DEFAULT_PRESET
from studio.search.query import File, Query, Term, read_query
from studio.store import Store

if TYPE_CHECKING:
    from studio.library.encoders import Embedder
    from studio.search.search import Search

LIMIT = 40


def read_page_query(text: str) -> Query:
    """Read what a person wrote into a page's search; files are attached there, never named."""
    query = read_query(text)
    if any(isinstance(term.what, File) for term in query.terms):
        raise fault("attach-it")
    return query


class Finder:
    """The worker's state: the library with the encoders that it is searched by, loaded once."""

    def __init__(
        self, store: Store, *, preset: str = DEFAULT_PRESET, load: "Callable[[str], Sequence[Embedder]] | None" = None
    ) -> None:
        self._library = Library(store)
        self._preset = preset
        self._load = load or _load
        self._search: Search | None = None
        self._embedders: list[Embedder] = []

    def kinds(self) -> Mapping[str, JobKind]:
        return {"take-in": self.take_in, "search": self.search}

    def take_in(self, lease: Lease) -> None:
        """Add the files of `payload["uploads"]`, and index whatever is new."""
        refused = []
        for number, upload in enumerate(lease.job.payload.get("uploads", ()), start=1):
            lease.check()
            reason = self._add(upload)
            if reason is not None:
                refused.append(reason)
            lease.emit("progress", done=number)
        self._index(lease)
        lease.finish({"refused": refused})

    def search(self, lease: Lease) -> None:
        """Answer `payload["text"]` and the attached `payload["uploads"]` within `payload["filters"]`."""
        from studio.search.score import MAX_CHANCE
        from studio.search.search import SearchOptions

        payload = lease.job.payload
        typed = read_page_query(payload["text"]) if payload["text"].strip() else Query(())
        shown = [Term(File(self._library.media.upload_path(one["upload"]))) for one in payload["uploads"]]
        filters = read_query(payload["filters"]).filters if payload["filters"] else ()
        query = Query((*typed.terms, *shown), (*typed.filters, *filters))
        engine = self._index(lease)
        options = SearchOptions(limit=LIMIT, max_chance=None if payload["everything"] else MAX_CHANCE)
        found = engine(query, options)
        matches = [
            {
                "media": match.item.id,
                "score": match.score,
                "chance": match.chance,
                "has_words": match.has_words,
                "moments": [asdict(moment) for moment in match.moments],
            }
            for match in found.matches
        ]
        is_small = any(aim.background is None for aim in found.aims.values())
        notices = [one.to_dict() for one in found.notices if one.code != "few"]
        lease.finish({"matches": matches, "notices": notices, "is_small": is_small})

    def _add(self, upload: Mapping[str, Any]) -> str | None:
        """Take an uploaded file into the library; return why not, if not."""
        from encoders.files import MediaError, read_media

        media = self._library.media
        path = media.upload_path(upload["upload"])
        try:
            content = read_media(path)
        except MediaError as error:
            return str(error).replace(path.name, upload["name"])
        stored, _ = media.add(content)
        self._library.texts.add(stored.id, "name", upload["name"].rpartition(".")[0] or upload["name"], source="file")
        media.discard_upload(upload["upload"])
        return None

    def _index(self, lease: Lease) -> "Search":
        """Index what is new, and return the search."""
        from studio.library.artefacts import take_in_artefacts
        from studio.library.ingest import make_up
        from studio.search.search import Search

        if self._search is None:
            lease.emit("loading")
            self._embedders = list(self._ready()) or list(self._load(self._preset))
            self._search = Search(self._library, embedders=self._embedders)
            lease.emit("ready")
        for number, _ in enumerate(make_up(self._library, self._embedders), start=1):
            lease.check()
            lease.emit("progress", done=number)
        for _ in take_in_artefacts(self._library, self._embedders):
            lease.check()
        return self._search

    def _ready(self) -> "Iterator[Embedder]":
        """Load the encoders that the library is indexed with; one whose weights are others by now is left out."""
        from studio.library.encoders import load_embedder

        for record in self._library.vectors.encoders():
            if not record.is_ready:
                continue
            try:
                embedder = load_embedder(record.name, record.source)
            except (StudioError, ValueError):
                continue
            if embedder.fingerprint == record.fingerprint:
                yield embedder


def _load(preset: str) -> "Sequence[Embedder]":
    from studio.library.encoders import load_embedders

    return load_embedders(preset)[0]

"""What the gallery shows: media that filters keep, the newest first, their names, and the bin that gives them back."""

import io
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Select, func, not_, select

from studio.errors import StudioError
from studio.library.library import Item, Library
from studio.schema import collected, collections, media, texts
from studio.search.filters import Filter, selection

BIN = "Bin"  # a collection like any other; what is in it is shown nowhere else
NAMED_BY = ("caption", "prompt", "name")  # the first of these that there is names a medium


@dataclass(frozen=True)
class View:
    """What a person wants to see: kinds of media (none: all), only what has a star, only a collection."""

    kinds: tuple[str, ...] = ()
    starred: bool = False
    collection: str | None = None

    @property
    def filters(self) -> tuple[Filter, ...]:
        """Return the same as filters of a search."""
        found = [Filter("kind", ",".join(self.kinds))] if self.kinds else []
        if self.starred:
            found.append(Filter("star", "yes"))
        if self.collection is not None:
            found.append(Filter("collection", f'"{self.collection}"'))
        return tuple(found)


def browse(library: Library, view: View, *, limit: int, offset: int = 0) -> tuple[list[Item], int]:
    """Return media of a view, the newest first, and how many it has in all."""
    kept = kept_in(library, view)
    newest = kept.order_by(media.c.created.desc(), media.c.id).limit(limit).offset(offset)
    count = library.store.row(select(func.count().label("number")).select_from(kept.subquery()))
    assert count is not None
    return [library.get(row["id"]) for row in library.store.rows(newest)], int(count["number"])


def kept_in(library: Library, view: View) -> Select[tuple[str]]:
    """Return the ids of the media of a view: what its filters keep, without the bin unless it is asked for."""
    kept = selection(view.filters, library)
    return kept if view.collection == BIN else kept.where(not_(media.c.id.in_(_in_bin())))


def names_of(library: Library, ids: Sequence[str]) -> dict[str, str]:
    """Return what each medium is called: its caption, the request that it answers, or the file's name."""
    rows = library.store.rows(select(texts.c.media, texts.c.kind, texts.c.text).where(texts.c.media.in_(list(ids))))
    found: dict[str, tuple[int, str]] = {}
    for row in rows:
        if row["kind"] in NAMED_BY:
            rank = NAMED_BY.index(row["kind"])
            if row["media"] not in found or rank < found[row["media"]][0]:
                found[row["media"]] = rank, row["text"]
    return {media_id: name for media_id, (_, name) in found.items()}


def unpictured(library: Library) -> frozenset[str]:
    """Return the media that nobody has looked at yet: no thumbnail, nothing to find them by."""
    query = "SELECT id FROM media WHERE id NOT IN (SELECT media FROM thumbnails)"
    return frozenset(row["id"] for row in library.store.rows(query))


def collections_of(library: Library, media_id: str) -> list[str]:
    """Return the names of the collections that hold a medium, without the bin."""
    query = (
        select(collections.c.name)
        .join(collected, collections.c.id == collected.c.collection)
        .where(collected.c.media == media_id, collections.c.name != BIN)
    )
    return [row["name"] for row in library.store.rows(query.order_by(collections.c.name))]


def packed(library: Library, ids: Iterable[str]) -> bytes:
    """Return the files of media as a ZIP archive; media are compressed already."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as files:
        for media_id in ids:
            item, path = library.get(media_id), library.path(media_id)
            files.write(path, f"{item.modality}-{item.id[:12]}{path.suffix}")
    return archive.getvalue()


def throw_away(library: Library, ids: Iterable[str]) -> None:
    """Put media into the bin."""
    library.collect(BIN, ids)


def put_back(library: Library, ids: Iterable[str]) -> None:
    """Take media out of the bin."""
    library.uncollect(BIN, ids)


def is_thrown_away(library: Library, media_id: str) -> bool:
    return library.store.row(_in_bin().where(collected.c.media == media_id)) is not None


def empty_bin(library: Library) -> int:
    """Remove for good what is in the bin; return how many stay because a conversation shows them."""
    kept = 0
    for row in library.store.rows(_in_bin()):
        try:
            library.remove(row["media"])
        except StudioError:
            kept += 1
    return kept


def _in_bin() -> Select[tuple[str]]:
    joined = select(collected.c.media).join(collections, collections.c.id == collected.c.collection)
    return joined.where(collections.c.name == BIN)

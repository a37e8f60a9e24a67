"""Near-copies as they were found: written down beside what the studio made, read again, and told in a sentence."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from time import monotonic, sleep, time

from studio.notices import Notice, notice
from studio.store import Store, Transaction

POLL_SECONDS = 0.05
SHORT_ID = 12
NAMES: Mapping[str, str] = {"image": "picture", "audio": "sound", "video": "video"}


def record_comparison(database: Transaction, media: str, originals: Iterable[str]) -> None:
    """Write down that something was compared, and what it was found to be the same as or nearly so."""
    database.execute("UPDATE media SET compared = ? WHERE id = ?", (time(), media))
    for original in originals:
        query = "INSERT INTO near_copies VALUES (?, ?) ON CONFLICT (media, original) DO NOTHING"
        database.execute(query, (media, original))


def originals_of(store: Store, media: str) -> list[str]:
    """Return what something that the studio made was found to be nearly the same as, the oldest first."""
    query = (
        "SELECT original FROM near_copies JOIN media ON media.id = near_copies.original "
        "WHERE near_copies.media = ? ORDER BY media.created, media.id"
    )
    return [row["original"] for row in store.rows(query, media)]


def await_comparison(store: Store, media: Sequence[str], *, seconds: float) -> None:
    """Wait until all of these were compared, but no longer than so many seconds."""
    end = monotonic() + seconds
    while any(_is_waiting(store, one) for one in media) and monotonic() < end:
        sleep(POLL_SECONDS)


def near_copy_sentences(store: Store, media: Iterable[str]) -> list[Notice]:
    """Say of each of these that was found to be nearly the same as something what that is."""
    return [_sentence(store, one, originals) for one in media if (originals := originals_of(store, one))]


def _sentence(store: Store, media: str, originals: Sequence[str]) -> Notice:
    ours, theirs = _row(store, media), _row(store, originals[0])
    where = store.row("SELECT path FROM files WHERE media = ? ORDER BY path", originals[0])
    name = "" if where is None else f" ({Path(where['path']).name})"
    told = {"kind": NAMES[ours["modality"]], "media": media[:SHORT_ID], "original": originals[0][:SHORT_ID] + name}
    is_same, count = ours["content_hash"] == theirs["content_hash"], len(originals) - 1
    if count:
        return notice("copies" if is_same else "near-copies", **told, count=count)
    return notice("copy" if is_same else "near-copy", **told)


def _row(store: Store, media: str) -> Mapping[str, str]:
    row = store.row("SELECT modality, content_hash FROM media WHERE id = ?", media)
    assert row is not None, "a near-copy goes with its media"
    return row


def _is_waiting(store: Store, media: str) -> bool:
    row = store.row("SELECT compared FROM media WHERE id = ?", media)
    return row is not None and row["compared"] is None

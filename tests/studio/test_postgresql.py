"""The same code on PostgreSQL: run with STUDIO_TEST_DATABASE=postgresql+psycopg://... naming a database that may be emptied."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from studio.conversation.history import History
from studio.errors import StudioError
from studio.jobs.queue import JobQueue, JobState
from studio.library.library import Library
from studio.library.vectors import Piece
from studio.store import REVISION, Store

ADDRESS = os.environ.get("STUDIO_TEST_DATABASE", "")
pytestmark = pytest.mark.skipif(not ADDRESS, reason="STUDIO_TEST_DATABASE names no PostgreSQL database")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    from sqlalchemy import create_engine

    engine = create_engine(ADDRESS)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE")
        connection.exec_driver_sql("CREATE SCHEMA public")
    engine.dispose()
    store = Store(tmp_path, address=ADDRESS)
    yield store
    store.close()


def test_the_schema_is_made_once_and_found_again(store: Store) -> None:
    again = Store(store.home, address=ADDRESS)
    assert again.rows("SELECT version_num FROM alembic_version") == [{"version_num": REVISION}]
    again.close()


def test_conversations_and_jobs_work(store: Store) -> None:
    history, queue = History(store), JobQueue(store)
    conversation = history.create("tiny").id
    job = queue.submit("chat", {"a": 1})
    history.append(conversation, "user", [{"type": "text", "text": "100% red?"}], job=job.id)
    lease = queue.claim()
    assert lease is not None
    lease.show_preview(0, b"one")
    lease.show_preview(0, b"two")
    assert queue.preview(job.id, 0) == b"two"
    lease.renew()
    lease.fail("no")
    assert queue.retry(job.id).state == JobState.QUEUED
    assert queue.submit("chat", {}).state == JobState.QUEUED
    queue.cancel(job.id)
    queue.reclaim(worker_is_gone=True)
    queue.forget_old_events()
    assert history.recent()[0].title == "100% red?"
    history.delete(conversation)
    assert history.messages(conversation) == []


def test_the_library_works(store: Store, tmp_path: Path) -> None:
    from PIL import Image as PillowImage

    from studio.library.duplicates import find_duplicates, find_near_copies
    from studio.library.ingest import ingest_folder
    from studio.library.verify import verify

    library = Library(store)
    folder = tmp_path / "mine"
    folder.mkdir()
    for name in ("a red bell", "copy"):
        PillowImage.new("RGB", (8, 8), "red").save(folder / f"{name}.png")
    assert {outcome.state for outcome in ingest_folder(library, folder, [])} <= {"added", "known"}
    (item,) = library.items(modality="image")
    library.texts.add(item.id, "caption", "铃铛 is a bell", source="person")
    assert [media for media, _ in library.texts.matching("bell nonsense", limit=3)] == [item.id]
    assert [media for media, _ in library.texts.matching("铃铛", limit=3)] == [item.id]
    encoder = library.vectors.register("clip", fingerprint="f", width=4, modalities=("image",), source="clip:x")
    library.vectors.put(item.id, encoder, [Piece(np.eye(4, dtype=np.float32)[0])])
    assert [hit.media for hit in library.nearest(np.eye(4)[0], "clip", 3)] == [item.id]
    library.star(item.id)
    library.collect("Best", [item.id])
    assert [found.id for found in library.items(starred=True, collection="Best")] == [item.id]
    assert len(find_duplicates(library)) == 1 and find_near_copies(library) == []
    assert list(verify(library)) == [] and library.stats().vectors == {"clip": 1}
    library.remove(item.id)
    assert library.nearest(np.eye(4)[0], "clip", 3) == [] and library.texts.matching("bell", limit=3) == []


def test_what_is_wrong_with_a_write_undoes_all_of_it(store: Store) -> None:
    def write_and_fail() -> None:
        with store.transaction() as database:
            database.execute("INSERT INTO conversations VALUES ('a', 't', 'tiny', 0, 0)")
            raise StudioError("no")

    with pytest.raises(StudioError):
        write_and_fail()
    assert store.rows("SELECT * FROM conversations") == []


def test_searching_filtering_and_labelling_work(store: Store) -> None:
    import json

    from shelf import WIDTH, Directions, Shelf, axis, media_id, noise, unit

    from studio.library.artefacts import take_in_artefacts
    from studio.library.labels import tag_by_labels
    from studio.search.filters import FILTERS
    from studio.search.search import Search, SearchOptions

    library = Library(store)
    record = library.vectors.register(
        "imagebind", fingerprint="f", width=WIDTH, modalities=Directions().modalities, source="imagebind:nowhere"
    )
    shelf = Shelf(library, record)
    shelf.put_bulk(50)
    boat = shelf.put(1, Piece(unit(axis(0) + 0.2 * noise(1))), width=640, num_bytes=3_000_000)
    library.texts.add(boat, "prompt", "draw a boat", source="recipe")
    library.collect("Best of", [boat])
    recipe = json.dumps({"options": {"seed": 42}, "preset": "tiny"})
    with store.transaction() as database:
        database.execute("INSERT INTO recipes VALUES (?, ?, 0)", (boat, recipe))
        database.execute("INSERT INTO files VALUES ('/f', ?, 1, ?, 0)", (boat, 1_700_000_000 * 10**9))
    search = Search(library, embedders=[Directions()])
    kept = 'boat kind:image size:>2mb width:>=640 preset:tiny seed:42 prompt:BOAT date:2023 added:1970 collection:"Best of"'
    assert [match.item.id for match in search(kept + " -star:yes -tag:x").matches] == [boat]
    for kind in FILTERS.values():
        for query in (kind.example, "-" + kind.example):
            assert len(search(query, SearchOptions(limit=100)).matches) in range(52)
    assert [match.has_words for match in search("boat").matches] == [True]
    found = [match.item.id for match in search(f"like:{boat}", SearchOptions(max_chance=None, limit=9)).matches]
    assert len(found) == 9 and boat not in found
    assert tag_by_labels(search, ["boat"]).counts["boat"] >= 1
    assert [text.text for text in library.texts.of(media_id(1)) if text.kind == "tag"] == ["boat"]
    assert [made.media for made in take_in_artefacts(library)] == [boat]
    assert list(take_in_artefacts(library)) == []


def test_near_copies_are_written_down(store: Store) -> None:
    from encoders.media import Image
    from studio.library.artefacts import compare_at_once
    from studio.library.near_copies import await_comparison, near_copy_sentences

    library = Library(store)
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8).repeat(8, axis=0).repeat(8, axis=1)
    one, _ = library.media.add(Image.from_uint8(pixels))
    other = pixels.copy()
    other[0, 0] ^= 1
    two, _ = library.media.add(Image.from_uint8(other))
    with store.transaction() as database:
        database.execute("INSERT INTO recipes VALUES (?, '{}', 0)", (two.id,))
    assert [made.near_copies for made in compare_at_once(library, [one.id, two.id])] == [(one.id,)]
    await_comparison(store, [two.id], seconds=600)
    (said,) = near_copy_sentences(store, [two.id])
    assert f"nearly the same as {one.id[:12]}" in said
    library.remove(one.id)
    assert near_copy_sentences(store, [two.id]) == []

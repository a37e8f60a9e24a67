"""Ingest: what is yielded is kept, nothing twice, bad files named, and a kill at any moment harms nothing."""

import multiprocessing
import os
import random
import shutil
import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFilter

from encoders.files import write_media
from encoders.media import Audio, Image, Media, Video
from studio.library.duplicates import find_duplicates, find_near_copies, near_copies_of
from studio.library.ingest import ADDED, IGNORED, KNOWN, LATER, REFUSED, Outcome, ingest, ingest_folder, make_up, watch
from studio.library.ingest_files import Entry, walk
from studio.library.library import Library
from studio.store import Store

ALL = frozenset({"image", "audio", "video"})


@dataclass(frozen=True)
class ByContent:
    """Stands in for an encoder: a direction drawn from the content's hash."""

    name: str = "imagebind"
    fingerprint: str = "one"
    width: int = 8
    modalities: frozenset[str] = ALL
    source: str = "imagebind:nowhere"

    def embed(self, media: Media) -> npt.NDArray[np.float32]:
        seed = int(media.content_hash[:8], 16) + len(self.fingerprint)
        vector = np.random.default_rng(seed).normal(size=self.width)
        return (vector / np.linalg.norm(vector)).astype(np.float32)


class Broken(ByContent):
    def embed(self, media: Media) -> npt.NDArray[np.float32]:
        raise RuntimeError("the shapes do not fit")


def read_png(path: Path) -> Media:
    """Read without the sandbox, for tests of other things."""
    with PillowImage.open(path) as picture:
        return Image.from_uint8(np.array(picture.convert("RGB")))


def noise(seed: int, side: int = 24) -> npt.NDArray[np.uint8]:
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), np.uint8)
    return np.array(PillowImage.fromarray(coarse).resize((side, side), PillowImage.Resampling.BICUBIC))


def png(path: Path, seed: int, side: int = 24) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    PillowImage.fromarray(noise(seed, side)).save(path)
    return path


def sound(seconds: float = 0.5, pitch: float = 440) -> Audio:
    return Audio.from_numpy(np.sin(np.arange(int(8000 * seconds)) / 8000 * pitch * 6.28).astype(np.float32), 8000)


@pytest.fixture
def library(store: Store) -> Library:
    return Library(store)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "mine"


def states(outcomes: list[Outcome]) -> Counter[str]:
    return Counter(outcome.state for outcome in outcomes)


def test_pictures_sounds_and_videos_are_taken_in_with_all_that_is_known_of_them(library: Library, folder: Path) -> None:
    png(folder / "deep" / "er" / "a red bell.png", 1, side=300)
    write_media(folder / "tone.wav", sound())
    frames = np.stack([noise(seed) for seed in range(8)])
    write_media(folder / "film.mp4", Video.from_uint8(frames, 4.0, sound(2.0)))
    outcomes = list(ingest_folder(library, folder, [ByContent()]))
    assert states(outcomes) == {ADDED: 3}
    items = {item.modality: item for item in library.items()}
    assert (items["image"].width, items["image"].height, items["image"].seconds) == (300, 300, None)
    assert items["audio"].seconds == pytest.approx(0.5)
    assert (items["video"].width, items["video"].seconds) == (24, pytest.approx(2.0))
    for item in items.values():
        assert library.path(item.id).parent.is_relative_to(folder) and not item.is_stored
        thumbnail = library.thumbnail(item.id)
        assert thumbnail is not None and thumbnail[8:12] == b"WEBP"
    assert [media for media, _ in library.texts.matching("bell", limit=3)] == [items["image"].id]
    embedder = ByContent()
    vector = embedder.embed(read_png(library.path(items["image"].id)))
    assert library.nearest(vector, "imagebind", 1)[0].media == items["image"].id


def test_a_second_run_reads_only_what_is_new_or_changed(library: Library, folder: Path) -> None:
    for number in range(4):
        png(folder / f"{number}.png", number)
    reads: list[str] = []

    def read(path: Path) -> Media:
        reads.append(path.name)
        return read_png(path)

    assert states(list(ingest_folder(library, folder, [ByContent()], read=read))) == {ADDED: 4}
    assert states(list(ingest_folder(library, folder, [ByContent()], read=read))) == {KNOWN: 4}
    old = {item.id for item in library.items()}
    reads.clear()
    png(folder / "new.png", 9)
    png(folder / "2.png", 22, side=30)
    shutil.copy(folder / "1.png", folder / "copy of 1.png")
    outcomes = {o.path.name: o.state for o in ingest_folder(library, folder, [ByContent()], read=read)}
    assert (outcomes["new.png"], outcomes["2.png"], outcomes["copy of 1.png"]) == (ADDED, ADDED, KNOWN)
    assert sorted(reads) == ["2.png", "new.png"]
    assert len(old - {item.id for item in library.items()}) == 1  # what 2.png was before
    assert [len(group.paths) for group in find_duplicates(library)] == [2]


def test_bad_files_are_named_counted_and_never_fatal(library: Library, folder: Path) -> None:
    good = png(folder / "good.png", 1)
    data = good.read_bytes()
    (folder / "cut.png").write_bytes(data[: len(data) // 2])
    (folder / "drawing.png").write_text("<svg onload='x()'/>")
    (folder / "empty.wav").write_bytes(b"")
    (folder / "notes.txt").write_text("buy milk")
    (folder / ".hidden.png").write_bytes(data)
    (folder / "link.png").symlink_to(good)
    outcomes = {outcome.path.name: outcome for outcome in ingest_folder(library, folder, [ByContent()])}
    assert {name: outcome.state for name, outcome in outcomes.items()} == {
        "good.png": ADDED, "cut.png": REFUSED, "drawing.png": REFUSED, "empty.wav": REFUSED, "notes.txt": IGNORED,
    }  # fmt: skip
    assert "damaged" in (outcomes["cut.png"].reason or "") and "SVG" in (outcomes["drawing.png"].reason or "")
    assert {Path(path).name for path in library.refused()} == {"cut.png", "drawing.png", "empty.wav"}
    (folder / "cut.png").write_bytes(data + b" ")
    assert states(list(ingest_folder(library, folder, [ByContent()])))[REFUSED] == 2
    assert library.stats().num_refused == 2


def test_a_file_that_an_encoder_cannot_take_is_named_and_the_others_go_on(
    library: Library, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    png(folder / "a.png", 1)
    write_media(folder / "b.wav", sound())
    broken = Broken("clip", modalities=frozenset({"image"}))
    outcomes = list(ingest_folder(library, folder, [ByContent(), broken]))
    assert [outcome.state for outcome in outcomes] == [REFUSED, ADDED]
    assert "the shapes do not fit" in caplog.text
    assert [item.modality for item in library.items()] == ["audio"]


def test_a_file_that_is_being_written_is_taken_later(library: Library, folder: Path) -> None:
    path = png(folder / "a.png", 1)

    def read(path: Path) -> Media:
        os.utime(path, (1, len(library.items()) + 2))
        return read_png(path)

    assert [o.state for o in ingest_folder(library, folder, [ByContent()], read=read)] == [LATER]
    assert library.items() == [] and library.refused() == {}
    assert [o.state for o in ingest_folder(library, path, [ByContent()], read=read_png)] == [ADDED]


def test_watching_takes_in_what_comes_and_tells_nothing_twice(library: Library, folder: Path) -> None:
    png(folder / "a.png", 1)
    rounds = iter([lambda: png(folder / "b.png", 2), lambda: None, lambda: png(folder / "a.png", 3, side=40)])

    def wait() -> bool:
        step = next(rounds, None)
        if step is not None:
            step()
        return step is not None

    outcomes = list(watch(library, [folder], [ByContent()], wait=wait, read=read_png))
    assert [(outcome.path.name, outcome.state) for outcome in outcomes] == [
        ("a.png", ADDED), ("b.png", ADDED), ("a.png", ADDED),
    ]  # fmt: skip
    assert len(library.items()) == 2


def test_long_sounds_are_indexed_in_windows_too(library: Library, folder: Path) -> None:
    folder.mkdir()
    write_media(folder / "long.wav", sound(12.0))
    list(ingest_folder(library, folder, [ByContent()]))
    rows = library.store.rows("SELECT piece, start, stop FROM vectors ORDER BY piece")
    assert [(row["start"], row["stop"]) for row in rows] == [(None, None), (0.0, 5.0), (5.0, 10.0)]


def test_a_new_encoder_is_filled_behind_the_old_one_which_answers_meanwhile(library: Library, folder: Path) -> None:
    for number in range(3):
        png(folder / f"{number}.png", number)
    old, new = ByContent(), ByContent(fingerprint="another", width=16)
    list(ingest_folder(library, folder, [old], read=read_png))
    steps = make_up(library, [new], read=read_png)
    next(steps)
    assert library.encoder("imagebind").fingerprint == "one"
    assert len(library.nearest(np.eye(8)[0], "imagebind", 9)) == 3
    assert states(list(steps)) == {ADDED: 2}
    assert library.encoder("imagebind").fingerprint == "another"
    assert len(library.nearest(np.eye(16)[0], "imagebind", 9)) == 3


def test_what_the_studio_made_is_indexed_with_its_prompt(library: Library) -> None:
    stored, _ = library.media.add(Image.from_uint8(noise(5)))
    recipe = '{"messages": [{"role": "user", "content": [{"type": "text", "text": "draw a green boat"}]}]}'
    with library.store.transaction() as database:
        database.execute("INSERT INTO recipes VALUES (?, ?, 0)", (stored.id, recipe))
    assert states(list(make_up(library, [ByContent()]))) == {ADDED: 1}
    assert states(list(make_up(library, [ByContent()]))) == {}
    assert [media for media, _ in library.texts.matching("boat", limit=3)] == [stored.id]
    assert library.get(stored.id).is_stored
    assert library.nearest(ByContent().embed(Image.from_uint8(noise(5))), "imagebind", 1)[0].media == stored.id


def test_a_file_that_went_away_is_named_and_the_rest_is_indexed(
    library: Library, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(2):
        png(folder / f"{number}.png", number)
    list(ingest_folder(library, folder, [ByContent()], read=read_png))
    (folder / "0.png").unlink()
    outcomes = list(make_up(library, [ByContent("clip")], read=read_png))
    assert states(outcomes) == {ADDED: 1, REFUSED: 1}
    assert any("missing" in (outcome.reason or "") for outcome in outcomes) and not caplog.records


@pytest.mark.parametrize("tile", [(2, 3), (1024, 8192)], ids=["many tiles", "one tile"])
def test_copies_are_found_by_content_and_near_copies_by_their_look(
    library: Library, folder: Path, monkeypatch: pytest.MonkeyPatch, tile: tuple[int, int]
) -> None:
    monkeypatch.setattr("studio.library.duplicates.ROWS", tile[0])
    monkeypatch.setattr("studio.library.duplicates.COLUMNS", tile[1])
    folder.mkdir()
    picture = PillowImage.fromarray(noise(1, side=200))
    picture.save(folder / "a.png")
    picture.save(folder / "b.webp", lossless=True)
    picture.resize((120, 120)).save(folder / "c.jpg", quality=60)
    PillowImage.fromarray(noise(1, side=200)[:, :, [2, 0, 1]]).save(folder / "other colours.png")
    PillowImage.fromarray(noise(2, side=200)).save(folder / "other.png")
    PillowImage.fromarray(np.full((20, 20, 3), 90, np.uint8)).save(folder / "flat.png")
    PillowImage.fromarray(np.full((20, 20, 3), 94, np.uint8)).save(folder / "flat too.png")
    ids = {o.path.name: o.media for o in ingest_folder(library, folder, [], read=read_png)}
    assert [set(group.media) for group in find_duplicates(library)] == [{ids["a.png"], ids["b.webp"]}]
    (near,) = find_near_copies(library)
    assert ids["c.jpg"] in near.media and len(near.media) == 2
    assert set(near_copies_of(library, str(ids["c.jpg"]))) == {ids["a.png"], ids["b.webp"]}
    assert near_copies_of(library, str(ids["other.png"])) == []


def test_another_thing_on_the_same_ground_is_no_near_copy(library: Library, folder: Path) -> None:
    folder.mkdir()
    ground = PillowImage.fromarray(noise(3, side=200)).filter(ImageFilter.GaussianBlur(20))
    for name, colour in (("red", (220, 40, 40)), ("blue", (40, 60, 220))):
        picture = ground.copy()
        ImageDraw.Draw(picture).ellipse((80, 110, 120, 150), fill=colour)
        picture.save(folder / f"{name}.png")
        picture.resize((120, 120)).save(folder / f"{name} again.jpg", quality=60)
    ids = {o.path.stem: str(o.media) for o in ingest_folder(library, folder, [], read=read_png)}
    for name in ("red", "blue"):
        assert near_copies_of(library, ids[name]) == [ids[f"{name} again"]]
    assert len(find_near_copies(library)) == 2


def _ingest_and_tell(home: Path, folder: Path, tell: Connection) -> None:
    library = Library(Store(home))
    for outcome in ingest(library, walk(folder), [ByContent()], read=read_png):
        tell.send(outcome.media)
    os._exit(0)


@pytest.fixture
def killed(home: Path, folder: Path) -> Callable[[int, random.Random], set[str]]:
    """Start an ingest, kill it after so many acknowledged files, and return those."""
    context = multiprocessing.get_context("fork")

    def run(count: int, generator: random.Random) -> set[str]:
        hear, tell = context.Pipe(duplex=False)
        process = context.Process(target=_ingest_and_tell, args=(home, folder, tell))
        process.start()
        tell.close()
        heard: set[str] = set()
        try:
            while len(heard) < count:
                heard.add(hear.recv())
            if hear.poll(generator.random() * 0.01):
                heard.add(hear.recv())
            assert process.pid is not None
            os.kill(process.pid, signal.SIGKILL)
            while True:
                heard.add(hear.recv())
        except EOFError:
            pass
        process.join()
        return heard

    return run


def test_ten_kills_lose_no_acknowledged_file_and_make_none_twice(
    home: Path, folder: Path, killed: Callable[[int, random.Random], set[str]]
) -> None:
    generator = random.Random(0)
    for number in range(40):
        png(folder / f"{number:02}.png", number)
    told: set[str] = set()
    for round_number in range(10):
        told |= killed(3 * round_number, generator)
        store = Store(home)
        assert store.rows("PRAGMA integrity_check") == [{"integrity_check": "ok"}]
        assert told <= {row["media"] for row in store.rows("SELECT media FROM files")}
        whole = store.row(
            "SELECT (SELECT COUNT(*) FROM media) AS a, (SELECT COUNT(*) FROM files) AS b, "
            "(SELECT COUNT(*) FROM thumbnails) AS c, (SELECT COUNT(*) FROM vectors) AS d"
        )
        assert whole is not None and len(set(whole.values())) == 1
        store.close()
    library = Library(Store(home))
    outcomes = list(ingest_folder(library, folder, [ByContent()], read=read_png))
    assert states(outcomes)[KNOWN] >= len(told) > 0
    assert len(library.items(limit=100)) == 40
    assert library.vectors.count(library.encoder("imagebind")) == 40


def test_the_walk_goes_in_order_and_leaves_out_the_studios_own_folder(folder: Path) -> None:
    for name in ("b/2.png", "b/1.png", "a.png", "home/x.png"):
        png(folder / name, 0)
    found: list[Entry] = list(walk(folder, without=folder / "home"))
    assert [entry.path.relative_to(folder).as_posix() for entry in found] == ["a.png", "b/1.png", "b/2.png"]
    assert list(walk(folder / "nothing")) == []

"""The bench of ingest: its rate against decoding and encoding alone, kills at random moments, and damaged files."""

import hashlib
import multiprocessing
import os
import random
import signal
import struct
import tempfile
import time
import zlib
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from encoders.files import read_media, write_media
from encoders.media import Audio, Image, Video
from studio.errors import StudioError
from studio.library.encoders import Embedder, load_embedders, register
from studio.library.ingest import ADDED, KNOWN, REFUSED, ingest, ingest_folder
from studio.library.ingest_files import walk
from studio.library.library import Library
from studio.library.vectors import Piece
from studio.process_memory import resident_bytes
from studio.store import Store

SIDE = 256
SLOWEST_SECONDS = 10.0
READY_SECONDS = 2.0
ONE_HOSTILE_IN = 10  # of the damaged files
NUM_ITEMS = 400  # files of the kill bench
WARM_SHARE = 10  # memory is flat if the other nine tenths of the files add none
KILL_WITHIN_SECONDS = 1.0


def ingest_bench(files: int, *, preset: str = "tiny", embedders: Sequence[Embedder] | None = None) -> Iterator[str]:
    """Compare the rate of ingest with that of decoding and then encoding, each alone; and its memory early and late."""
    if embedders is None:
        embedders, notices = load_embedders(preset)
        yield from notices
    with tempfile.TemporaryDirectory() as name:
        folder, home = Path(name) / "files", Path(name) / "home"
        write_pictures(folder, files, side=SIDE)
        home.mkdir()
        paths = [entry.path for entry in walk(folder)]
        read_media(paths[0])
        started = time.perf_counter()
        for path in paths:
            read_media(path)
        decoding = time.perf_counter() - started
        encoding = 0.0
        for path in paths:
            media = read_media(path)
            started = time.perf_counter()
            for embedder in embedders:
                if media.modality.value in embedder.modalities:
                    embedder.embed(media)
            encoding += time.perf_counter() - started
        started = time.perf_counter()
        early = None
        for number, outcome in enumerate(ingest_folder(Library(Store(home)), folder, embedders), start=1):
            assert outcome.state == ADDED
            if number == max(1, files // WARM_SHARE):
                early = resident_bytes()
        taken, late = time.perf_counter() - started, resident_bytes()
    yield f"Ingest of {files:,} pictures of {SIDE} x {SIDE}:"
    yield f"  decoding alone {files / decoding:,.1f} files/s, encoding alone {files / encoding:,.1f} files/s"
    yield f"  ingest {files / taken:,.1f} files/s: {(decoding + encoding) / taken:.2f} of one after the other"
    if early is not None and late is not None:
        yield (
            f"  memory after a tenth of them {early / 2**20:,.0f} MiB, after all {late / 2**20:,.0f} MiB: "
            f"{late / early:.2f} times"
        )


def kill_bench(
    kills: int,
    *,
    num_items: int = NUM_ITEMS,
    standing: int = 0,
    preset: str = "tiny",
    embedders: Sequence[Embedder] | None = None,
) -> Iterator[str]:
    """Kill ingests at random moments; nothing acknowledged may be lost, and nothing may be there twice.

    `standing` are items that the library holds besides, with which it must be ready again.
    """
    if embedders is None:
        embedders, notices = load_embedders(preset)
        yield from notices
    generator = random.Random(0)
    with tempfile.TemporaryDirectory() as name:
        folder, home = Path(name) / "files", Path(name) / "home"
        home.mkdir()
        write_pictures(folder, num_items, side=16)
        _stand(home, standing, embedders)
        read_media(next(folder.iterdir()))  # starts the decoders' process, which outlives those that are killed
        told: set[str] = set()
        lost, damaged, slowest = 0, 0, 0.0
        for _ in range(kills):
            if len(told) == num_items:
                told = _forget(home)
            told |= _killed(home, folder, embedders, generator)
            started = time.perf_counter()
            library = Library(Store(home))
            for record in library.vectors.encoders():
                library.nearest(np.eye(record.width)[0], record.name, 10)
            slowest = max(slowest, time.perf_counter() - started)
            lost += len(told - {row["media"] for row in library.store.rows("SELECT media FROM files")})
            damaged += library.store.rows("PRAGMA integrity_check")[0]["integrity_check"] != "ok"
            library.store.close()
        library = Library(Store(home))
        for _ in ingest_folder(library, folder, embedders):
            pass
        twice = sum(library.stats().items.values()) - num_items - standing
        library.store.close()
    yield (
        f"{kills} kills: {lost} acknowledged files lost, {twice} there twice, {damaged} damaged databases; "
        f"ready again with {num_items + standing:,} items within {slowest:.2f} s of at most {READY_SECONDS:g}"
    )


def damage_bench(count: int, *, preset: str = "tiny", embedders: Sequence[Embedder] | None = None) -> Iterator[str]:
    """Take in damaged files: this process must live, none may take long, and each must have an outcome."""
    if embedders is None:
        embedders, notices = load_embedders(preset)
        yield from notices
    with tempfile.TemporaryDirectory() as name:
        folder, home = Path(name) / "files", Path(name) / "home"
        home.mkdir()
        write_damaged(folder, count)
        refused, slowest, number = 0, 0.0, 0
        started = time.perf_counter()
        for outcome in ingest(Library(Store(home)), walk(folder), embedders, num_readers=1):
            slowest = max(slowest, time.perf_counter() - started)
            started = time.perf_counter()
            number += 1
            refused += outcome.state == REFUSED
            if outcome.state not in (ADDED, KNOWN, REFUSED) or (outcome.state == REFUSED and not outcome.reason):
                raise StudioError(f"{outcome.path.name} ended as {outcome.state} without a reason.")
    yield (
        f"{number:,} damaged files: {refused:,} refused with a reason, "
        f"the slowest took {slowest:.2f} s of at most {SLOWEST_SECONDS:g}"
    )


def write_pictures(folder: Path, count: int, *, side: int) -> None:
    """Write so many different PNG files."""
    folder.mkdir(parents=True)
    for number in range(count):
        coarse = np.random.default_rng(number).integers(0, 256, (side // 8, side // 8, 3), np.uint8)
        write_media(folder / f"{number:06}.png", Image.from_uint8(coarse.repeat(8, axis=0).repeat(8, axis=1)))


def write_damaged(folder: Path, count: int) -> None:
    """Write files of every kind with bytes changed, cut off or put in, and hostile ones; the same for the same count."""
    folder.mkdir(parents=True)
    generator = random.Random(1)
    seeds = _seeds(folder.parent)
    hostile = _hostile()
    for number in range(count):
        if number % ONE_HOSTILE_IN == 0:
            suffix, data = hostile[number // ONE_HOSTILE_IN % len(hostile)]
            (folder / f"{number:06}{suffix}").write_bytes(data + str(number).encode())
            continue
        suffix, data = seeds[number % len(seeds)]
        damaged = bytearray(data)
        for _ in range(generator.randint(1, 8)):
            at = generator.randrange(len(damaged))
            match generator.randrange(4):
                case 0:
                    damaged[at] = generator.randrange(256)
                case 1:
                    del damaged[max(8, at) :]
                case 2:
                    damaged[at:at] = generator.randbytes(generator.randint(1, 64))
                case _:
                    damaged[at : at + 4] = generator.choice((b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff"))
        (folder / f"{number:06}{suffix}").write_bytes(damaged)


def _seeds(folder: Path) -> list[tuple[str, bytes]]:
    from PIL import Image as PillowImage

    colours = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), np.uint8)
    sound = Audio.from_numpy(np.sin(np.arange(4000) / 9).astype(np.float32), 8000)
    write_media(folder / "seed.wav", sound)
    write_media(folder / "seed.mp4", Video.from_uint8(colours, 4.0, sound))
    for suffix in (".png", ".jpg", ".webp", ".gif"):
        PillowImage.fromarray(colours[0]).save(folder / f"seed{suffix}")
    return [(path.suffix, path.read_bytes()) for path in sorted(folder.glob("seed.*"))]


def _hostile() -> list[tuple[str, bytes]]:
    """Return what is made to harm: pictures and sounds that claim to be huge, markup, and an endless list of frames."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    claims = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    bomb = chunk(b"IHDR", claims) + chunk(b"IDAT", zlib.compress(bytes(2**20))) + chunk(b"IEND", b"")
    wave = struct.pack(
        "<4sI4s4sIHHIIHH4sI", b"RIFF", 2**32 - 1, b"WAVE", b"fmt ", 16, 1, 65535, 1, 1, 1, 8, b"data", 2**32 - 1
    )
    frame = b"\x2c\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0"
    return [
        (".png", b"\x89PNG\r\n\x1a\n" + bomb),
        (".wav", wave),
        (".svg.png", b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'),
        (".jpg", b"<!doctype html><script>alert(1)</script>"),
        (".gif", b"GIF89a\xff\xff\xff\xff\x80\0\0\0\0\0\xff\xff\xff" + frame * 2000),
        (".mp4", struct.pack(">I4sQ", 1, b"ftyp", 2**63) + struct.pack(">I4s", 0, b"moov") * 1000),
    ]


def _killed(home: Path, folder: Path, embedders: Sequence[Embedder], generator: random.Random) -> set[str]:
    """Start an ingest in a process, kill it at a random moment, and return what it had acknowledged."""
    context = multiprocessing.get_context("fork")
    hear, tell = context.Pipe(duplex=False)
    process = context.Process(target=_ingest_and_tell, args=(home, folder, embedders, tell))
    process.start()
    tell.close()
    end = time.monotonic() + generator.random() * KILL_WITHIN_SECONDS
    told: set[str] = set()
    try:
        while time.monotonic() < end:
            if hear.poll(max(0.0, end - time.monotonic())):
                told.add(hear.recv())
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        while True:
            told.add(hear.recv())
    except EOFError:
        pass
    process.join()
    return told


def _ingest_and_tell(home: Path, folder: Path, embedders: Sequence[Embedder], tell: Connection) -> None:
    import torch

    torch.set_num_threads(1)  # a forked process has none of the threads that its parent may have started
    for outcome in ingest_folder(Library(Store(home)), folder, embedders):
        tell.send(outcome.media)
    os._exit(0)


def _forget(home: Path) -> set[str]:
    """Empty the library once all is in it, so that later kills find work."""
    store = Store(home)
    with store.transaction() as database:
        database.execute("DELETE FROM media WHERE id IN (SELECT media FROM files)")
    store.close()
    return set()


def _stand(home: Path, count: int, embedders: Sequence[Embedder]) -> None:
    """Put items into the library without any files."""
    library, generator = Library(Store(home)), np.random.default_rng(0)
    records = [record for _, record in register(library.vectors, embedders) if "image" in record.modalities]
    with library.store.transaction() as database:
        for number in range(count):
            name = hashlib.sha256(str(number).encode()).hexdigest()
            database.execute(
                "INSERT INTO media (id, modality, content_hash, suffix, num_bytes, created, is_stored) "
                "VALUES (?, 'image', ?, '.png', 0, 0, ?)",
                (name, name, False),
            )
            for record in records:
                vector = generator.normal(size=record.width).astype(np.float32)
                library.vectors.put(name, record, [Piece(vector / np.linalg.norm(vector))])
    library.store.close()

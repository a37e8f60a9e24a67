"""An index in a file beside the database, believed only if all of it is there: a rebuilt one is as good."""

import json
import os
import tempfile
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from usearch.index import Index

from studio.library.vector_index import ExactIndex, GraphIndex, VectorIndex

FORMAT = 1
BLOCK_BYTES = 1 << 22


@dataclass(frozen=True)
class Header:
    """What a file holds. `anchor` is the hash of its newest vector as the database has it; `crc32` that of its bytes."""

    format: int
    kind: str
    width: int
    count: int
    largest: int
    anchor: str
    num_bytes: int
    crc32: int


def write_index(path: Path, index: VectorIndex, anchor: str) -> None:
    """Write an index and, beside it, its header (.json); a crash leaves a pair that does not fit and is not believed."""
    path.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        written = Path(folder) / "index"
        match index:
            case ExactIndex():
                with written.open("wb") as file:
                    file.write(index.ids.astype("<i8").tobytes())
                    index.vectors.astype("<f2", copy=False).tofile(file)
            case GraphIndex():
                index.index.save(str(written))
            case _:
                raise ValueError(f"An index of the kind {type(index).__name__} cannot be written.")
        _sync(written)
        largest = int(index.ids[-1]) if len(index.ids) else 0
        header = Header(
            FORMAT, type(index).__name__, index.width, len(index.ids), largest, anchor,
            written.stat().st_size, _crc32(written),
        )  # fmt: skip
        described = Path(folder) / "header"
        described.write_text(json.dumps(asdict(header)) + "\n", encoding="utf-8")
        _sync(described)
        written.replace(path)
        described.replace(_header_path(path))


def read_header(path: Path) -> Header | None:
    """Return the header of an index file, or None if there is none that can be read."""
    try:
        return Header(**json.loads(_header_path(path).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def read_index(path: Path, header: Header) -> VectorIndex | None:
    """Return the index if its file is whole, else None."""
    if header.format != FORMAT or not path.is_file() or path.stat().st_size != header.num_bytes:
        return None
    if _crc32(path) != header.crc32:
        return None
    if header.kind == GraphIndex.__name__:
        restored = Index.restore(str(path))
        return None if restored is None else GraphIndex(header.width, index=restored)
    index = ExactIndex(header.width)
    with path.open("rb") as file:
        ids = np.fromfile(file, "<i8", header.count).astype(np.int64)
        vectors = np.fromfile(file, "<f2", header.count * header.width).astype(np.float16, copy=False)
    index.add(ids, vectors.reshape(-1, header.width))
    return index


def remove_index(path: Path) -> None:
    """Remove an index file and its header, if they are there."""
    _header_path(path).unlink(missing_ok=True)
    path.unlink(missing_ok=True)


def _header_path(path: Path) -> Path:
    return path.with_suffix(".json")


def _crc32(path: Path) -> int:
    value = 0
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            value = zlib.crc32(block, value)
    return value


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())

"""A cache on disk of what frozen parts say: encoder features by media, decoder conditions by caption, computed once.

An entry is named by content (the part's fingerprint and the item's key), so all stages may share a cache, and it may be
deleted at any time. Entries lie in shards: safetensors files with keys and a checksum in their headers, written aside
and renamed. A shard that does not match its checksum is dropped, and its items are computed again.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

Progress = Callable[[str, int, int], None]  # what, done, of how many
_CHECKSUM, _KEYS = "checksum", "keys"


def no_progress(what: str, done: int, total: int) -> None:
    """Say nothing."""


class Table:
    """Rows of named tensors: `table[rows]` -> {name: (len(rows), ...)}; the shards stay memory-mapped."""

    def __init__(self, shards: Sequence[Mapping[str, Tensor]], places: np.ndarray) -> None:
        """`places` (rows, 2): the shard of each row, and where in it."""
        self.shards, self.places = shards, places

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, rows: Sequence[int] | np.ndarray) -> dict[str, Tensor]:
        places = self.places[np.asarray(rows, dtype=np.int64)]
        return {
            name: torch.stack(
                [self.shards[shard][name][place].float() for shard, place in places]
            )  # autocast knows no half
            for name in self.shards[0]
        }


def sampled(table: Table, max_rows: int = 1024) -> dict[str, Tensor]:
    """Return evenly spaced rows of a table, all of a small one."""
    return table[np.linspace(0, len(table) - 1, min(len(table), max_rows)).astype(np.int64)]


def spread(table: Table) -> dict[str, float]:
    """How far the rows' vectors lie from their mean on average, by name: a unit of length for conditions.

    At least a tenth of the vectors' own length, so that a part that says almost the same of everything is no lens.
    """
    values = sampled(table)
    lengths = {name: torch.linalg.vector_norm(value, dim=-1).mean() for name, value in values.items()}
    means = {name: value.mean(dim=0) for name, value in values.items()}
    apart = {name: torch.linalg.vector_norm(values[name] - means[name], dim=-1).mean() for name in values}
    return {name: float(max(apart[name], lengths[name] / 10)) for name in values}


class FeatureCache:
    """The entries of one frozen part for one kind of item, all of the same shapes, under one folder."""

    def __init__(self, folder: Path, kind: str, fingerprint: str) -> None:
        self.folder = folder / f"{kind}-{fingerprint[:24]}"
        self._found: dict[str, tuple[Path, int]] = {}
        self._shards: dict[Path, dict[str, Tensor]] = {}
        for path in sorted(self.folder.glob("*.safetensors")):
            self._read(path)

    def __contains__(self, key: str) -> bool:
        return key in self._found

    def __len__(self) -> int:
        return len(self._found)

    def add(self, keys: Sequence[str], tensors: Mapping[str, Tensor]) -> None:
        """Write one shard: `tensors` are (len(keys), ...), kept in half precision."""
        halves = {name: value.detach().to("cpu", torch.float16).contiguous() for name, value in tensors.items()}
        for name, value in halves.items():
            if len(value) != len(keys):
                raise ValueError(f"{len(keys)} keys came with {len(value)} rows of {name!r}.")
            if not bool(torch.isfinite(value).all()):
                raise ValueError(f"{name!r} holds values that half precision cannot: they cannot be cached.")
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{hashlib.sha256(chr(10).join(keys).encode()).hexdigest()[:32]}.safetensors"
        aside = path.with_suffix(f".{os.getpid()}.part")
        save_file(halves, aside, metadata={_KEYS: json.dumps(list(keys)), _CHECKSUM: _checksum(halves)})
        aside.replace(path)
        self._read(path)

    def complete(
        self,
        keys: Sequence[str],
        compute: Callable[[Sequence[int]], Mapping[str, Tensor]],
        *,
        what: str,
        batch_size: int = 64,
        shard_size: int = 512,
        progress: Progress = no_progress,
    ) -> Table:
        """Return a table of one row a key, computing what is missing: positions -> {name: (len(positions), ...)}."""
        first = {key: position for position, key in reversed(list(enumerate(keys)))}
        missing = [position for key, position in first.items() if key not in self]
        missing.sort()
        done = len(first) - len(missing)
        progress(what, done, len(first))
        for shard in _chunks(missing, shard_size):
            parts = []
            for batch in _chunks(shard, batch_size):
                parts.append(compute(batch))
                done += len(batch)
                progress(what, done, len(first))
            self.add(
                [keys[position] for position in shard],
                {name: torch.cat([part[name] for part in parts]) for name in parts[0]},
            )
        return self.table(keys)

    def table(self, keys: Sequence[str]) -> Table:
        """Return the rows of `keys`, all of which must be cached."""
        paths = {path: number for number, path in enumerate(dict.fromkeys(self._found[key][0] for key in keys))}
        places = np.array([(paths[self._found[key][0]], self._found[key][1]) for key in keys], dtype=np.int64).reshape(
            -1, 2
        )
        return Table([self._shards[path] for path in paths], places)

    def _read(self, path: Path) -> None:
        try:
            with safe_open(path, framework="pt") as file:
                facts = file.metadata()
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
            keys = json.loads(facts[_KEYS])
            whole = facts[_CHECKSUM] == _checksum(tensors)
        except (SafetensorError, KeyError, TypeError, ValueError, OSError):
            whole = False
        if not whole:
            path.unlink(missing_ok=True)
            return
        self._shards[path] = tensors
        self._found |= {key: (path, row) for row, key in enumerate(keys)}


def _checksum(tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(f"{name} {tuple(tensors[name].shape)}".encode())
        digest.update(tensors[name].numpy().data)
    return digest.hexdigest()


def _chunks(items: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def hash_file(path: Path) -> str:
    """The sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_text(text: str) -> str:
    """The sha256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()

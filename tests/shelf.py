"""A library that tests fill by hand, and an encoder whose directions they know."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from encoders.media import Image, Media, Text
from studio.library.library import Library
from studio.library.vectors import EncoderRecord, Piece

WIDTH = 32
KINDS = ("image", "audio", "video")


@dataclass(frozen=True)
class Directions:
    """Stands in for an encoder: words point where they were told, a picture where its colour says."""

    name: str = "imagebind"
    fingerprint: str = "f"
    width: int = WIDTH
    modalities: frozenset[str] = frozenset({"text", *KINDS})
    source: str = "imagebind:nowhere"
    words: dict[str, int] = field(default_factory=lambda: {"boat": 0, "night": 1, "bell": 2})

    def embed(self, media: Media) -> npt.NDArray[np.float32]:
        if isinstance(media, Text):
            return axis(self.words.get(media.text, 9))
        assert isinstance(media, Image)
        return axis(int(media.pixels.mean(dim=(1, 2)).argmax()))


def axis(number: int) -> npt.NDArray[np.float32]:
    return np.eye(WIDTH, dtype=np.float32)[number]


def unit(vector: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def noise(seed: int) -> npt.NDArray[np.float32]:
    """Somewhere that has next to nothing to do with the words."""
    return unit(np.random.default_rng(seed).normal(size=WIDTH) * np.where(np.arange(WIDTH) < 3, 0.3, 1))


def media_id(number: int) -> str:
    return f"{number:064x}"


@dataclass
class Shelf:
    """A library that is filled by hand."""

    library: Library
    encoder: EncoderRecord

    def put(self, number: int, *pieces: Piece, kind: str = "image", **facts: object) -> str:
        values = {
            "id": media_id(number), "modality": kind, "content_hash": f"h{number}", "suffix": ".png", "num_bytes": 10,
            "created": float(number), "is_stored": False, **facts,
        }  # fmt: skip
        with self.library.store.transaction() as database:
            marks = ", ".join("?" * len(values))
            database.execute(f"INSERT INTO media ({', '.join(values)}) VALUES ({marks})", tuple(values.values()))
        self.library.vectors.put(media_id(number), self.encoder, pieces or [Piece(noise(number))])
        return media_id(number)

    def put_bulk(self, count: int = 100, *, start: int = 1000, kind: str = "image") -> None:
        for number in range(start, start + count):
            self.put(number, kind=kind)

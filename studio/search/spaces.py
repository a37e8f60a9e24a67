"""The terms of a query as one vector of the space in which a kind of media is compared."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from studio.errors import StudioError
from studio.library.encoders import Embedder, load_embedder
from studio.library.library import Library
from studio.library.vectors import EncoderRecord
from studio.search.parts import cut
from studio.search.query import File, Like, Term, Words
from studio.search.score import Samples

if TYPE_CHECKING:
    from encoders.media import Media

Vector = npt.NDArray[np.float32]
NOTHING = 1e-6  # the length below which terms have taken each other away


@dataclass(frozen=True, eq=False)
class Asked:
    """A term whose file is found and read; `media_id` if the library holds its vectors already."""

    weight: float
    modality: str
    media: "Media | None" = None
    media_id: str | None = None
    vectors: dict[int, Vector] = field(default_factory=dict)


class Spaces:
    """The encoders of a library, loaded when something is first asked of them."""

    def __init__(
        self,
        library: Library,
        samples: Samples,
        *,
        embedders: Iterable[Embedder] = (),
        load: Callable[[str, str], Embedder] = load_embedder,
    ) -> None:
        self._library = library
        self._samples = samples
        self._loaded = {(embedder.name, embedder.fingerprint): embedder for embedder in embedders}
        self._load = load

    def embedder(self, record: EncoderRecord) -> Embedder:
        """Return the encoder that the library was indexed with. Raises StudioError if its weights are others by now."""
        key = record.name, record.fingerprint
        if key not in self._loaded:
            embedder = self._load(record.name, record.source)
            if embedder.fingerprint != record.fingerprint:
                raise StudioError(
                    f"The encoder {record.name!r} has other weights than when the library was indexed, so words cannot "
                    "be compared with it. Index again with: studio library reindex"
                )
            self._loaded[key] = embedder
        return self._loaded[key]

    def read(self, term: Term) -> Asked:
        """Find and read what a term names. Raises StudioError or MediaError if there is no such thing."""
        from encoders.media import Text

        match term.what:
            case Words(text):
                return Asked(term.weight, "text", Text(text))
            case File(path, part):
                media = cut(_read_file(path), part)
                return Asked(term.weight, media.modality.value, media)
            case Like(media_id, None):
                item = self._library.get(media_id)
                return Asked(term.weight, item.modality, media_id=item.id)
            case Like(media_id, part):
                item = self._library.get(media_id)
                media = cut(_read_file(self._library.path(item.id)), part)
                return Asked(term.weight, item.modality, media)

    def compose(self, asked: Iterable[Asked], kind: str, record: EncoderRecord) -> Vector:
        """Return the unit vector, (width,), whose cosines with media of a kind rank them by the weighted sum of terms.

        Each term counts in units of its own spread over the library, so that a weight means the same for words, whose
        cosines with pictures lie close together, as for a picture, whose cosines with pictures lie far apart.
        """
        total = np.zeros(record.width, np.float32)
        asked = list(asked)
        for one in asked:
            vector = self._vector(one, record)
            background = self._samples.background(vector, kind, record) if len(asked) > 1 else None
            total += vector * (one.weight / (1.0 if background is None else background.spread))
        length = float(np.linalg.norm(total))
        if length < NOTHING:
            raise StudioError("These terms take each other away, and nothing is left to look for. Leave one out.")
        return total / length

    def _vector(self, one: Asked, record: EncoderRecord) -> Vector:
        if record.id not in one.vectors:
            vector = None if one.media_id is None else self._library.vectors.of(one.media_id, record)
            if vector is None:
                media = one.media
                if media is None:
                    assert one.media_id is not None, "a term is read, or it is in the library"
                    media = _read_file(self._library.path(one.media_id))
                vector = self.embedder(record).embed(media)
            one.vectors[record.id] = vector
        return one.vectors[record.id]


def _read_file(path: Path) -> "Media":
    from encoders.files import read_media

    if not path.is_file():
        raise StudioError(
            f'There is no file {str(path)!r}. Between a file and words stands a +; words that look like a file go in "".'
        )
    return read_media(path)

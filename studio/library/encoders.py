"""The encoders that the library is indexed with: which there are, what tells one from another, how a medium is cut."""

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from studio.errors import StudioError
from studio.faults import fault
from studio.library.vectors import EncoderRecord, Piece, Vectors

if TYPE_CHECKING:
    from encoders.media import Media

# A sound or a video longer than this is also indexed in windows, so that the moment is found and not only the file.
WHOLE_SECONDS = 10.0
WINDOW_SECONDS = 5.0


class Embedder(Protocol):
    """What turns media into vectors of one space. `fingerprint` changes whenever its vectors would."""

    @property
    def name(self) -> str: ...

    @property
    def fingerprint(self) -> str: ...

    @property
    def width(self) -> int: ...

    @property
    def modalities(self) -> frozenset[str]: ...

    @property
    def source(self) -> str:
        """Return what `load_embedder` loads it from."""
        ...

    def embed(self, media: "Media") -> npt.NDArray[np.float32]:
        """Return a unit vector, (width,)."""
        ...


@dataclass(frozen=True)
class EncoderEmbedder:
    """One of the project's encoders; `source` is its kind and where it is: a folder, or what a CLIP is called."""

    name: str
    fingerprint: str
    width: int
    modalities: frozenset[str]
    source: str
    encoder: Any

    def embed(self, media: "Media") -> npt.NDArray[np.float32]:
        vector: npt.NDArray[np.float32] = self.encoder.encode([media]).pooled[0].float().cpu().numpy()
        return vector


def load_embedder(name: str, source: str, *, device: str = "cpu") -> EncoderEmbedder:
    """Load an encoder from its kind and folder; a CLIP also by its repository (owner/name) or open_clip's NAME@TAG.

    Raises StudioError or ValueError that says what is missing.
    """
    from encoders.registry import ENCODERS, load_encoder

    kind, _, place = source.partition(":")
    if kind in ENCODERS and place and Path(place).is_dir():
        encoder: Any = load_encoder(kind, place, device=device)
        place = str(Path(place).resolve())
        facts = {path.name: path.read_bytes() for path in sorted(Path(place).glob("*.json"))}
    elif kind == "clip" and _is_name(place):
        from encoders.clip import CLIPEncoder

        model, _, tag = place.partition("@")
        encoder, facts = CLIPEncoder.from_pretrained(model, tag or None, device=device), {"name": place.encode()}
    else:
        raise StudioError(
            f"The encoder {name!r} cannot be loaded from {source!r}. Wanted KIND:FOLDER with one of the kinds "
            f"{', '.join(ENCODERS)} and a folder that is there, or a CLIP by name: clip:ViT-B-32@openai, clip:OWNER/NAME."
        )
    return EncoderEmbedder(
        name=name,
        fingerprint=_fingerprint(kind, encoder.model, facts),
        width=encoder.pooled_width,
        modalities=frozenset(modality.value for modality in encoder.modalities),
        source=f"{kind}:{place}",
        encoder=encoder,
    )


def _is_name(place: str) -> bool:
    """Tell a model's name or a repository from a folder that is not there."""
    return bool(place) and not place.startswith((".", "/", "~")) and place.count("/") <= 1


def load_embedders(
    preset: str, chosen: Mapping[str, str] | None = None, *, device: str = "cpu"
) -> tuple[list[EncoderEmbedder], list[str]]:
    """Load a preset's encoders, with others in their place or beside them by name; return them and what to know of them."""
    sources = preset_sources(preset) | dict(chosen or {})
    notices = []
    if not any(source.startswith("clip:") for source in sources.values()):
        notices.append(f"The preset {preset!r} brings no CLIP: pictures and words are compared with its ImageBind.")
    return [load_embedder(name, source, device=device) for name, source in sources.items()], notices


def read_sources(words: Iterable[str]) -> dict[str, str]:
    """Read encoders as a person gives them, NAME=KIND:FOLDER each; return the sources by name."""
    sources = {}
    for word in words:
        name, _, source = word.partition("=")
        if not name or ":" not in source:
            raise StudioError(f"An encoder is given as NAME=KIND:FOLDER, as clip=clip:models/vit; got {word!r}.")
        sources[name] = source
    return sources


def preset_sources(preset: str) -> dict[str, str]:
    """Return the encoders that a preset names, as sources."""
    from pipelines.checkpoint import read_config
    from pipelines.presets import preset_folder

    folder = preset_folder(preset)
    entries = read_config(folder).encoders
    return {name: f"{entry.kind}:{entry.reference.resolve(folder)}" for name, entry in entries.items()}


def choose_encoder(
    vectors: Vectors, query: str | Collection[str], target: str, *, name: str | None = None
) -> EncoderRecord:
    """Return the encoder that compares a query of one modality or several with media of another: a CLIP where it reads all.

    Only the one of that `name`, if one is given. Raises StudioError if none that answers reads all.
    """
    queries = {query} if isinstance(query, str) else set(query)
    ready = [record for record in vectors.encoders() if record.is_ready]
    if name is not None:
        ready = [vectors.encoder(name)]
    able = [record for record in ready if queries | {target} <= set(record.modalities)]
    if not able:
        names = ", ".join(f"{record.name} ({', '.join(record.modalities)})" for record in ready) or "none"
        raise fault("no-encoder", asked=", ".join(sorted(queries)), target=target, names=names)
    return min(able, key=lambda record: (not record.source.startswith("clip:"), record.name))


def register(vectors: Vectors, embedders: Iterable[Embedder]) -> list[tuple[Embedder, EncoderRecord]]:
    """Write the encoders down and return each with its record."""
    return [
        (
            embedder,
            vectors.register(
                embedder.name,
                fingerprint=embedder.fingerprint,
                width=embedder.width,
                modalities=embedder.modalities,
                source=embedder.source,
            ),
        )
        for embedder in embedders
    ]


def embed_pieces(embedder: Embedder, media: "Media") -> Sequence[Piece]:
    """Return the vector of a medium and, of a long sound or video, those of its windows."""
    return [
        Piece(embedder.embed(media)),
        *(Piece(embedder.embed(part), start, stop) for start, stop, part in windows(media)),
    ]


def windows(media: "Media") -> "Iterable[tuple[float, float, Media]]":
    """Yield (start, stop, part) of a sound or a video longer than WHOLE_SECONDS, in seconds; the last may be shorter."""
    from encoders.media import Audio, Video

    if not isinstance(media, Audio | Video) or media.seconds <= WHOLE_SECONDS:
        return
    for number in count():
        start, stop = number * WINDOW_SECONDS, min((number + 1) * WINDOW_SECONDS, media.seconds)
        first, last = round(start * media.rate), round(stop * media.rate)
        if stop - start < WINDOW_SECONDS / 2 and number:
            return
        if isinstance(media, Audio):
            yield start, stop, Audio(media.waveform[:, first:last], media.rate)
        elif last > first:
            yield start, stop, Video(media.frames[first:last], media.rate)


def _fingerprint(kind: str, model: Any, facts: Mapping[str, bytes]) -> str:
    """Hash the weights as they are loaded, and the small files (or the name) that say what is done before and after."""
    digest = hashlib.sha256(kind.encode())
    for name, tensor in sorted(model.state_dict().items()):
        array = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {array.dtype} {tuple(array.shape)}\n".encode())
        digest.update(array.reshape(-1).float().numpy())
    for name, content in facts.items():
        digest.update(f"{name}\n".encode() + content)
    return digest.hexdigest()

"""Why something was found: a real small encoder's patches and windows, and what they are drawn and told as."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from parts import imagebind_folder
from PIL import Image as PillowImage

from encoders.files import write_media
from encoders.media import Audio, Image, Media
from encoders.patch_vectors import patch_vectors
from studio.errors import StudioError
from studio.library.encoders import EncoderEmbedder, load_embedder
from studio.library.ingest import ingest_folder
from studio.library.library import Library
from studio.library.vectors import EncoderRecord
from studio.search.result import Aim, Moment
from studio.search.search import Search, SearchOptions
from studio.search.why import finest_moments, heat_map, overlay, why
from studio.store import Store


@pytest.fixture(scope="module")
def embedder(tmp_path_factory: pytest.TempPathFactory) -> EncoderEmbedder:
    return load_embedder("imagebind", f"imagebind:{imagebind_folder(tmp_path_factory.mktemp('imagebind'))}")


def noise(seed: int, height: int = 32, width: int = 32) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def aim_at(vector: npt.NDArray[np.float32]) -> Aim:
    record = EncoderRecord(1, "imagebind", "f", len(vector), ("image",), "imagebind:x", is_ready=True)
    return Aim(record, vector, None, 0)


def test_a_heat_map_covers_the_whole_picture_and_is_hottest_at_the_patch_asked_for(embedder: EncoderEmbedder) -> None:
    pixels = noise(0, 32, 64)
    pixels[:16, 48:] = 255
    image = Image.from_uint8(pixels)
    right = Image.from_uint8(pixels[:, 32:])
    patch = patch_vectors(embedder.encoder, right)[0, 3].numpy()
    heat = heat_map(embedder, aim_at(patch), image)
    assert heat.shape == (4, 8)
    assert heat[0, 7] == heat.max() == pytest.approx(1, abs=1e-5)
    tall = heat_map(embedder, aim_at(patch), Image.from_uint8(noise(1, 50, 32)))
    assert tall.shape == (6, 4) and np.isfinite(tall).all()


def test_what_is_hot_glows_and_what_is_cold_is_grey() -> None:
    pixels = np.full((40, 40, 3), (20, 200, 20), np.uint8)
    heat = np.zeros((4, 4), np.float32)
    heat[0, 3] = 0.01
    drawn = overlay(Image.from_uint8(pixels), heat)
    assert drawn.shape == (40, 40, 3)
    cold, hot = drawn[35, 5].astype(int), drawn[4, 36].astype(int)
    assert cold[0] == cold[1] == cold[2] and hot[0] > hot[1] > hot[2]
    even = overlay(Image.from_uint8(pixels), np.ones((2, 2), np.float32))
    assert (even == even[0, 0]).all()


@dataclass(frozen=True)
class Loudness:
    """Stands in for an encoder: points one way for what is loud, the other way for silence."""

    name: str = "loud"
    fingerprint: str = "f"
    width: int = 2
    modalities: frozenset[str] = frozenset({"audio"})
    source: str = "loud:x"

    def embed(self, media: Media) -> npt.NDArray[np.float32]:
        assert isinstance(media, Audio)
        loud = min(1.0, float(media.waveform.abs().mean()))
        return np.array([loud, (1 - loud**2) ** 0.5], np.float32)


def test_the_loud_moment_of_a_sound_is_found_at_its_place() -> None:
    samples = np.zeros(8000, np.float32)
    samples[5000:6500] = 1
    sound = Audio.from_numpy(samples, 1000)
    aim = aim_at(np.array([1, 0], np.float32))
    best, *others = finest_moments(Loudness(), aim, sound)
    assert (best.start, best.stop) == (5.0, 7.0) and len(others) == 2
    assert best.cosine == pytest.approx(0.75)
    inside = finest_moments(Loudness(), aim, sound, (Moment(4, 8, 0.0),))
    assert (inside[0].start, inside[0].stop) in [(5.0, 6.0), (5.5, 6.5)]
    assert finest_moments(Loudness(), aim, Audio.from_numpy(samples[:500], 1000)) == ()


def test_a_found_picture_and_a_found_sound_say_why(embedder: EncoderEmbedder, store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    PillowImage.fromarray(noise(0)).save(folder / "a.png")
    write_media(folder / "b.wav", Audio.from_numpy(np.sin(np.arange(16000) / 9).astype(np.float32), 8000))
    library = Library(store)
    list(ingest_folder(library, folder, [embedder]))
    search = Search(library, embedders=[embedder])
    found = search("a bell", SearchOptions(max_chance=None))
    by_kind = {match.item.modality: why(search, found, match) for match in found.matches}
    by_kind["image"].save(tmp_path / "why.png")
    with PillowImage.open(tmp_path / "why.png") as picture:
        assert picture.size == (32, 32)
    moments = by_kind["audio"].moments
    assert len(moments) == 3 and moments[0].cosine == max(moment.cosine for moment in moments)
    with pytest.raises(ValueError, match="no heat map"):
        by_kind["audio"].save(tmp_path / "no.png")
    listed = search("kind:image")
    with pytest.raises(StudioError, match="not compared"):
        why(search, listed, listed.matches[0])

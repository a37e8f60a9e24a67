"""What a medium looks like at a glance: thumbnails, waveform pictures, video strips, and a hash that near-copies share."""

import io
from typing import TYPE_CHECKING, TypeAlias, assert_never

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage
from scipy.fft import dctn

if TYPE_CHECKING:
    from encoders.media import Audio, Media

SIDE = 256  # pixels of a thumbnail's longer side
WAVEFORM_SHAPE = (96, 256)
STRIP_FRAMES = 4
QUALITY = 75
GROUND, INK = 245, 60  # grey levels of a waveform picture
LOOK_SIDE = 32
LOOK_BITS = 8  # to a side
FLAT = 1.0  # grey levels of deviation below which there is nothing to compare
SPECTRUM_SAMPLES = 512
SPECTRUM_COLUMNS = 64

Picture: TypeAlias = npt.NDArray[np.uint8]


def picture_of(media: "Media") -> Picture:
    """Return a small picture of a medium, (H, W, 3), its longer side at most SIDE."""
    from encoders.media import Audio, Image, Text, Video

    match media:
        case Image():
            return _fitted(media.to_uint8(), SIDE)
        case Video():
            shown = np.linspace(0, len(media.frames) - 1, STRIP_FRAMES).round().astype(int)
            frames = Video(media.frames[shown], media.rate).to_uint8()
            return np.concatenate([_fitted(frame, SIDE // STRIP_FRAMES) for frame in frames], axis=1)
        case Audio():
            return _waveform(media)
        case Text():
            raise ValueError("Text has no picture; wanted an image, a sound or a video.")
        case _:
            assert_never(media)


def look_of(media: "Media", picture: Picture) -> int | None:
    """Return 64 bits as a signed number, of which near-copies differ in few; None if there is nothing to see or hear.

    The signs of the lowest frequencies of a small grey picture, as in Zauner (2010), "Implementation and benchmarking of
    perceptual image hash functions"; a sound's picture is its spectrogram.
    """
    from encoders.media import Audio

    grey = _spectrogram(media) if isinstance(media, Audio) else np.asarray(PillowImage.fromarray(picture).convert("L"))
    small = PillowImage.fromarray(grey.astype(np.float32)).resize((LOOK_SIDE, LOOK_SIDE), PillowImage.Resampling.BOX)
    values = np.asarray(small)
    if values.std() < FLAT:
        return None
    low = np.asarray(dctn(values, norm="ortho"))[:LOOK_BITS, :LOOK_BITS].reshape(-1)
    bits = low > np.median(low[1:])
    return int(np.packbits(bits).view(">i8")[0])


def encode_webp(picture: Picture) -> bytes:
    """Return a picture as the bytes of a WebP file."""
    file = io.BytesIO()
    PillowImage.fromarray(picture).save(file, format="WEBP", quality=QUALITY, method=2)
    return file.getvalue()


def _fitted(picture: Picture, side: int) -> Picture:
    shown = PillowImage.fromarray(picture)
    shown.thumbnail((side, side), PillowImage.Resampling.BICUBIC, reducing_gap=2.0)
    return np.asarray(shown)


def _waveform(audio: "Audio") -> Picture:
    """Draw the lowest and highest sample of each column, all channels together, to the loudest of them."""
    height, width = WAVEFORM_SHAPE
    samples = audio.waveform.numpy()
    edges = np.linspace(0, samples.shape[1], width + 1).astype(int)
    low, high = np.zeros(width), np.zeros(width)
    for column, (start, stop) in enumerate(zip(edges[:-1], np.maximum(edges[1:], edges[:-1] + 1), strict=True)):
        part = samples[:, min(start, samples.shape[1] - 1) : stop]
        low[column], high[column] = part.min(), part.max()
    loudest = max(float(np.abs(samples).max()), 1e-6)
    rows = (np.linspace(1, -1, height))[:, None]
    reach = 1 / height  # a line remains where there is silence
    grey = np.where((rows >= low / loudest - reach) & (rows <= high / loudest + reach), INK, GROUND)
    return np.repeat(grey[..., None].astype(np.uint8), 3, axis=2)


def _spectrogram(audio: "Audio") -> npt.NDArray[np.float32]:
    """Return (bins, columns) of loudness in steps of a tenth of a decibel, from the quietest of the loudest 80 dB."""
    samples = audio.waveform.mean(dim=0).numpy()
    samples = np.pad(samples, (0, max(0, SPECTRUM_SAMPLES - len(samples))))
    starts = np.linspace(0, len(samples) - SPECTRUM_SAMPLES, SPECTRUM_COLUMNS).astype(int)
    pieces = samples[starts[:, None] + np.arange(SPECTRUM_SAMPLES)] * np.hanning(SPECTRUM_SAMPLES)
    power = np.abs(np.fft.rfft(pieces, axis=1).T) ** 2
    loudness = 10 * np.log10(np.maximum(power, max(float(power.max()), 1e-12) * 1e-8))
    quiet: npt.NDArray[np.float32] = (10 * (loudness - loudness.min())).astype(np.float32)
    return quiet

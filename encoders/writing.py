"""Write media with its metadata: PNG, WAV (16 bits), MP4; in one step, so that no reader sees half a file."""

import json
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, assert_never

import av
import numpy as np
import numpy.typing as npt
import soundfile
from einops import rearrange
from PIL import Image as PILImage
from PIL.PngImagePlugin import PngInfo

from encoders.atomic import atomic
from encoders.media import Audio, Image, Media, Text, Video
from encoders.modality import Modality
from encoders.riff import append_comment

SUFFIXES = {Modality.TEXT: ".txt", Modality.IMAGE: ".png", Modality.AUDIO: ".wav", Modality.VIDEO: ".mp4"}
VIDEO_QUALITY = "12"  # x264's constant rate factor: 0 loses nothing, 18 looks as if it did not
AAC_RATE = 48_000  # each player knows it
AAC_BIT_RATE = 192_000
MAX_FRAME_RATE_DENOMINATOR = 1001


def write_media(path: Path | str, media: Media, metadata: Mapping[str, str] | None = None) -> Path:
    """Write text (.txt), an image (.png), a sound (.wav) or a video (.mp4) and return its path.

    Images and sounds read back exactly (8 and 16 bits). Raises ValueError for another suffix, or text with metadata.
    """
    path = Path(path)
    wanted = SUFFIXES[media.modality]
    if path.suffix.lower() != wanted:
        raise ValueError(f"'{path.name}' cannot hold {media.modality}: give it the suffix {wanted}.")
    values = dict(metadata or {})
    with atomic(path, mode=0o644) as temporary:
        match media:
            case Text():
                if values:
                    raise ValueError(f"'{path.name}' is plain text, which carries no metadata.")
                temporary.write_text(media.text, encoding="utf-8")
            case Image():
                _write_png(temporary, media, values)
            case Audio():
                _write_wav(temporary, media, values)
            case Video():
                _write_mp4(temporary, media, values)
            case _:
                assert_never(media)
    return path


def _write_png(path: Path, image: Image, metadata: Mapping[str, str]) -> None:
    info = PngInfo()
    for name, value in metadata.items():
        info.add_itxt(name, value)
    PILImage.fromarray(image.to_uint8()).save(path, format="PNG", pnginfo=info)


def _write_wav(path: Path, audio: Audio, metadata: Mapping[str, str]) -> None:
    samples = rearrange(audio.to_pcm16(), "c t -> t c")
    with soundfile.SoundFile(path, "w", audio.rate, samples.shape[1], subtype="PCM_16", format="WAV") as file:
        file.write(samples)
    if metadata:
        with path.open("r+b") as written:
            append_comment(written, json.dumps(metadata))


def _write_mp4(path: Path, video: Video, metadata: Mapping[str, str]) -> None:
    rate = Fraction(video.rate).limit_denominator(MAX_FRAME_RATE_DENOMINATOR)
    frames = _even(video.to_uint8())
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        if metadata:
            container.metadata["comment"] = json.dumps(metadata)
        pictures: Any = container.add_stream("libx264", rate=rate, options={"crf": VIDEO_QUALITY, "preset": "medium"})
        pictures.width, pictures.height, pictures.pix_fmt = frames.shape[2], frames.shape[1], "yuv420p"
        pictures.thread_count = 1  # the same bytes on any machine
        sound: Any = None
        if video.soundtrack is not None:
            layout = "mono" if video.soundtrack.waveform.shape[0] == 1 else "stereo"
            sound = container.add_stream("aac", rate=AAC_RATE, layout=layout)
            sound.bit_rate = AAC_BIT_RATE
        for array in frames:
            container.mux(pictures.encode(av.VideoFrame.from_ndarray(array, format="rgb24")))
        container.mux(pictures.encode(None))
        if video.soundtrack is not None:
            _mux_sound(container, sound, video.soundtrack)


def _mux_sound(container: Any, stream: Any, audio: Audio) -> None:
    waveform = audio.waveform[:2].detach().cpu().contiguous().numpy()
    frame = av.AudioFrame.from_ndarray(waveform, format="fltp", layout=stream.layout.name)
    # Without a time the muxer does not know of the encoder's delay, and players would play it.
    frame.sample_rate, frame.time_base, frame.pts = audio.rate, Fraction(1, audio.rate), 0
    resampler = av.AudioResampler(format="fltp", layout=stream.layout.name, rate=AAC_RATE)
    for piece in (*resampler.resample(frame), *resampler.resample(None)):
        container.mux(stream.encode(piece))
    container.mux(stream.encode(None))


def _even(frames: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Repeat the last row or column of odd frames (T, H, W, 3): H.264 counts colour in pairs."""
    height, width = frames.shape[1:3]
    return np.pad(frames, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), mode="edge")

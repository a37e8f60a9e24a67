"""Media files are read whole or refused in a sentence; ours read back as they were written."""

import ast
import os
import random
import struct
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile
import torch
from PIL import Image as PILImage

from encoders.decoding import decode
from encoders.files import (
    Limits,
    MediaError,
    read_audio,
    read_image,
    read_media,
    read_metadata,
    read_video,
    write_media,
)
from encoders.limits import Refusal
from encoders.media import Audio, Image, Media, Video
from encoders.sniffing import IMAGES, Format

RATE = 16000


def tone(seconds: float, channels: int = 1) -> Audio:
    wave = 0.5 * torch.sin(2 * torch.pi * 440 * torch.arange(int(seconds * RATE)) / RATE)
    return Audio(wave.expand(channels, -1).contiguous(), RATE)


def moving_square(num_frames: int = 8, side: int = 64) -> torch.Tensor:
    """(num_frames, 3, side, side): a bright square that walks to the right."""
    frames = torch.full((num_frames, 3, side, side), 0.2)
    for i in range(num_frames):
        frames[i, :, 20:40, 4 * i : 4 * i + 20] = 0.8
    return frames


@pytest.mark.parametrize("suffix", ["PNG", "WEBP", "GIF", "JPEG"])
def test_each_image_format_is_read_whatever_its_name_says(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / "picture.mp3"
    PILImage.new("RGB", (30, 20), (255, 0, 0)).save(path, format=suffix)
    pixels = read_image(path).pixels
    assert pixels.shape == (3, 20, 30)
    torch.testing.assert_close(pixels.mean(dim=(1, 2)), torch.tensor([1.0, 0.0, 0.0]), atol=0.02, rtol=0)


@pytest.mark.parametrize(
    ("suffix", "subtype"), [("wav", "PCM_16"), ("wav", "FLOAT"), ("flac", "PCM_16"), ("ogg", "VORBIS"), ("mp3", None)]
)
def test_each_sound_format_is_read(tmp_path: Path, suffix: str, subtype: str | None) -> None:
    path, sound = tmp_path / f"a.{suffix}", tone(1.0, channels=2)
    soundfile.write(path, sound.waveform.T.numpy(), RATE, subtype=subtype)
    read = read_audio(path)
    assert read.rate == RATE
    assert read.waveform.shape[0] == 2
    assert read.seconds == pytest.approx(1.0, abs=0.1)
    assert float(read.waveform.abs().max()) == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize(("container", "codec"), [("ipod", "aac"), ("webm", "libopus"), ("adts", "aac")])
def test_sounds_that_soundfile_lacks_are_read(tmp_path: Path, container: str, codec: str) -> None:
    path = tmp_path / "a.bin"
    with av.open(str(path), "w", format=container) as output:
        stream: Any = output.add_stream(codec, rate=48000, layout="mono")
        frame = av.AudioFrame.from_ndarray(tone(3.0).waveform.numpy(), format="fltp", layout="mono")
        frame.sample_rate = 48000  # three seconds at 16 kHz play as one
        resampler = av.AudioResampler(format=stream.format.name, layout="mono", rate=48000)
        for piece in (*resampler.resample(frame), *resampler.resample(None)):
            output.mux(stream.encode(piece))
        output.mux(stream.encode(None))
    sound = read_audio(path)
    assert sound.rate == 48000
    assert sound.seconds == pytest.approx(1.0, abs=0.1)


def test_images_and_sounds_read_back_exactly_with_their_metadata(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    metadata = {"recipe": '{"prompt": "画一个 bell é"}' + "x" * 50_000, "software": "studio"}
    media: list[tuple[str, Media]] = [
        ("a.png", Image(torch.rand(3, 33, 20, generator=generator))),
        ("a.wav", Audio(torch.rand(2, 999, generator=generator) * 2 - 1, 22050)),
    ]
    for name, item in media:
        path = write_media(tmp_path / name, item, metadata)
        assert read_media(path).content_hash == item.content_hash
        assert read_metadata(path) == metadata


def test_a_video_reads_back_with_its_rate_its_sound_and_its_metadata(tmp_path: Path) -> None:
    frames, sound = moving_square(), tone(2.0)
    sound.waveform[:, : RATE // 2] = 0
    path = write_media(tmp_path / "a.mp4", Video(frames, 4.0, sound), {"recipe": "画"})
    video = read_video(path)
    assert video.rate == 4.0
    assert video.frames.shape == frames.shape
    assert float((video.frames - frames).abs().mean()) < 0.01
    assert video.soundtrack
    assert video.soundtrack.seconds == pytest.approx(2.0, abs=0.001)
    # The encoder's delay is taken out: the tone starts where it started.
    loud = (video.soundtrack.waveform[0].abs() > 0.2).nonzero()[0]
    assert float(loud) / video.soundtrack.rate == pytest.approx(0.5, abs=0.01)
    assert read_metadata(path) == {"recipe": "画"}


def test_a_silent_video_with_odd_sides_gains_a_row_and_a_column(tmp_path: Path) -> None:
    video = read_video(write_media(tmp_path / "a.mp4", Video(moving_square(3, side=63), 29.97)))
    assert video.frames.shape == (3, 3, 64, 64)
    assert video.rate == pytest.approx(29.97, abs=0.001)
    assert video.soundtrack is None


def test_the_same_video_gives_the_same_bytes(tmp_path: Path) -> None:
    video = Video(moving_square(), 4.0, tone(2.0))
    first, second = (write_media(tmp_path / name, video, {"a": "b"}).read_bytes() for name in ("a.mp4", "b.mp4"))
    assert first == second


def test_metadata_of_other_programs_is_returned_as_it_is(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.flac", np.zeros(10), RATE)
    PILImage.new("RGB", (2, 2)).save(tmp_path / "a.png")
    assert read_metadata(tmp_path / "a.flac") == {}
    assert read_metadata(tmp_path / "a.png") == {}
    with soundfile.SoundFile(tmp_path / "b.flac", "w", RATE, 1) as file:
        file.comment = "[1, 2]"
        file.write(np.zeros(10))
    assert read_metadata(tmp_path / "b.flac") == {"comment": "[1, 2]"}


def test_transparency_lies_on_white_and_16_bit_grey_keeps_its_tones(tmp_path: Path) -> None:
    PILImage.new("RGBA", (4, 4), (255, 0, 0, 0)).save(tmp_path / "a.png")
    assert float(read_image(tmp_path / "a.png").pixels.min()) == 1.0
    PILImage.fromarray(np.full((4, 4), 0x8000, np.uint16)).save(tmp_path / "b.png")
    assert read_image(tmp_path / "b.png").to_uint8().max() == 0x80


def test_a_photo_taken_sideways_is_turned_upright(tmp_path: Path) -> None:
    picture, exif = PILImage.new("RGB", (30, 20)), PILImage.Exif()
    exif[0x0112] = 6  # orientation: turn a quarter to the right
    picture.save(tmp_path / "a.jpg", exif=exif)
    assert read_image(tmp_path / "a.jpg").pixels.shape == (3, 30, 20)


def test_large_pictures_and_long_videos_are_thinned_to_what_is_kept(tmp_path: Path) -> None:
    PILImage.new("RGB", (90, 60)).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png", Limits(keep_image_side=20)).pixels.shape == (3, 20, 30)
    write_media(tmp_path / "a.mp4", Video(moving_square(10), 10.0))
    video = read_video(tmp_path / "a.mp4", Limits(keep_frames=4, keep_video_side=32))
    assert video.frames.shape == (3, 3, 32, 32)
    assert video.rate == 2.5


def big_png(path: Path) -> None:
    """Write a PNG whose header claims 100,000 x 100,000 pixels and whose pixels are missing."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b""))


def cut_short(path: Path, mark: bytes, num_bytes: int = 4) -> None:
    """Keep of a file all up to a mark, and so many bytes more: its header, and nothing that can be decoded."""
    content = path.read_bytes()
    path.write_bytes(content[: content.index(mark) + len(mark) + num_bytes])


def test_ceilings_are_read_from_the_header_before_decoding(tmp_path: Path) -> None:
    big_png(tmp_path / "a.png")
    cut_short(write_media(tmp_path / "a.wav", tone(3.0, channels=3)), b"data")
    soundfile.write(tmp_path / "a.flac", tone(3.0).waveform[0].numpy(), RATE)
    cut_short(tmp_path / "a.flac", b"fLaC", 200)
    cut_short(write_media(tmp_path / "a.mp4", Video(moving_square(), 4.0, tone(2.0))), b"mdat")
    for name in ("a.wav", "a.flac", "a.mp4"):
        with pytest.raises(MediaError, match=r"is damaged or incomplete|holds no sound|holds no frame"):
            read_media(tmp_path / name)
    cases = [
        ("a.png", Limits(), "has 100000 x 100000 pixels; at most 64,000,000"),
        ("a.wav", Limits(max_channels=2), "has 3 channels of sound; at most 2"),
        ("a.wav", Limits(max_rate=8000), "has 16000 samples per second; 4000 to 8000 are read"),
        ("a.wav", Limits(max_bytes=20), "has 0 MiB; at most 0 MiB"),
        ("a.flac", Limits(max_audio_seconds=2), "lasts 3 s; at most 2 s"),
        ("a.mp4", Limits(max_video_seconds=1), "lasts 2 s; at most 1 s"),
        ("a.mp4", Limits(max_video_pixels=4000), "has frames of 64 x 64; at most 4,000"),
        ("a.mp4", Limits(max_channels=0), "has 1 channels of sound; at most 0"),
        ("a.mp4", Limits(max_rate=8000), "has 48000 samples per second; 4000 to 8000 are read"),
    ]
    for name, limits, words in cases:
        with pytest.raises(MediaError, match=f"'{name}' {words}"):
            read_media(tmp_path / name, limits)


def test_of_a_wav_that_lasts_too_long_no_sample_is_read(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.wav", tone(3.0))
    limits = Limits(max_audio_seconds=2)
    with pytest.raises(MediaError, match=r"'a\.wav' lasts 3 s; at most 2 s"):
        read_media(path, limits)
    with path.open("rb") as file:
        with pytest.raises(Refusal):
            decode(file, format=Format.WAV, limits=asdict(limits))
        assert file.tell() == path.read_bytes().index(b"data") + 8


def test_a_video_of_too_many_frames_is_refused(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mp4", Video(moving_square(), 4.0))
    with pytest.raises(MediaError, match=r"'a\.mp4' has more than 3 frames"):
        read_media(path, Limits(max_video_frames=3))
    whole = bytearray(path.read_bytes())
    at = whole.index(b"mdat")
    end = at - 4 + int.from_bytes(whole[at - 4 : at], "big")
    whole[at + 4 : end] = bytes(end - at - 4)
    path.write_bytes(whole)  # the header alone says how many there are: no frame of it can be decoded
    with pytest.raises(MediaError, match=r"'a\.mp4' has more than 3 frames"):
        read_media(path, Limits(max_video_frames=3))


def test_too_little_memory_or_time_is_said(tmp_path: Path) -> None:
    PILImage.effect_noise((3000, 3000), 50).convert("RGB").save(tmp_path / "a.jpg")
    with pytest.raises(MediaError, match=r"needs more memory|stops the decoder"):
        read_media(tmp_path / "a.jpg", Limits(memory_bytes=2**24))
    with pytest.raises(MediaError, match=r"takes longer than 0 s"):
        read_media(tmp_path / "a.jpg", Limits(wall_seconds=0.001))


@pytest.mark.parametrize(
    ("read", "words"),
    [(read_audio, "holds image; wanted a sound"), (read_video, "holds image; wanted a video")],
)
def test_another_kind_than_was_wanted_is_named(tmp_path: Path, read: Callable[[Path], Media], words: str) -> None:
    path = write_media(tmp_path / "a.png", Image(torch.zeros(3, 2, 2)))
    with pytest.raises(MediaError, match=words):
        read(path)


def test_what_is_no_file_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", "."):
        with pytest.raises(MediaError, match="is not a file"):
            read_media(tmp_path / name)
    with pytest.raises(MediaError, match=r"\A'missing.png' cannot be opened \(No such file or directory\)"):
        read_media(tmp_path / "missing.png")


def test_an_error_names_the_file_and_never_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n damaged")
    with pytest.raises(MediaError, match=r"'a\.png' looks like PNG, but is damaged") as caught:
        read_media(path)
    assert str(tmp_path) not in str(caught.value)


def test_damaged_files_are_refused_or_read_but_never_crash_the_caller(tmp_path: Path) -> None:
    originals = [
        write_media(tmp_path / "a.png", Image(torch.rand(3, 16, 16))),
        write_media(tmp_path / "a.wav", tone(0.2)),
        write_media(tmp_path / "a.mp4", Video(moving_square(), 4.0, tone(2.0))),
    ]
    luck = random.Random(0)
    for original in originals:
        content = original.read_bytes()
        for i in range(8):
            broken = bytearray(content[: luck.randrange(12, len(content))] if i % 2 else content)
            for _ in range(20):
                broken[luck.randrange(12, len(broken))] = luck.randrange(256)
            path = tmp_path / "broken"
            path.write_bytes(broken)
            with suppress(MediaError):
                assert isinstance(read_media(path, Limits(wall_seconds=20)), Image | Audio | Video)


def test_an_image_is_read_within_150_milliseconds_after_warm_up(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.png", Image(torch.rand(3, 64, 64)))
    durations = []
    for _ in range(5):
        started = time.perf_counter()
        read_media(path)
        durations.append(time.perf_counter() - started)
    assert min(durations) < 0.15


@pytest.mark.parametrize(
    "suffix", ["BMP", "DDS", "EPS", "ICO", "JPEG2000", "MSP", "PALM", "PCX", "PDF", "PPM", "SGI", "TGA", "TIFF"]
)
@pytest.mark.parametrize("name", ["picture.png", "picture.bin"])
def test_a_rare_picture_format_is_refused_unread_though_pillow_knows_it(tmp_path: Path, suffix: str, name: str) -> None:
    path = tmp_path / name
    mode = {"MSP": "1", "PALM": "P"}.get(suffix, "RGB")
    PILImage.new(mode, (32, 32)).save(path, format=suffix)
    with pytest.raises(MediaError, match=r"is of a kind that is not read here|is a PDF|is text"):
        read_media(path)


def openers(tree: ast.AST) -> set[str]:
    """Return every spelling of PIL.Image.open that a file's imports allow."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for name in node.names:
                if name.name.partition(".")[0] == "PIL":
                    whole = name.name if name.asname else "PIL"
                    found.add((name.asname or "PIL") + "PIL.Image.open".removeprefix(whole))
        elif isinstance(node, ast.ImportFrom) and node.module in ("PIL", "PIL.Image"):
            for name in node.names:
                whole = f"{node.module}.{name.name}"
                if "PIL.Image.open".startswith(whole):
                    found.add((name.asname or name.name) + "PIL.Image.open".removeprefix(whole))
    return found


def formats_named(source: str) -> list[list[str]]:
    """Return the formats that each mention of PIL.Image.open names; none, where it is not called on the spot."""
    tree = ast.parse(source)
    spellings = openers(tree)
    called = {id(call.func): call for call in ast.walk(tree) if isinstance(call, ast.Call)}
    return [
        [ast.unparse(word.value) for word in called[id(node)].keywords if word.arg == "formats"]
        if id(node) in called
        else []
        for node in ast.walk(tree)
        if isinstance(node, ast.Name | ast.Attribute) and ast.unparse(node) in spellings
    ]


@pytest.mark.parametrize(
    ("imported", "spelled"),
    [
        ("from PIL import Image", "Image.open"),
        ("from PIL import Image as Picture", "Picture.open"),
        ("from PIL.Image import open", "open"),
        ("from PIL.Image import Resampling, open as open_picture", "open_picture"),
        ("import PIL.Image", "PIL.Image.open"),
        ("import PIL, PIL.ImageDraw", "PIL.Image.open"),
        ("import PIL as pillow", "pillow.Image.open"),
        ("import PIL.Image as Picture", "Picture.open"),
    ],
)
def test_each_spelling_of_opening_a_picture_is_seen(imported: str, spelled: str) -> None:
    assert formats_named(f"{imported}\n{spelled}(file, formats=['PNG'])") == [["['PNG']"]]
    assert formats_named(f"def f():\n    {imported}\n    return {spelled}(file)") == [[]]
    assert formats_named(f"{imported}\npictures = map({spelled}, files)") == [[]]
    assert formats_named(f"{imported}\nImageFont.open(file), path.open(), other.Image.open(file)") == []


def test_no_code_of_ours_opens_a_picture_without_naming_its_format() -> None:
    root = Path(__file__).parents[2]
    named = [
        (path.name, formats)
        for folder in ("encoders", "pipelines", "studio")
        for path in (root / folder).rglob("*.py")
        for formats in formats_named(path.read_text(encoding="utf-8"))
    ]
    assert "decoding.py" in dict(named)
    for name, formats in named:
        wanted = (["[kind.value]"],) if name == "decoding.py" else (["['WEBP']"], ["['PNG']"])
        assert formats in wanted, name
    assert {kind.value for kind in IMAGES} == {"PNG", "JPEG", "WEBP", "GIF"}

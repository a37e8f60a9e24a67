"""Tell a file's format from its first bytes, never from its name; refuse what a browser would run."""

from codecs import getincrementaldecoder
from enum import StrEnum

from encoders.limits import Refusal

HEAD_BYTES = 1024
WANTED = (
    "Wanted: an image (PNG, JPEG, WebP, GIF), a sound (WAV, FLAC, Ogg, MP3, M4A) or a video (MP4, MOV, WebM, MKV, AVI)"
)


class Format(StrEnum):
    """A container that we read; the value is ffmpeg's name of its demuxer, or Pillow's of the image."""

    PNG = "PNG"
    JPEG = "JPEG"
    WEBP = "WEBP"
    GIF = "GIF"
    WAV = "wav"
    FLAC = "flac"
    OGG = "ogg"
    MP3 = "mp3"
    AAC = "aac"
    MP4 = "mov"
    MATROSKA = "matroska"
    AVI = "avi"


IMAGES = frozenset({Format.PNG, Format.JPEG, Format.WEBP, Format.GIF})
SOUNDS = frozenset({Format.WAV, Format.FLAC, Format.OGG, Format.MP3, Format.AAC})

_STARTS = {
    b"\x89PNG\r\n\x1a\n": Format.PNG,
    b"\xff\xd8\xff": Format.JPEG,
    b"GIF87a": Format.GIF,
    b"GIF89a": Format.GIF,
    b"fLaC": Format.FLAC,
    b"OggS": Format.OGG,
    b"ID3": Format.MP3,
    b"\x1a\x45\xdf\xa3": Format.MATROSKA,
}
_RIFF = {b"WEBP": Format.WEBP, b"WAVE": Format.WAV, b"AVI ": Format.AVI}


def sniff(head: bytes) -> Format:
    """Return the format of a file that starts with `head`. Raises Refusal with what to do instead."""
    if head[:4] == b"RIFF" and head[8:12] in _RIFF:
        return _RIFF[head[8:12]]
    if head[4:8] == b"ftyp":
        return Format.MP4
    for start, found in _STARTS.items():
        if head.startswith(start):
            return found
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0:  # an MPEG audio frame; layer 0 is AAC
        return Format.AAC if head[1] & 0x06 == 0 else Format.MP3
    raise Refusal(_why_not(head))


def _why_not(head: bytes) -> str:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if not text:
        return f"is empty. {WANTED}."
    if b"<svg" in text:
        return "is an SVG drawing, which can carry scripts. Export it as PNG and send that."
    if text.startswith((b"<!doctype html", b"<html", b"<head", b"<body", b"<script")) or b"<html" in text:
        return "is a web page (HTML). Save the picture, sound or video itself and send that."
    if text.startswith(b"%pdf"):
        return "is a PDF. Export the page as PNG and send that."
    if b"\0" not in head and _is_text(head):
        return "is text. Paste it into your message."
    return f"is of a kind that is not read here. {WANTED}; convert it and send it again."


def _is_text(head: bytes) -> bool:
    try:
        getincrementaldecoder("utf-8")().decode(head)  # incremental, as the last character may be cut
    except UnicodeDecodeError:
        return False
    return True

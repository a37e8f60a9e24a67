"""A file's format is told from its content, and what is refused is refused in clear words."""

import pytest

from encoders.limits import Refusal
from encoders.sniffing import Format, sniff


@pytest.mark.parametrize(
    ("head", "found"),
    [
        (b"\x89PNG\r\n\x1a\n....", Format.PNG),
        (b"\xff\xd8\xff\xe0", Format.JPEG),
        (b"GIF89a", Format.GIF),
        (b"RIFF....WEBPVP8 ", Format.WEBP),
        (b"RIFF....WAVEfmt ", Format.WAV),
        (b"RIFF....AVI LIST", Format.AVI),
        (b"OggS\0", Format.OGG),
        (b"fLaC", Format.FLAC),
        (b"ID3\x04", Format.MP3),
        (b"\xff\xfb\x90\x00", Format.MP3),
        (b"\xff\xf1\x50\x80", Format.AAC),
        (b"\0\0\0\x18ftypM4A ", Format.MP4),
        (b"\x1a\x45\xdf\xa3", Format.MATROSKA),
    ],
)
def test_each_format_is_known_by_its_first_bytes(head: bytes, found: Format) -> None:
    assert sniff(head) is found


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b"", "is empty"),
        (b'<?xml version="1.0"?>\n<SVG xmlns="http://www.w3.org/2000/svg">', "SVG drawing.*Export it as PNG"),
        (b"\xef\xbb\xbf \n<svg onload='alert(1)'>", "SVG drawing"),
        (b"<!-- a comment --><svg/>", "SVG drawing"),
        (b" <!DOCTYPE HTML><script>", r"web page \(HTML\)"),
        (b"<html>", r"web page \(HTML\)"),
        (b"%PDF-1.7", "is a PDF"),
        ("一段文字".encode(), "is text. Paste it"),
        (b"#EXTM3U\nhttp://169.254.169.254/", "is text"),
        (b"\x7fELF\0\0\0", "of a kind that is not read here. Wanted: an image"),
        (b"RIFF\1\0\0\0ACON", "of a kind that is not read here"),
    ],
)
def test_what_is_refused_says_why_and_what_to_do(head: bytes, words: str) -> None:
    with pytest.raises(Refusal, match=words):
        sniff(head)

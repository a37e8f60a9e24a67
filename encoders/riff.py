"""A comment of any length in a WAV file: chunk ICMT of a RIFF INFO list, of which libsndfile reads only 2 KiB."""

import struct
from io import BufferedRandom, BufferedReader

CHUNK_HEADER = struct.Struct("<4sI")
MAX_COMMENT_BYTES = 2**22


def append_comment(file: BufferedRandom, comment: str) -> None:
    """Add a comment to the end of a complete WAV file."""
    content = _padded(comment.encode() + b"\0")
    info = b"INFO" + CHUNK_HEADER.pack(b"ICMT", len(content)) + content
    size = file.seek(0, 2)
    file.write(b"\0" * (size % 2) + CHUNK_HEADER.pack(b"LIST", len(info)) + info)
    size = file.tell()
    file.seek(0)
    file.write(CHUNK_HEADER.pack(b"RIFF", size - CHUNK_HEADER.size))


def read_comment(file: BufferedReader) -> str:
    """Return the comment of a WAV file, "" if it has none."""
    file.seek(12)  # after RIFF, the size and WAVE
    while len(header := file.read(CHUNK_HEADER.size)) == CHUNK_HEADER.size:
        name, size = CHUNK_HEADER.unpack(header)
        if name == b"LIST" and size <= MAX_COMMENT_BYTES:
            content = file.read(size)
            if content[:4] == b"INFO" and (found := _comment(content[4:])):
                return found
            file.seek(size % 2, 1)
        else:
            file.seek(size + size % 2, 1)
    return ""


def _comment(chunks: bytes) -> str:
    while len(chunks) >= CHUNK_HEADER.size:
        name, size = CHUNK_HEADER.unpack_from(chunks)
        content = chunks[CHUNK_HEADER.size : CHUNK_HEADER.size + size]
        if name == b"ICMT":
            return content.rstrip(b"\0").decode("utf-8", errors="replace")
        chunks = chunks[CHUNK_HEADER.size + size + size % 2 :]
    return ""


def _padded(content: bytes) -> bytes:
    return content + b"\0" * (len(content) % 2)

"""A WAV file keeps a comment of any length and stays a WAV file."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from encoders.riff import append_comment, read_comment


@pytest.mark.parametrize("num_samples", [10, 11])
@pytest.mark.parametrize("comment", ["short", "铃" * 20_001])
def test_a_comment_reads_back_and_the_sound_stays(tmp_path: Path, comment: str, num_samples: int) -> None:
    path, samples = tmp_path / "a.wav", np.arange(num_samples, dtype=np.int8).astype(np.uint8)
    soundfile.write(path, samples.astype(np.int16), 8000, subtype="PCM_U8")
    with path.open("r+b") as file:
        append_comment(file, comment)
    with path.open("rb") as file:
        assert read_comment(file) == comment
    assert soundfile.info(path).frames == num_samples


def test_other_programs_read_a_short_comment(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros(4), 8000)
    with path.open("r+b") as file:
        append_comment(file, "made by hand")
    with soundfile.SoundFile(path) as file:
        assert file.comment == "made by hand"


def test_files_without_a_comment_or_cut_short_have_none(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros(4), 8000)
    content = path.read_bytes()
    for kept in (len(content), 30, 12, 3):
        path.write_bytes(content[:kept])
        with path.open("rb") as file:
            assert read_comment(file) == ""

"""People's manifests are read whole, and every bad line is named with what was wanted."""

import json
from pathlib import Path
from typing import Any

import pytest

from encoders.modality import Modality
from training.manifest import ManifestError, main, read_manifest

DIALOGUE = {
    "messages": [
        {"role": "user", "content": [{"type": "image", "image": "a.png"}, {"type": "text", "text": "What is it?"}]},
        {"role": "assistant", "content": "A cat."},
        {"role": "user", "content": "Play it"},
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "Here."},
                {"type": "audio", "audio": None, "caption": "a cat meowing"},
            ],
        },
    ]
}


def write(folder: Path, *lines: Any) -> Path:
    for name in ("a.png", "b.wav", "c.mp4"):
        (folder / name).write_bytes(name.encode())
    path = folder / "manifest.jsonl"
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines), encoding="utf-8")
    return path


def test_pairs_and_dialogues_are_read_with_paths_beside_the_manifest(tmp_path: Path) -> None:
    manifest = read_manifest(write(tmp_path, {"audio": "b.wav", "caption": "ein Ton"}, "", DIALOGUE))
    (pair,) = manifest.pairs
    assert (pair.modality, pair.path, pair.caption) == (Modality.AUDIO, tmp_path / "b.wav", "ein Ton")
    (dialogue,) = manifest.dialogues
    assert dialogue.messages[0]["content"][0] == {"type": "image", "image": tmp_path / "a.png"}
    assert dialogue.messages[1]["content"] == [{"type": "text", "text": "A cat."}]
    assert dialogue.messages[3]["content"][1] == {"type": "audio", "audio": None, "caption": "a cat meowing"}
    assert manifest.paths == (tmp_path / "b.wav", tmp_path / "a.png")


USER = {"role": "user", "content": "Hi"}


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("{", "not JSON"),
        ("[1]", "a list; wanted an object"),
        ({}, 'wanted "messages", or "caption" with one of'),
        ({"image": "a.png", "audio": "b.wav", "caption": "x"}, "wanted"),
        ({"image": "a.png"}, "caption is missing"),
        ({"image": "a.png", "caption": " "}, "wanted a text that is not empty"),
        ({"image": "a.png", "caption": 3}, "caption is a number"),
        ({"image": "gone.png", "caption": "x"}, "no file 'gone.png'"),
        ({"image": "a.png", "caption": "x", "weight": 2}, r"unknown keys \['weight'\]"),
        ({"messages": [USER]}, "the assistant last"),
        ({"messages": [USER, USER]}, r'messages\[1\] must be an object whose "role" is "assistant"'),
        ({"messages": [USER, {"role": "assistant", "content": []}]}, r"messages\[1\]\.content"),
        (
            {"messages": [USER, {"role": "assistant", "content": [{"type": "smell"}]}]},
            "one of text, image, audio, video",
        ),
        ({"messages": [USER, {"role": "assistant", "content": [{"type": "image"}]}]}, "caption is missing"),
        ({"messages": [{"role": "user", "content": [{"type": "image", "image": "x.png"}]}, USER]}, "no file 'x.png'"),
    ],
)
def test_a_bad_line_is_named_with_what_was_wanted(tmp_path: Path, line: Any, wanted: str) -> None:
    path = write(tmp_path, {"image": "a.png", "caption": "fine"}, line)
    with pytest.raises(ManifestError, match=f"(?s)manifest.jsonl cannot be used:\nline 2: .*{wanted}"):
        read_manifest(path)


def test_all_bad_lines_are_listed_at_once(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"(?s)line 1: .*line 3: .*and 5 more") as caught:
        read_manifest(write(tmp_path, "{", {"image": "a.png", "caption": "fine"}, *["["] * 24))
    assert "line 2:" not in str(caught.value)


def test_an_empty_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="empty"):
        read_manifest(write(tmp_path, ""))


def test_a_missing_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="No manifest"):
        read_manifest(tmp_path / "no.jsonl")


def test_the_check_names_files_that_are_not_what_they_are_said_to_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, {"image": "a.png", "caption": "x"})
    with pytest.raises(SystemExit, match="1"):
        main([str(path)])
    assert "a.png" in capsys.readouterr().err

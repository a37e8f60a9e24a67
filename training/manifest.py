"""People's own training data: a JSON-lines file of pairs and dialogues, checked whole before any training starts.

Every line is one JSON object, in one of two forms; paths are relative to the manifest's folder:

    {"image": "cat.png", "caption": "a cat on a sofa"}            (or "audio", or "video")
    {"messages": [{"role": "user", "content": [{"type": "image", "image": "cat.png"},
                                               {"type": "text", "text": "What is it?"}]},
                  {"role": "assistant", "content": "A cat on a sofa."}]}

`content` is a text or a list of parts. A part is {"type": "text", "text": ...} or {"type": "image", "image": PATH}
(likewise audio, video). What the assistant makes is a media part with a "caption", the text that conditions the
decoder; its file may be left out. Roles alternate, and the user speaks first. Empty lines are skipped.
`python -m training.manifest FILE` checks a file, and that all it names can be read.
"""

import argparse
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from encoders.files import read_media
from encoders.modality import Modality

MEDIA = (Modality.IMAGE, Modality.AUDIO, Modality.VIDEO)
_SHOWN = 20  # this many complaints are listed, the rest counted


class ManifestError(ValueError):
    """A manifest that cannot be trained on; the message lists the lines and what was wanted there."""


@dataclass(frozen=True)
class ManifestPair:
    """A file with its caption."""

    modality: Modality
    path: Path
    caption: str


@dataclass(frozen=True)
class ManifestDialogue:
    """A dialogue in content-part form, media as absolute paths (None where the assistant makes it and has no file)."""

    messages: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class Manifest:
    """All that a manifest holds, in its order."""

    pairs: tuple[ManifestPair, ...]
    dialogues: tuple[ManifestDialogue, ...]

    @property
    def paths(self) -> tuple[Path, ...]:
        """Every distinct media file."""
        parts = (part for dialogue in self.dialogues for message in dialogue.messages for part in message["content"])
        inside = (part[part["type"]] for part in parts if part["type"] != "text")
        return tuple(dict.fromkeys([pair.path for pair in self.pairs] + [path for path in inside if path is not None]))


def read_manifest(path: Path) -> Manifest:
    """Read and check every line; raise ManifestError naming each bad line, what was wanted, and each missing file."""
    if not path.is_file():
        raise ManifestError(f"No manifest at {path}; wanted a JSON-lines file.")
    pairs: list[ManifestPair] = []
    dialogues: list[ManifestDialogue] = []
    complaints: list[str] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            entry = _read_line(line, path.parent)
        except ManifestError as error:
            complaints.append(f"line {number}: {error}")
            continue
        if isinstance(entry, ManifestPair):
            pairs.append(entry)
        else:
            dialogues.append(entry)
    if complaints:
        more = f"\n... and {len(complaints) - _SHOWN} more" if len(complaints) > _SHOWN else ""
        raise ManifestError(f"{path} cannot be used:\n" + "\n".join(complaints[:_SHOWN]) + more)
    if not pairs and not dialogues:
        raise ManifestError(f"{path} is empty; wanted at least one line.")
    return Manifest(tuple(pairs), tuple(dialogues))


def _read_line(line: str, folder: Path) -> ManifestPair | ManifestDialogue:
    try:
        entry = json.loads(line)
    except json.JSONDecodeError as error:
        raise ManifestError(f"not JSON ({error.msg} at column {error.colno}); wanted one object a line.") from error
    if not isinstance(entry, dict):
        raise ManifestError(f"a {_kind(entry)}; wanted an object.")
    if "messages" in entry:
        _refuse_others(entry, {"messages"})
        return ManifestDialogue(tuple(_read_messages(entry["messages"], folder)))
    named = [modality for modality in MEDIA if modality in entry]
    if len(named) != 1:
        raise ManifestError(
            f'keys {sorted(entry)}; wanted "messages", or "caption" with one of "image", "audio", "video".'
        )
    _refuse_others(entry, {named[0], "caption"})
    return ManifestPair(named[0], _find(entry[named[0]], folder), _text(entry.get("caption"), "caption"))


def _read_messages(messages: Any, folder: Path) -> Iterator[dict[str, Any]]:
    if not isinstance(messages, list) or len(messages) < 2 or len(messages) % 2:
        raise ManifestError("messages must be a list of turns, user and assistant in turn, the assistant last.")
    for number, message in enumerate(messages):
        where, role = f"messages[{number}]", ("user", "assistant")[number % 2]
        if not isinstance(message, dict) or message.get("role") != role:
            raise ManifestError(f'{where} must be an object whose "role" is "{role}".')
        _refuse_others(message, {"role", "content"}, where)
        content = message.get("content")
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        if not isinstance(parts, list) or not parts:
            raise ManifestError(f"{where}.content must be a text or a list of parts, not empty.")
        read = [_read_part(part, f"{where}.content[{place}]", role, folder) for place, part in enumerate(parts)]
        yield {"role": role, "content": read}


def _read_part(part: Any, where: str, role: str, folder: Path) -> dict[str, Any]:
    kinds = ("text", *(str(modality) for modality in MEDIA))
    if not isinstance(part, dict) or part.get("type") not in kinds:
        raise ManifestError(f'{where} must be an object whose "type" is one of {", ".join(kinds)}.')
    kind = part["type"]
    if kind == "text":
        _refuse_others(part, {"type", "text"}, where)
        return {"type": "text", "text": _text(part.get("text"), f"{where}.text")}
    if role == "user":
        _refuse_others(part, {"type", kind}, where)
        return {"type": kind, kind: _find(part.get(kind), folder)}
    _refuse_others(part, {"type", kind, "caption"}, where)
    made = None if part.get(kind) is None else _find(part[kind], folder)
    return {"type": kind, kind: made, "caption": _text(part.get("caption"), f"{where}.caption")}


def _find(name: Any, folder: Path) -> Path:
    path = folder / _text(name, "file")
    if not path.is_file():
        raise ManifestError(f"no file {str(name)!r}; wanted a path relative to {folder}.")
    return path.resolve()


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ManifestError(
            f"{what} is {'missing' if value is None else 'a ' + _kind(value)}; wanted a text that is not empty."
        )
    return value


def _refuse_others(entry: Mapping[str, Any], known: set[str], where: str = "the object") -> None:
    others = sorted(entry.keys() - known)
    if others:
        raise ManifestError(f"{where} has unknown keys {others}; wanted {sorted(known)}.")


def _kind(value: Any) -> str:
    names = {
        dict: "object",
        list: "list",
        str: "text",
        bool: "boolean",
        int: "number",
        float: "number",
        type(None): "null",
    }
    return names[type(value)]


def main(argv: list[str] | None = None) -> None:
    """Check a manifest: every line, and that every file can be read and is of the kind said."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("manifest", type=Path)
    path = parser.parse_args(argv).manifest
    try:
        manifest = read_manifest(path)
    except ManifestError as error:
        parser.exit(1, f"{error}\n")
    bad = list(_unreadable(manifest))
    if bad:
        parser.exit(1, "\n".join(bad) + "\n")
    counts = f"{len(manifest.pairs)} pairs, {len(manifest.dialogues)} dialogues, {len(manifest.paths)} files"
    print(f"{counts}: all can be used.")


def _unreadable(manifest: Manifest) -> Iterator[str]:
    said = {pair.path: pair.modality for pair in manifest.pairs}
    for dialogue in manifest.dialogues:
        for message in dialogue.messages:
            said |= {
                part[part["type"]]: Modality(part["type"]) for part in message["content"] if part["type"] != "text"
            }
    for path in manifest.paths:
        try:
            media = read_media(path)
        except ValueError as error:
            yield f"{path}: {error}"
            continue
        if media.modality != said[path]:
            yield f"{path}: this is {media.modality}, the manifest says {said[path]}."


if __name__ == "__main__":
    main()

"""The recipe of an artefact: all that is needed to make it again, written into the file itself."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from studio.errors import StudioError
from studio.options import ReplyOptions

METADATA_KEY = "studio-recipe"
FORMAT = 1
# The packages whose versions can change a pixel.
VERSIONED_PACKAGES = (
    "torch",
    "transformers",
    "diffusers",
    "tokenizers",
    "open_clip_torch",
    "peft",
    "numpy",
    "pillow",
    "av",
)


@dataclass(frozen=True)
class Environment:
    """What may make the same recipe come out slightly different: packages, processor, number of threads."""

    versions: Mapping[str, str]
    processor: str
    threads: int
    device: str

    def differences(self, other: "Environment") -> tuple[str, ...]:
        """Name what differs, for a person: "torch 2.14.0 -> 2.14.1"."""
        found = [
            f"{name} {self.versions.get(name, 'absent')} -> {other.versions.get(name, 'absent')}"
            for name in sorted(set(self.versions) | set(other.versions))
            if self.versions.get(name) != other.versions.get(name)
        ]
        for name in ("processor", "threads", "device"):
            before, after = getattr(self, name), getattr(other, name)
            if before != after:
                found.append(f"{name} {before} -> {after}")
        return tuple(found)


@dataclass(frozen=True)
class Recipe:
    """The conversation up to the request, the options, the preset, and which medium of the reply this is.

    `messages` are content parts as everywhere, media given as `{"type": "image", "sha256": CONTENT_HASH}`; earlier
    replies also hold what the core wrote, `{"type": "tokens", "ids": [...]}`. The last message is the person's. `part`
    and `sample` count as the pipeline's events do.
    """

    messages: Sequence[Mapping[str, Any]]
    options: ReplyOptions
    part: int
    sample: int
    preset: str
    preset_hash: str
    environment: Environment

    def to_json(self) -> str:
        values = {
            "format": FORMAT,
            "messages": self.messages,
            "options": self.options.to_dict(),
            "part": self.part,
            "sample": self.sample,
            "preset": self.preset,
            "preset_hash": self.preset_hash,
            "environment": asdict(self.environment),
        }
        return json.dumps(values, ensure_ascii=True, separators=(",", ":"), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "Recipe":
        """Read a recipe written by anyone; ValueError says what is wrong with it."""
        try:
            values = json.loads(text)
            if values["format"] != FORMAT:
                raise ValueError(f"This recipe has format {values['format']!r}, this program reads {FORMAT}.")
            return cls(
                messages=_checked_messages(values["messages"]),
                options=ReplyOptions.from_dict(values["options"]),
                part=int(values["part"]),
                sample=int(values["sample"]),
                preset=str(values["preset"]),
                preset_hash=str(values["preset_hash"]),
                environment=Environment(
                    versions={str(name): str(number) for name, number in values["environment"]["versions"].items()},
                    processor=str(values["environment"]["processor"]),
                    threads=int(values["environment"]["threads"]),
                    device=str(values["environment"]["device"]),
                ),
            )
        except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
            raise ValueError(f"This recipe is damaged or not ours ({type(error).__name__}: {error}).") from error

    def metadata(self) -> dict[str, str]:
        """Return what `write_media` puts into the file."""
        return {METADATA_KEY: self.to_json()}


def read_recipe(path: Path) -> Recipe:
    """Read the recipe out of an image, sound or video file of the studio."""
    from encoders.files import read_metadata

    if not path.is_file():
        raise StudioError(f"There is no file {path}.")
    try:
        text = read_metadata(path).get(METADATA_KEY)
    except ValueError as error:
        raise StudioError(f"{path.name} cannot be read: {error}") from error
    if text is None:
        raise StudioError(
            f"{path.name} carries no recipe. Only files that the studio made carry one, "
            "and many programs and websites remove it when they save a copy."
        )
    try:
        return Recipe.from_json(text)
    except ValueError as error:
        raise StudioError(f"The recipe in {path.name} cannot be used. {error}") from error


def current_environment(*, device: str) -> Environment:
    """Describe this process; imports torch."""
    import torch

    return Environment(
        versions={"python": platform.python_version()} | _package_versions(),
        processor=_processor_name(),
        threads=torch.get_num_threads(),
        device=device,
    )


def _package_versions() -> dict[str, str]:
    found = {}
    for name in VERSIONED_PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _processor_name() -> str:
    """Return the processor's model where the system tells it, else its architecture."""
    information = Path("/proc/cpuinfo")
    if information.is_file():
        for line in information.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine() or os.name


def _checked_messages(messages: Any) -> tuple[Mapping[str, Any], ...]:
    for number, message in enumerate(messages):
        wanted = ("user", "assistant")[number % 2]
        if message["role"] != wanted:
            raise ValueError(f"Message {number} is by {message['role']!r}, wanted {wanted!r}: they speak in turn.")
        for part in message["content"]:
            if not _is_part(part):
                raise ValueError(f"A content part is text, a medium with its sha256, or tokens; got {part!r}.")
    if not messages or messages[-1]["role"] != "user" or not messages[-1]["content"]:
        raise ValueError("A recipe ends with the request it answers.")
    return tuple(messages)


def _is_part(part: Mapping[str, Any]) -> bool:
    match part["type"]:
        case "text":
            return isinstance(part["text"], str)
        case "image" | "audio" | "video":
            return isinstance(part["sha256"], str)
        case "tokens":
            return all(type(number) is int and number >= 0 for number in part["ids"])
        case _:
            return False

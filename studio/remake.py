"""Making a file again from its recipe, and comparing what comes out with the file."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.comparison import Comparison, Verdict, compare
from studio.conversation.reply import FindMedia, Listener, ReplyMaker, open_conversation, read_parts
from studio.errors import StudioError
from studio.media_store import MediaStore
from studio.models.in_memory import Model
from studio.recipe import Recipe
from studio.replay import ReplayReport

if TYPE_CHECKING:
    from encoders.media import Media
    from pipelines.events import Event

MEDIA_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".gif", ".wav", ".flac", ".ogg", ".mp3", ".mp4", ".webm"})
MAX_FILES_BESIDE = 200


class _Made(Exception):
    """Raised from within the reply once the one medium that is wanted exists."""


def remake(
    file: Path, recipe: Recipe, model: Model, *, media: MediaStore, listener: Listener
) -> tuple[ReplayReport, Mapping[str, Any] | None]:
    """Make a file again; return the report and the remake as a content part (None if the reply no longer makes it)."""
    from encoders.files import read_media

    find_media = _find_here_or_beside(media, file)
    conversation = open_conversation(model.pipe, recipe.messages[:-1], find_media)
    question = read_parts(recipe.messages[-1]["content"], find_media)
    now = replace(recipe, preset=model.preset, preset_hash=model.preset_hash, environment=model.environment)
    maker = ReplyMaker(now, media, listener)
    wanted = recipe.part, recipe.sample

    def hear(event: "Event") -> None:
        maker.hear(event)
        if wanted in maker.made:
            raise _Made

    with suppress(_Made):
        conversation.send(question, recipe.options.for_pipeline(model.pipe.outputs), callback=hear)
    before = read_media(file)
    part = maker.made.get(wanted)
    comparison = Comparison(Verdict.DIFFERENT, reason="this time the reply does not hold it")
    if part is not None:
        comparison = compare(before, read_media(media.path(part["media"])))
    differences = list(recipe.environment.differences(model.environment))
    if recipe.preset_hash != model.preset_hash:
        differences.insert(0, f"the preset {recipe.preset} has other weights")
    if len(recipe.messages) > 1 and comparison.verdict != Verdict.IDENTICAL:
        differences.append("earlier turns were read at once, not as they were said")
    report = ReplayReport(
        file=file.name,
        modality=before.modality.value,
        verdict=comparison.verdict,
        largest=comparison.largest,
        mean=comparison.mean,
        reason=comparison.reason,
        differences=tuple(differences),
    )
    return report, part


def _find_here_or_beside(media: MediaStore, file: Path) -> FindMedia:
    """Find media by their content in the studio's store, else among the files beside `file`."""
    from encoders.files import MediaError, read_media

    beside: dict[str, Media] = {}

    def look_beside() -> None:
        names = sorted(path for path in file.parent.iterdir() if path.suffix.lower() in MEDIA_SUFFIXES and path != file)
        for path in names[:MAX_FILES_BESIDE]:
            with suppress(MediaError):
                found = read_media(path)
                beside[found.content_hash] = found

    def find(content_hash: str) -> "Media":
        stored = media.find(content_hash)
        if stored is not None:
            return read_media(media.path(stored.id))
        if not beside:
            look_beside()
        if content_hash not in beside:
            raise StudioError(
                f"{file.name} was made from a file that is neither in the studio's store nor beside it "
                f"(content {content_hash[:12]}…). Put that file into the same folder and try again."
            )
        return beside[content_hash]

    return find

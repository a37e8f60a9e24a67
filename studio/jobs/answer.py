"""Answering: the kinds of work that the worker does, with the model and the conversations it keeps open."""

import json
import logging
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from studio.conversation.history import Content, History
from studio.conversation.reply import find_in_store, for_recipe, make_reply, open_conversation, read_parts
from studio.errors import StudioError
from studio.faults import fault
from studio.jobs.queue import Lease
from studio.jobs.worker import JobKind
from studio.library.near_copies import near_copy_sentences
from studio.media_store import MediaStore
from studio.models.in_memory import Model, OneModel
from studio.options import ReplyOptions
from studio.recipe import Recipe, read_recipe
from studio.remake import remake
from studio.store import Store

if TYPE_CHECKING:
    from pipelines.conversation import Conversation

# An open conversation's next turn costs only what is new in it; the others are taken up again from the history.
MAX_OPEN_CONVERSATIONS = 4

logger = logging.getLogger(__name__)


class Answerer:
    """The worker's state: one model, a few open conversations."""

    def __init__(self, store: Store, *, models: OneModel | None = None) -> None:
        self._history = History(store)
        self._media = MediaStore(store)
        self._models = models or OneModel()
        self._open: OrderedDict[str, tuple[str, Conversation]] = OrderedDict()
        self._models.when_let_go(self._open.clear)

    def kinds(self) -> Mapping[str, JobKind]:
        """Return what the worker can do, by the name of the job's kind."""
        return {"chat": self.chat, "replay": self.replay, "load": self.load, "unload": self.unload}

    def prepare(self, preset: str) -> None:
        """Load a preset before anybody asks; if that fails, the first request will say why."""
        try:
            self._models.get(preset)
        except (StudioError, ValueError) as error:
            logger.warning("The preset %s is not ready: %s", preset, error)

    def chat(self, lease: Lease) -> None:
        """Answer a person's message; the reply enters the history with the job's end."""
        started = monotonic()
        payload = lease.job.payload
        conversation_id = payload["conversation"]
        request = self._take_in(lease)
        model = self._load(payload["preset"], lease)
        recipe = Recipe(
            messages=(
                *self._earlier(conversation_id),
                {"role": "user", "content": for_recipe(request, self._media)},
            ),
            options=ReplyOptions.from_dict(payload["options"]),
            part=0,
            sample=0,
            preset=model.preset,
            preset_hash=model.preset_hash,
            environment=model.environment,
        )
        find_media = find_in_store(self._media)
        conversation = self._conversation(conversation_id, model, recipe.messages[:-1])
        question = read_parts(recipe.messages[-1]["content"], find_media)
        content = make_reply(conversation, question, recipe, media=self._media, listener=lease)
        lease.finish(
            {"content": [part for part in content if part["type"] != "tokens"], "seconds": monotonic() - started},
            record=lambda: self._history.append(conversation_id, "assistant", content, job=lease.job.id),
        )
        self._keep_open(conversation_id, conversation)
        self._compare(lease.job.id, request, content)

    def replay(self, lease: Lease) -> None:
        """Make a file again from its recipe and compare."""
        from pipelines.presets import PRESETS

        file = Path(lease.job.payload["path"])
        recipe = read_recipe(file)
        preset = lease.job.payload["preset"] or recipe.preset
        if lease.job.payload["preset"] is None and preset not in PRESETS:
            raise StudioError(
                f"{file.name} was made with {preset!r}, which is not one of this program's presets. "
                "If you trust it, name it: studio replay FILE --preset NAME"
            )
        report, part = remake(file, recipe, self._load(preset, lease), media=self._media, listener=lease)
        lease.finish({"report": report.to_dict(), "content": [] if part is None else [part]})

    def load(self, lease: Lease) -> None:
        """Have the model of `payload["preset"]` ready before it is asked anything."""
        started = monotonic()
        self._load(lease.job.payload["preset"], lease)
        lease.finish({"seconds": monotonic() - started})

    def unload(self, lease: Lease) -> None:
        """Free the memory of the model of `payload["preset"]`, if it is this worker's; whoever asks it next waits for it."""
        if self._models.holds(lease.job.payload["preset"]):
            self._models.let_go()
        lease.finish({})

    def _load(self, preset: str, lease: Lease) -> Model:
        if self._models.holds(preset):
            return self._models.get(preset)
        lease.emit("loading", preset=preset)
        model = self._models.get(preset)
        lease.emit("ready")
        return model

    def _take_in(self, lease: Lease) -> Content:
        """Decode what was attached to a request and keep it in the studio's own formats; return the request's parts."""
        request = self._history.request(lease.job.id).content
        uploads = [part["upload"] for part in request if part["type"] == "upload"]
        if not uploads:
            return request
        content = [self._read_upload(part) if part["type"] == "upload" else part for part in request]
        self._history.replace_request(lease.job.id, content)
        for upload in uploads:
            self._media.discard_upload(upload)
        return content

    def _read_upload(self, part: Mapping[str, Any]) -> Mapping[str, Any]:
        from encoders.files import MediaError, read_media

        path = self._media.upload_path(part["upload"])
        try:
            media = read_media(path)
        except MediaError as error:
            raise fault("unreadable", said=str(error).replace(path.name, part["name"]), name=part["name"]) from error
        if part["modality"] not in (None, media.modality.value):
            raise fault("other-kind", name=part["name"], held=media.modality.value, asked=part["modality"])
        stored, _ = self._media.add(media)
        return {"type": stored.modality, "media": stored.id}

    def _compare(self, job: str, request: Content, reply: Content) -> None:
        """Flag what is nearly the same as something in the library, and say so below the reply, which stands already."""
        from studio.library.artefacts import compare_at_once
        from studio.library.library import Library

        shown, made = ([part["media"] for part in content if "media" in part] for content in (request, reply))
        try:
            compare_at_once(Library(self._history.store), [*shown, *made])
            self._history.add_notices(job, near_copy_sentences(self._history.store, made))
        except Exception:  # nothing here may make a reply fail that the person has; the next search compares again
            logger.exception("What job %s made was not compared with the library", job)

    def _earlier(self, conversation: str) -> list[dict[str, Any]]:
        """Return the conversation so far as a recipe tells it."""
        return [
            {"role": message.role, "content": for_recipe(message.content, self._media)}
            for turn in self._history.turns(conversation)
            for message in turn
        ]

    def _conversation(self, conversation_id: str, model: Model, earlier: Sequence[Mapping[str, Any]]) -> "Conversation":
        """Return the open conversation if it stands where the history does, else take it up again."""
        history, conversation = self._open.pop(conversation_id, ("", None))
        if conversation is not None and history == json.dumps(earlier):
            return conversation
        return open_conversation(model.pipe, earlier, find_in_store(self._media))

    def _keep_open(self, conversation_id: str, conversation: "Conversation") -> None:
        conversation.release()  # the history keeps its turns, the store its media
        self._open[conversation_id] = json.dumps(self._earlier(conversation_id)), conversation
        while len(self._open) > MAX_OPEN_CONVERSATIONS:
            self._open.popitem(last=False)

"""The studio in Python: talk with a model, keep what it makes, make it again."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.conversation.export import copy_media
from studio.conversation.history import Content
from studio.conversation.reply import find_in_store, for_recipe, make_reply, open_conversation, read_parts
from studio.errors import StudioError
from studio.home import studio_home
from studio.library.near_copies import near_copy_sentences
from studio.media_store import MediaStore
from studio.models.in_memory import Model, OneModel
from studio.models.presets import DEFAULT_PRESET, preset_name
from studio.options import ReplyOptions, draw_seed
from studio.recipe import Recipe, read_recipe
from studio.remake import remake
from studio.replay import ReplayReport
from studio.store import Store

if TYPE_CHECKING:
    from encoders.media import Media
    from pipelines.any_to_any import AnyToAnyPipeline
    from pipelines.conversation import Conversation

    Shown = Media | str | Path | Sequence[Media | str | Path]

OnEvent = Callable[[str, Mapping[str, Any]], None]


@dataclass(frozen=True)
class Reply:
    """A reply: its text, its media in order, what the person should know, and the seed that makes it again."""

    text: str
    media: "tuple[Media, ...]"
    notices: tuple[str, ...]
    seed: int
    content: Content
    store: MediaStore

    def save(self, folder: str | Path) -> list[Path]:
        """Write the media, recipes inside, into a folder as image-1.png, audio-1.wav...; no file is overwritten."""
        return copy_media(self.store, self.content, Path(folder))

    def near_copies(self) -> list[str]:
        """Compare what was made with the library; say what is the same as something there, or nearly so."""
        from studio.library.artefacts import compare_at_once
        from studio.library.library import Library

        made = [part["media"] for part in self.content if "media" in part]
        compare_at_once(Library(self.store.store), made)
        return [*near_copy_sentences(self.store.store, made)]


class Studio:
    """A model with a place to keep what it makes. It is loaded when it is first needed, in this process."""

    def __init__(
        self, preset: str = DEFAULT_PRESET, *, home: str | Path | None = None, models: OneModel | None = None
    ) -> None:
        self.preset = preset_name(preset)
        self.media = MediaStore(Store(studio_home(home)))
        self._models = models or OneModel()

    @property
    def pipeline(self) -> "AnyToAnyPipeline":
        """The preset's pipeline."""
        return self.model.pipe

    @property
    def model(self) -> Model:
        """The pipeline with what recipes say about it."""
        return self._models.get(self.preset)

    def conversation(self) -> "Talk":
        """Begin a conversation."""
        return Talk(self)

    def chat(
        self,
        text: str = "",
        *,
        image: "Shown" = (),
        audio: "Shown" = (),
        video: "Shown" = (),
        options: ReplyOptions | None = None,
        seed: int | None = None,
        on_event: OnEvent | None = None,
    ) -> Reply:
        """Say one thing, in a conversation of its own. The arguments are those of `Talk.send`."""
        return self.conversation().send(
            text, image=image, audio=audio, video=video, options=options, seed=seed, on_event=on_event
        )

    def replay(self, file: str | Path, *, on_event: OnEvent | None = None) -> ReplayReport:
        """Make a file again from its recipe, with this studio's preset, and compare."""
        file = Path(file)
        report, _ = remake(file, read_recipe(file), self.model, media=self.media, listener=_Listener(on_event))
        return report


class Talk:
    """A conversation with a studio's model."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        self._messages: list[Mapping[str, Any]] = []
        self._conversation: Conversation | None = None

    def send(
        self,
        text: str = "",
        *,
        image: "Shown" = (),
        audio: "Shown" = (),
        video: "Shown" = (),
        options: ReplyOptions | None = None,
        seed: int | None = None,
        on_event: OnEvent | None = None,
    ) -> Reply:
        """Say something, showing media or files that hold them; `on_event(kind, data)` hears the reply as it is made.

        What `on_event` raises cancels the reply and leaves the conversation as it was. Without a seed or options a seed
        is drawn; the reply tells it.
        """
        model, media = self._studio.model, self._studio.media
        options = options or ReplyOptions(seed=draw_seed())
        options = options if seed is None else replace(options, seed=seed)
        request = [
            part
            for modality, shown in (("image", image), ("audio", audio), ("video", video))
            for part in _take_in(media, modality, shown)
        ]
        if text.strip():
            request.append({"type": "text", "text": text.strip()})
        if not request:
            raise StudioError("Say something, or show an image, a sound or a video.")
        message = {"role": "user", "content": request}
        recipe = Recipe(
            messages=(*self._messages, message),
            options=options,
            part=0,
            sample=0,
            preset=model.preset,
            preset_hash=model.preset_hash,
            environment=model.environment,
        )
        find_media = find_in_store(media)
        if self._conversation is None:
            self._conversation = open_conversation(model.pipe, (), find_media)
        question = read_parts(request, find_media)
        content = make_reply(self._conversation, question, recipe, media=media, listener=_Listener(on_event))
        self._messages += [message, {"role": "assistant", "content": for_recipe(content, media)}]
        return Reply(
            text="\n".join(part["text"] for part in content if part["type"] == "text"),
            media=tuple(find_media(media.get(part["media"]).content_hash) for part in content if "media" in part),
            notices=tuple(part["text"] for part in content if part["type"] == "notice"),
            seed=options.seed,
            content=content,
            store=media,
        )


class _Listener:
    """Pass what happens on to a function."""

    def __init__(self, on_event: OnEvent | None) -> None:
        self._on_event = on_event

    def check(self) -> None:
        pass

    def emit(self, kind: str, **data: Any) -> None:
        if self._on_event is not None:
            self._on_event(kind, data)

    def show_preview(self, slot: int, png: bytes) -> None:
        self.emit("preview", slot=slot, png=png)


def _take_in(media: MediaStore, modality: str, shown: "Shown") -> list[dict[str, Any]]:
    """Keep what is shown in the store; return it as a recipe's content parts."""
    from encoders.files import read_media

    several = [shown] if isinstance(shown, str | Path) or not isinstance(shown, Sequence) else shown
    parts = []
    for one in several:
        content = read_media(one) if isinstance(one, str | Path) else one
        if content.modality != modality:
            raise ValueError(f"What was given as {modality} holds {content.modality}.")
        stored, _ = media.add(content)
        parts.append({"type": modality, "sha256": stored.content_hash})
    return parts

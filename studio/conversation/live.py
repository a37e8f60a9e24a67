"""A reply while it is being made: what a job's events add up to so far, for whoever shows it."""

from dataclasses import dataclass, field

from studio.jobs.queue import JobEvent
from studio.notices import Notice


@dataclass
class LiveText:
    """A stretch of the reply's text, growing."""

    text: str


@dataclass
class LiveMedia:
    """One medium of the reply: at `step` of `num_steps` until `media` holds its id; `slot` is its preview's."""

    slot: int
    modality: str
    num_steps: int
    step: int = 0
    media: str | None = None


@dataclass
class LiveReply:
    """Fold events in the order they come; a new attempt starts over."""

    notices: list[Notice] = field(default_factory=list)
    is_loading: bool = False
    last_event: int = 0
    _texts: dict[int, LiveText] = field(default_factory=dict)
    _media: dict[tuple[int, int], LiveMedia] = field(default_factory=dict)

    @property
    def parts(self) -> list[LiveText | LiveMedia]:
        """Return the parts in the order of the reply, which is not the order in which they are finished."""
        keyed: list[tuple[tuple[int, int], LiveText | LiveMedia]] = [
            *(((part, 0), text) for part, text in self._texts.items()),
            *self._media.items(),
        ]
        return [part for _, part in sorted(keyed, key=lambda item: item[0])]

    def apply(self, event: JobEvent) -> None:
        self.last_event = event.id
        data = event.data
        match event.kind:
            case "started":
                self.notices, self.is_loading = [], False
                self._texts, self._media = {}, {}
            case "loading":
                self.is_loading = True
            case "ready":
                self.is_loading = False
            case "text":
                self._texts.setdefault(data["part"], LiveText("")).text += data["text"]
            case "media_started":
                medium = LiveMedia(data["slot"], data["modality"], data["num_steps"])
                self._media[data["part"], data["sample"]] = medium
            case "media_step":
                medium = self._media[data["part"], data["sample"]]
                medium.step, medium.num_steps = data["step"], data["num_steps"]
            case "media_done":
                medium = self._media[data["part"], data["sample"]]
                medium.modality, medium.media = data["modality"], data["media"]
            case "notice":
                self.notices.append(Notice.from_dict(data))
            case "ways":
                pass  # told to who asks how it came
            case "fault":
                pass  # told once the job has ended
            case _:
                raise ValueError(f"A reply has no event of kind {event.kind!r}.")

"""How turns are written for a core that was trained on another form than its tokenizer's, and where they end."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ChatForm:
    """A Jinja template that goes before the tokenizer's, texts that end a turn, and whether media have marks.

    A model that was trained to end its turns with plain text ("\\n###") writes it, and people never see it. Where
    `has_marks` is false, the features of media stand in the prompt without an opening and a closing mark around them.
    """

    template: str | None = None
    stops: tuple[str, ...] = ()
    has_marks: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "stops", tuple(self.stops))
        if not all(self.stops):
            raise ValueError("A text that ends a turn cannot be empty.")

"""The caption bridge: a core whose projections are not trained yet writes captions, which decoders read as their prompts.

The core is told to write each caption between marks, `<image>a red bell</image>`. The marks are plain text, so only what the
core itself writes is searched for them; in what a person says they are spelled another way before the core reads it.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from transformers import PreTrainedTokenizerBase

from encoders.media import Media, Text
from encoders.modality import Modality
from pipelines.prompt import Messages, SampledTokens, frame, read_parts

EXAMPLES: Mapping[Modality, str] = {
    Modality.IMAGE: "a red bell on a wooden table, soft light",
    Modality.AUDIO: "a small bell rings twice in a quiet room",
    Modality.VIDEO: "a red bell swings slowly from side to side",
}
NAMES: Mapping[Modality, str] = {
    Modality.IMAGE: "an image",
    Modality.AUDIO: "a sound",
    Modality.VIDEO: "a video",
    Modality.DEPTH: "a depth map",
    Modality.THERMAL: "a thermal image",
    Modality.IMU: "a motion recording",
}
MARK = re.compile(rf"<(/?)\s*({'|'.join(EXAMPLES)})\s*>", re.IGNORECASE)


@dataclass(frozen=True)
class Caption:
    """What the core wrote between a modality's marks."""

    modality: Modality
    text: str


@dataclass(frozen=True)
class Bridge:
    """What a model makes from captions (`makes`), and what it can be shown (`reads`)."""

    makes: tuple[Modality, ...]
    reads: frozenset[Modality]

    def phrase(self, messages: Messages, tokenizer: PreTrainedTokenizerBase) -> list[dict[str, Any]]:
        """Put messages as the core is to read them: told of the marks, of what it cannot read, and with captions.

        The instruction is a system message or, where the tokenizer's template has none, the beginning of the first.
        """
        phrased: list[dict[str, Any]] = [
            {"role": m.get("role"), "content": [self._phrase(part, m.get("role")) for part in read_parts(m)]}
            for m in messages
        ]
        if not self.makes:
            return phrased
        instruction = {"type": "text", "text": self.instruction + "\n\n"}
        if phrased and phrased[0]["role"] == "system":
            phrased[0]["content"] = [instruction, *phrased[0]["content"]]
        else:
            phrased.insert(0, {"role": "system", "content": [{"type": "text", "text": self.instruction}]})
        if _takes_system(tokenizer):
            return phrased
        system, first, *rest = phrased
        return [{"role": first["role"], "content": [*system["content"], *first["content"]]}, *rest]

    @property
    def instruction(self) -> str:
        """What the core is told to do."""
        things = " or ".join(NAMES[m] for m in self.makes)
        shown = "\n".join(mark(Caption(m, EXAMPLES[m])) for m in self.makes)
        return (
            f"You can make {things}. When the person asks for one, write its caption in English between marks, like "
            f"this:\n{shown}\nWhoever makes it reads only the caption, so name all that should be in it. "
            "Write marks only to make something, and do not mention them."
        )

    def notice(self, question: Sequence[Media], made: Collection[Media]) -> str | None:
        """What the person should know of a reply: that it rests on captions, and what of the question was not read."""
        notices = []
        unread = [m for m in NAMES if m not in self.reads and any(part.modality is m for part in question)]
        if unread:
            things = " or ".join(NAMES[m] for m in unread)
            notices.append(f"This model cannot read {things} yet: what was attached reached it as a remark only.")
        if any(part.modality in self.makes for part in made if not isinstance(part, Text)):
            notices.append("Made from captions that the model wrote: its own projections are not trained yet.")
        return " ".join(notices) or None

    def _phrase(self, part: Mapping[str, Any] | SampledTokens, role: str | None) -> Mapping[str, Any] | SampledTokens:
        if isinstance(part, SampledTokens):
            return part
        kind = part.get("type")
        if kind == Modality.TEXT and kind in part:
            value = part[kind]
            text = value.text if isinstance(value, Text) else str(value)
            return {"type": "text", "text": text if role == "assistant" else unmark(text)}
        if kind not in NAMES or kind not in part:
            return part  # not a part that any model takes: refused where all parts are checked
        modality = Modality(str(kind))
        if role == "assistant" and modality in self.makes:
            return {"type": "text", "text": mark(Caption(modality, part.get("caption") or NAMES[modality]))}
        if role != "assistant" and modality not in self.reads:
            return {"type": "text", "text": f"[{NAMES[modality]} was attached, which this model cannot read yet]"}
        return part


class CaptionStream:
    """Part a core's text, as it comes, into plain text and captions; at most so many captions, the rest stays text.

    A mark that is never closed, or inside which another opens, was no mark: it stays text.
    """

    def __init__(self, makes: Collection[Modality], max_captions: int) -> None:
        self._makes = makes
        self._left = max_captions
        self._held = ""  # text that may turn out to be a mark or a caption, not given out yet
        self._open: Modality | None = None  # held then begins with this modality's opening mark

    def push(self, text: str) -> list[str | Caption]:
        """Take more text; return what is now certain, in order."""
        self._held += text
        pieces: list[str | Caption] = []
        while True:
            if self._open is None:
                found = self._next_opening(0)
                if found is None:
                    pieces.append(self._give(len(self._held) - self._num_undecided()))
                    break
                pieces.append(self._give(found.start()))
                self._open = Modality(found[2].lower())
                continue
            found = self._inner_mark()
            if found is None:
                break
            if found[1] and found[2].lower() == self._open:
                caption = self._held[self._held.index(">") + 1 : found.start()].strip()
                self._held = self._held[found.end() :]
                if caption:
                    pieces.append(Caption(self._open, caption))
                    self._left -= 1
            else:
                pieces.append(self._give(found.start()))
            self._open = None
        return [piece for piece in pieces if piece]

    def flush(self) -> str:
        """Return what is still held back, as text."""
        self._open = None
        return self._give(len(self._held))

    def _next_opening(self, start: int) -> re.Match[str] | None:
        if self._left <= 0:
            return None
        marks = MARK.finditer(self._held, start)
        return next((found for found in marks if not found[1] and found[2].lower() in self._makes), None)

    def _inner_mark(self) -> re.Match[str] | None:
        """Find the first mark after the opening one that decides what it was: its closing one, or another opening."""
        marks = MARK.finditer(self._held, self._held.index(">") + 1)
        return next((found for found in marks if not found[1] or found[2].lower() == self._open), None)

    def _num_undecided(self) -> int:
        """How many of the last characters may be the beginning of a mark."""
        at = self._held.rfind("<")
        if self._left <= 0 or at < 0:
            return 0
        begun = re.sub(r"\s", "", self._held[at:]).lower()
        return len(self._held) - at if any(f"<{m}>".startswith(begun) for m in self._makes) else 0

    def _give(self, count: int) -> str:
        given, self._held = self._held[:count], self._held[count:]
        return given


def mark(caption: Caption) -> str:
    """Write a caption between its marks."""
    return f"<{caption.modality}>{caption.text}</{caption.modality}>"


def unmark(text: str) -> str:
    """Spell the marks in a person's text another way, so that the core cannot take them for its own."""
    return MARK.sub(r"‹\1\2›", text)


def _takes_system(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether a tokenizer's template writes a system message, and leaves it where it is in a longer conversation."""
    try:
        frame(("system", "user", "assistant", "user"), tokenizer, add_generation_prompt=True)
    except ValueError:
        return False
    return True

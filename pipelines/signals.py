"""The signal tokens: how the language core asks for a modality, and how it is told where an input's features stand."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from encoders.modality import Modality

# The three letters that name a modality's tokens, as NExT-GPT's [IMG0], [AUD0] and [VID0].
PREFIXES: Mapping[Modality, str] = {Modality.IMAGE: "IMG", Modality.AUDIO: "AUD", Modality.VIDEO: "VID"}


@dataclass(frozen=True)
class SignalSpan:
    """One complete run of a modality's signal tokens, at positions start (included) to end (excluded)."""

    modality: Modality
    start: int
    end: int


@dataclass(frozen=True)
class SignalTokens:
    """The new tokens of a core: an opening and a closing mark per input modality, then one run per output modality.

    The ids lie behind the base model's vocabulary, outside its tokenizer: no text can be tokenized into them.
    `counts` gives the length of each output modality's run; `first_id` is the number of rows of the base model's
    embedding (the core sets it). A core that was trained without marks (`has_marks`) has none.
    """

    counts: Mapping[Modality, int]
    inputs: tuple[Modality, ...] = (Modality.IMAGE, Modality.AUDIO, Modality.VIDEO)
    first_id: int = 0
    has_marks: bool = True

    def __post_init__(self) -> None:
        for modality, count in self.counts.items():
            if modality not in PREFIXES:
                raise ValueError(
                    f"No signal tokens can be made for {modality.value!r}; wanted one of: {_names(PREFIXES)}."
                )
            if count < 1:
                raise ValueError(f"A run of {modality.value!r} needs at least one signal token, not {count}.")
        # One order everywhere: that of the Modality enumeration, whatever the order of the mapping that was given.
        object.__setattr__(self, "counts", {m: self.counts[m] for m in Modality if m in self.counts})
        object.__setattr__(self, "inputs", tuple(m for m in Modality if m in self.inputs and m is not Modality.TEXT))

    @property
    def token_names(self) -> tuple[str, ...]:
        """The names of the new tokens, in the order of their ids."""
        marks = [name for m in self.inputs if self.has_marks for name in (f"<{m.value}>", f"</{m.value}>")]
        runs = [f"[{PREFIXES[m]}{i}]" for m, count in self.counts.items() for i in range(count)]
        return (*marks, *runs)

    @property
    def num_tokens(self) -> int:
        return self.num_marks + sum(self.counts.values())

    @property
    def num_marks(self) -> int:
        return 2 * len(self.inputs) if self.has_marks else 0

    @property
    def first_ids(self) -> dict[int, Modality]:
        """The id that starts each modality's run, the only signal tokens that are ever sampled."""
        return {self.run(modality)[0]: modality for modality in self.counts}

    def run(self, modality: Modality) -> tuple[int, ...]:
        """Return the ids of a modality's whole run."""
        if modality not in self.counts:
            can = _names(self.counts) or "nothing"
            raise ValueError(f"No signal tokens for {modality.value!r}; this core can ask for: {can}.")
        start = self.first_id + self.num_marks
        for other, count in self.counts.items():
            if other is modality:
                break
            start += count
        return tuple(range(start, start + self.counts[modality]))

    def marks(self, modality: Modality) -> tuple[int, ...]:
        """Return the ids of the opening and of the closing mark of an input; none where a core has no marks."""
        if modality not in self.inputs:
            raise ValueError(
                f"No marks for {modality.value!r}; this core can be shown: {_names(self.inputs) or 'text only'}."
            )
        start = self.first_id + 2 * self.inputs.index(modality)
        return (start, start + 1) if self.has_marks else ()

    def is_new(self, token_id: int) -> bool:
        """Say whether an id belongs to the new tokens and not to the base vocabulary."""
        return self.first_id <= token_id < self.first_id + self.num_tokens

    def name(self, token_id: int) -> str:
        """Return the name of a new token."""
        return self.token_names[token_id - self.first_id]

    def find(self, ids: Sequence[int]) -> tuple[SignalSpan, ...]:
        """Find the complete runs in any sequence of ids; broken, cut and shuffled runs are no runs."""
        return tuple(self._spans(ids))

    def _spans(self, ids: Sequence[int]) -> Iterator[SignalSpan]:
        firsts = self.first_ids
        position = 0
        while position < len(ids):
            modality = firsts.get(ids[position])
            if modality is not None:
                end = position + self.counts[modality]
                if tuple(ids[position:end]) == self.run(modality):
                    yield SignalSpan(modality, position, end)
                    position = end
                    continue
            position += 1


def _names(modalities: Mapping[Modality, object] | Sequence[Modality]) -> str:
    return ", ".join(m.value for m in modalities)

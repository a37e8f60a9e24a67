"""Something made directly by a decoder: what was wished for, the grid of wishes, and the recipe that makes one again."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from studio.errors import StudioError
from studio.faults import fault
from studio.options import MAX_SEED, MAX_STEPS, OUTPUTS
from studio.recipe import METADATA_KEY, Environment

FORMAT = "creation 1"
AXES = ("seed", "steps", "guidance", "strength", "words")
FRACTIONS = ("guidance", "strength")  # axes whose values need not be whole
MAX_CELLS = 36
MAX_GUIDANCE = 50.0
MIN_STRENGTH = 0.01
MAX_PROMPT = 1000


@dataclass(frozen=True)
class Wish:
    """One medium to be made; steps and guidance None leave the decoder's own values.

    A picture may begin with another one: `start` is its id, and `strength` how much of it may change, up to 1.
    """

    modality: str
    prompt: str
    seed: int
    steps: int | None = None
    guidance: float | None = None
    start: str | None = None
    strength: float | None = None

    def __post_init__(self) -> None:
        if self.modality not in OUTPUTS:
            raise StudioError(f"A decoder makes one of {', '.join(OUTPUTS)}, not {self.modality!r}.")
        if not self.prompt.strip():
            raise fault("no-wish")
        if len(self.prompt) > MAX_PROMPT:
            raise fault("long-wish", limit=MAX_PROMPT, count=len(self.prompt))
        _check("A seed", self.seed, 0, MAX_SEED)
        _check("The number of steps", self.steps, 1, MAX_STEPS)
        _check("The guidance", self.guidance, 0, MAX_GUIDANCE)
        _check("The strength", self.strength, MIN_STRENGTH, 1)
        if self.start is not None and self.modality != "image":
            raise fault("not-begun-with")

    @property
    def options(self) -> dict[str, Any]:
        """Return what a recipe says beside the words; what was not chosen of a start is left out."""
        chosen = {"start": self.start, "strength": self.strength}
        given = {name: value for name, value in chosen.items() if value is not None}
        return {"seed": self.seed, "steps": self.steps, "guidance": self.guidance, **given}


@dataclass(frozen=True)
class Axis:
    """One option with the values that it takes in turn, in a grid. Of "words", the first stands in the prompt."""

    name: str
    values: tuple[Any, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(f"{value:g}" if isinstance(value, int | float) else value for value in self.values)

    def applied(self, wish: Wish, value: Any) -> Wish:
        """Return a wish with one of the values."""
        if self.name == "words":
            return replace(wish, prompt=wish.prompt.replace(self.values[0], value))
        return replace(wish, **{self.name: value})


@dataclass(frozen=True)
class Creation:
    """The recipe of a medium that was made directly."""

    wish: Wish
    preset: str
    preset_hash: str
    environment: Environment

    def to_json(self) -> str:
        """Write it so that the library finds the request, the seed and the preset as in a reply's recipe."""
        content = [{"type": "text", "text": self.wish.prompt}]
        values = {
            "format": FORMAT,
            "modality": self.wish.modality,
            "messages": [{"role": "user", "content": content}],
            "options": self.wish.options,
            "preset": self.preset,
            "preset_hash": self.preset_hash,
            "environment": asdict(self.environment),
        }
        return json.dumps(values, ensure_ascii=True, separators=(",", ":"), sort_keys=True)

    def metadata(self) -> dict[str, str]:
        """Return what is written into the file."""
        return {METADATA_KEY: self.to_json()}

    @classmethod
    def from_json(cls, text: str) -> "Creation | None":
        """Read a recipe written by anyone; None if it is none of a creation. ValueError says what is wrong with it."""
        try:
            values = json.loads(text)
            if values["format"] != FORMAT:
                return None
            return cls(
                wish=Wish(values["modality"], values["messages"][0]["content"][0]["text"], **values["options"]),
                preset=str(values["preset"]),
                preset_hash=str(values["preset_hash"]),
                environment=Environment(**values["environment"]),
            )
        except (KeyError, IndexError, TypeError, json.JSONDecodeError) as error:
            raise ValueError(f"This recipe is damaged or not ours ({type(error).__name__}: {error}).") from error


def read_creation(path: Path) -> Creation | None:
    """Read the recipe in a file; None if it holds none of a creation."""
    from encoders.files import read_metadata

    text = read_metadata(path).get(METADATA_KEY)
    return None if text is None else Creation.from_json(text)


def read_axis(name: str, text: str, prompt: str) -> Axis:
    """Read the values of an axis, with commas between. Raises StudioError that says what was wanted."""
    written = [part.strip() for part in text.replace("，", ",").split(",") if part.strip()]
    if name not in AXES:
        raise StudioError(f"A grid goes over {', '.join(AXES)}, not {name!r}.")
    if len(written) < 2:
        raise fault("few-values")
    if name == "words":
        if written[0] not in prompt:
            raise fault("word-not-there", word=written[0])
        return Axis(name, tuple(written))
    try:
        return Axis(name, tuple(float(one) if name in FRACTIONS else int(one) for one in written))
    except ValueError:
        raise fault("odd-values" if name in FRACTIONS else "odd-whole-values", name=name, text=text) from None


def grid_of(wish: Wish, *, count: int = 1, across: Axis | None = None, down: Axis | None = None) -> list[list[Wish]]:
    """Return the wishes in rows: over the axes, or `count` seeds where there is none. Raises StudioError if too many."""
    if across is not None and down is not None and across.name == down.name:
        raise fault("same-axes")
    across = across or (
        Axis("seed", tuple((wish.seed + n) % (MAX_SEED + 1) for n in range(count))) if down is None else None
    )
    rows = [wish] if down is None else [down.applied(wish, value) for value in down.values]
    grid = [[row] if across is None else [across.applied(row, value) for value in across.values] for row in rows]
    if sum(map(len, grid)) > MAX_CELLS:
        raise fault("many-cells", limit=MAX_CELLS, count=sum(map(len, grid)))
    return grid


def to_payload(
    grid: Sequence[Sequence[Wish]], *, preset: str, across: Axis | None, down: Axis | None
) -> dict[str, Any]:
    """Return what a job of the worker is told."""
    return {
        "preset": preset,
        "grid": [[asdict(wish) for wish in row] for row in grid],
        "across": () if across is None else across.labels,
        "down": () if down is None else down.labels,
    }


def from_payload(payload: Mapping[str, Any]) -> list[list[Wish]]:
    """Return the wishes that `to_payload` wrote down."""
    return [[Wish(**wish) for wish in row] for row in payload["grid"]]


def _check(what: str, value: float | None, low: float, high: float) -> None:
    if value is not None and not low <= value <= high:
        raise StudioError(f"{what} is from {low:g} to {high:g}, not {value:g}.")

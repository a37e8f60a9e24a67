"""Our computations against recorded ones of the originals: which fixture is whose, and how far apart the two are.

A fixture is a folder with `io.safetensors`, whose `mid.*` and `out.*` the original computed. A family of fixtures is a
module `tests/golden/parity_<family>.py` with

    PREFIX = "biggan_deep"                          # or several: what the names of our fixtures of it begin with
    UNCOMPARED = {"mid.rows*": "why not"}           # optional: recorded tensors that ours has no counterpart of
    def compare(folder: Path) -> Iterator[Compared]: ...

`compare` yields `(name, ours, recorded)` for each tensor, under its name in the file, and as a fourth value a tolerance
of its own where the fixture's README gives one: a number, relative to the recorded tensor's largest magnitude, or
`Absolute(number)`. It may yield more under other names; what was not recorded, as None, is passed over: a fixture need
not have every tensor that ours has. A module imports this one as `from parity import Absolute`.
"""

import importlib.util
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

GOLDEN = Path(__file__).parent / "golden"
IO = "io.safetensors"
ALIKE = 0.5
RELATIVE = 1e-5  # a tanh-GELU, a wrong LayerNorm epsilon or a missing bias differ by 1e-5 to 2e-4


@dataclass(frozen=True)
class Absolute:
    """A tolerance in the tensor's own unit."""

    limit: float


Compared = tuple[str, Tensor, Tensor | None] | tuple[str, Tensor, Tensor | None, float | Absolute]


@dataclass(frozen=True, eq=False)
class Family:
    """The fixtures that one module compares."""

    prefixes: tuple[str, ...]
    compare: Callable[[Path], Iterator[Compared]]
    uncompared: Mapping[str, str]


@dataclass(frozen=True)
class Difference:
    """How far one tensor of ours is from the recorded one."""

    tensor: str
    relative: float
    absolute: float
    tolerance: float | Absolute = RELATIVE
    remark: str = ""

    @property
    def is_within(self) -> bool:
        if isinstance(self.tolerance, Absolute):
            return self.absolute <= self.tolerance.limit
        return self.relative <= self.tolerance

    @property
    def wanted(self) -> str:
        """The tolerance in words."""
        if isinstance(self.tolerance, Absolute):
            return f"{self.tolerance.limit:.0e} absolute"
        return f"{self.tolerance:.0e} relative"

    def __str__(self) -> str:
        found = f"{self.tensor} differs by {self.relative:.1e} relative, {self.absolute:.1e} absolute"
        return f"{found}; wanted {self.wanted} {self.remark}".strip()


@cache
def families() -> tuple[Family, ...]:
    """Load every family's module."""
    return tuple(_family(path) for path in sorted(GOLDEN.glob("parity_*.py")))


def fixtures(root: Path) -> dict[str, Family | None]:
    """The fixtures of a folder by name, each with its family; None if nobody reads one.

    It is the family with the longest prefix that fits; of another name, that of our fixture most alike in inputs and config.
    """
    found = {}
    for folder in sorted(path for path in root.iterdir() if (path / "config.json").is_file()):
        found[folder.name] = _by_name(folder.name) or _by_contents(folder)
    return found


def wanted_tensors(folder: Path, family: Family) -> list[str]:
    """Name the tensors that the original computed and that ours must."""
    recorded = sorted(name for name in _names(folder) if name.startswith(("mid.", "out.")))
    return [name for name in recorded if not any(fnmatchcase(name, pattern) for pattern in family.uncompared)]


@cache
def differences(folder: Path, family: Family) -> Mapping[str, Difference]:
    """Compute a fixture once: tensor name -> difference."""
    made: dict[str, Difference] = {}
    for name, ours, recorded, *tolerance in family.compare(folder):
        if recorded is not None:
            made[name] = _difference(name, ours, recorded, *tolerance)
    return made


def as_recorded(made: Tensor, recorded: Tensor, name: str) -> Tensor:
    """(B, C, H, W) -> the first samples and channels of it, and every so many-th place, as were recorded.

    How many places are left out, the name says (`..._ds4`); where it does not, the two heights do.
    """
    if made.ndim != 4:
        return made
    num_samples, num_channels, height, width = recorded.shape
    said = re.search(r"_ds(\d+)$", name)
    down, across = (int(said[1]),) * 2 if said else (made.shape[2] // height, made.shape[3] // width)
    return made[:num_samples, :num_channels, :: max(down, 1), :: max(across, 1)]


def _difference(name: str, ours: Tensor, recorded: Tensor, tolerance: float | Absolute = RELATIVE) -> Difference:
    if ours.shape != recorded.shape:
        remark = f"(shape {tuple(ours.shape)}, recorded {tuple(recorded.shape)})"
        return Difference(name, math.inf, math.inf, tolerance, remark)
    a, b = ours.detach().cpu().to(torch.float64), recorded.detach().cpu().to(torch.float64)
    if not a.numel():
        return Difference(name, 0.0, 0.0, tolerance)
    absolute = float((a - b).abs().max())
    if not math.isfinite(absolute):
        return Difference(name, math.inf, math.inf, tolerance, "(not finite)")
    largest = float(b.abs().max())
    relative = absolute / largest if largest else (math.inf if absolute else 0.0)
    return Difference(name, relative, absolute, tolerance)


def _by_name(name: str) -> Family | None:
    fitting = [(len(p), f) for f in families() for p in f.prefixes if name.startswith(p)]
    return max(fitting, key=lambda pair: pair[0])[1] if fitting else None


def _by_contents(folder: Path) -> Family | None:
    """Compare its inputs' names and its config's keys with those of our fixtures: half of either kind must be common."""
    given = _contents(folder)
    ours = {own.name: _contents(own) for own in GOLDEN.iterdir() if (own / "config.json").is_file()}
    likeness = {name: [_common(*pair) for pair in zip(given, own, strict=True)] for name, own in ours.items()}
    best = max(likeness, key=lambda name: sum(likeness[name]), default=None)
    return _by_name(best) if best is not None and max(likeness[best]) >= ALIKE else None


def _common(given: set[str], ours: set[str]) -> float:
    return len(given & ours) / max(len(given | ours), 1)


def _contents(folder: Path) -> tuple[set[str], set[str]]:
    """Name a fixture's inputs, whether they are recorded as bytes or not, and the keys of its config."""
    names = _names(folder) if (folder / IO).is_file() else []
    config: dict[str, object] = json.loads((folder / "config.json").read_text())
    return {name.removesuffix("_u8") for name in names if name.startswith("in.")}, set(config)


def _names(folder: Path) -> list[str]:
    """Name the tensors of a fixture, of which only the header is read."""
    with (folder / IO).open("rb") as file:
        header: dict[str, object] = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return [name for name in header if name != "__metadata__"]


def _family(path: Path) -> Family:
    spec = importlib.util.spec_from_file_location(f"golden_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    prefixes = (module.PREFIX,) if isinstance(module.PREFIX, str) else tuple(module.PREFIX)
    return Family(prefixes, module.compare, getattr(module, "UNCOMPARED", {}))

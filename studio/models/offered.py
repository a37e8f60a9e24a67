"""What people who are let in may have the server read, by its name: what whoever runs the studio put into its folder `shared`."""

import re
from pathlib import Path

from studio.faults import fault
from studio.home import root_home

FOLDER = "shared"
ROOT = Path(__file__).resolve().parents[2]  # where the worker looks for folders that are named without a path
_HUB_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*(@\w[\w.-]*)?")


def offered(home: Path) -> tuple[str, ...]:
    """Return the names of what a studio offers; `home` may be that of one of the people who share it."""
    return tuple(sorted(path.name for path in (root_home(home) / FOLDER).glob("*") if not path.name.startswith(".")))


def offered_path(home: Path, name: str) -> Path:
    """Return where what is offered by this name lies. Raises StudioError for every other name, and so for every path."""
    names = offered(home)
    if name not in names:
        raise fault("not-offered", name=name, offered=", ".join(names) or "–")
    return root_home(home) / FOLDER / name


def offered_part(home: Path, name: str) -> str:
    """Return a part of a model by the name that it is offered by, or by a hub id, which is no place on the server."""
    if name not in offered(home) and _HUB_ID.fullmatch(name) and not (ROOT / name).exists():
        return name
    return str(offered_path(home, name))

"""What people who are let in may name in a request, held by the worker too: a page that forgot to look opens nothing."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from studio.faults import fault
from studio.home import root_home
from studio.jobs.importing import LEFT_OUT, folder_of
from studio.jobs.queue import Job
from studio.models.offered import FOLDER, offered_part, offered_path
from studio.models.presets import page_preset
from studio.models.training_plan import BASELINES
from studio.store import Store

Asked = Mapping[str, Any]


def check_names(job: Job, store: Store) -> None:
    """Raise StudioError if a job names what its person is not offered; a job of whoever runs the studio may name anything."""
    if not job.is_confined and root_home(store.home) == store.home:
        return
    if job.payload.get("preset") is not None:
        _check_preset(str(job.payload["preset"]), store.home)
    check = _CHECKS.get(job.kind)
    if check is not None:
        check(job.payload, store)


def _check_preset(name: str, home: Path) -> None:
    from pipelines.presets import PRESETS

    _check_known(name, [*PRESETS, page_preset()], home)


def _check_import(asked: Asked, store: Store) -> None:
    folder_of(store.home, str(asked["name"]))
    for source in asked["sources"]:
        _check_offered(str(source), store.home)
    for part in (asked["base"], asked["encoder"], *asked["decoders"].values()):
        if part not in ("", None, LEFT_OUT):
            _check_offered(str(part), store.home, may_be_hub_id=True)


def _check_data(asked: Asked, store: Store) -> None:
    _check_offered(str(asked["data"]), store.home)


def _check_file(asked: Asked, store: Store) -> None:
    """A file that is made again is one of the person's own media."""
    path = Path(str(asked["path"]))
    is_known = store.row("SELECT 1 FROM files WHERE path = ?", str(path)) is not None
    if not is_known and not _is_within(path, store.home):
        raise fault("not-offered", name=path.name, offered="–")


def _check_generators(asked: Asked, store: Store) -> None:
    for name in (*asked.get("models", ()), *((asked["model"],) if "model" in asked else ())):
        _check_known(str(name), BASELINES, store.home)


def _check_known(name: str, known: Iterable[str], home: Path) -> None:
    """Hold a model to the known names and to what the person has imported or trained."""
    known = tuple(known)
    if name not in known and not (Path(name).is_absolute() and _is_within(Path(name), home)):
        raise fault("not-offered", name=Path(name).name, offered=", ".join(known))


def _check_offered(name: str, home: Path, *, may_be_hub_id: bool = False) -> None:
    """Hold a place to what lies in the studio's folder of what is shared, directly."""
    shared = root_home(home) / FOLDER
    if Path(name).parent == shared:
        offered_path(home, Path(name).name)
    elif may_be_hub_id:
        offered_part(home, name)
    else:
        raise fault("not-offered", name=Path(name).name, offered="–")


def _is_within(path: Path, home: Path) -> bool:
    return path.resolve().is_relative_to(home.resolve())


_CHECKS: Mapping[str, Callable[[Asked, Store], None]] = {
    "import": _check_import,
    "check": _check_data,
    "replay": _check_file,
    "lab": _check_generators,
    "figures": _check_generators,
}

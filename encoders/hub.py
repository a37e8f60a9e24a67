"""Hub repositories on this machine: fetched once, resumed where a download broke off, and used only when whole."""

from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path

from huggingface_hub import hf_hub_download, snapshot_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    IncompleteSnapshotError,
    LocalEntryNotFoundError,
)

from encoders.json_file import INDEX_SUFFIX, read_json, shards

DESCRIPTIONS = ("*.json", "*.txt", "*.model", "*.jinja")  # configs and vocabularies: nothing that could run
# Weights and their descriptions, and nothing that could run.
DOWNLOADED = (*DESCRIPTIONS, "*.safetensors", "*.md")
# The same weights once more, at another precision or for another library.
REPEATED = (
    "*.fp16.*",
    "*.bf16.*",
    "*.fp32.*",
    "*.non_ema.*",
    "*.fp16-*",
    "*-fp16*",
    "consolidated*",
    "original/*",
    "onnx/*",
)
INDEX = "model_index.json"
NOT_HERE = (EntryNotFoundError, HfHubHTTPError, LocalEntryNotFoundError, OSError)


def is_repository(name: str) -> bool:
    """Whether a name has the form of a hub repository, `owner/name`."""
    return name.count("/") == 1 and not name.startswith((".", "/", "~")) and not name.endswith("/")


def find_part(name: str | Path) -> Path:
    """Find a part by its folder or its hub repository. Raises ValueError that says what was looked for."""
    if Path(name).is_dir():
        return Path(name)
    if not is_repository(str(name)):
        raise ValueError(f"No folder {str(name)!r}; wanted a folder or a hub repository (owner/name).")
    return hub_folder(str(name))


def hub_folder(repository: str, revision: str | None = None, files: Sequence[str] = ()) -> Path:
    """Return the local copy of a repository's files, fetching what is missing.

    `files` are patterns; without any, weights and descriptions are fetched, of a diffusers repository those of the
    pipeline's parts. Raises ValueError that names the repository, what is missing of it, and how to get it.
    """
    try:
        wanted = list(files) or _wanted(repository, revision)
        ignored = None if files else list(REPEATED)
        folder = Path(snapshot_download(repository, revision=revision, allow_patterns=wanted, ignore_patterns=ignored))
    except IncompleteSnapshotError as error:
        missing = missing_files(Path(error.snapshot_path), files)
        raise ValueError(
            f"The repository {repository!r} is only partly on this machine (missing: {', '.join(missing) or 'files'}), "
            f"and the rest cannot be fetched now. {how_to_get(repository, revision, missing)}"
        ) from error
    except NOT_HERE as error:
        raise _unreachable(repository, revision, files, error) from error
    missing = missing_files(folder, files)
    if missing:
        raise ValueError(
            f"The repository {repository!r} is only partly on this machine; missing: {', '.join(missing)}. "
            f"{how_to_get(repository, revision, missing)}"
        )
    return folder


def hub_file(repository: str, names: Sequence[str], *, revision: str | None = None) -> Path:
    """Return the first of these files that a repository holds, from this machine's cache or downloaded.

    Of an index, the files that it lists are fetched too. Raises ValueError that names the repository, the file and how to
    get it.
    """
    for name in names:
        try:
            path = Path(hf_hub_download(repository, name, revision=revision))
        except NOT_HERE as error:
            last = error
            continue
        for shard in shards(path) if name.endswith(INDEX_SUFFIX) else ():
            hub_file(repository, (str(Path(name).parent / shard),), revision=revision)
        return path
    raise _unreachable(repository, revision, names[:1], last) from last


def hub_descriptions(repository: str, *, revision: str | None = None) -> Path:
    """Return the folder with a repository's configs and vocabularies, to which `hub_file` adds its other files."""
    try:
        return Path(snapshot_download(repository, revision=revision, allow_patterns=list(DESCRIPTIONS)))
    except NOT_HERE as error:
        raise _unreachable(repository, revision, ("config.json",), error) from error


def how_to_get(repository: str, revision: str | None, files: Sequence[str]) -> str:
    """Say how a person fetches files; a download that broke off goes on where it was."""
    command = " ".join(
        [
            f"hf download {repository}",
            *([f"--revision {revision}"] if revision else []),
            *(f"--include '{f}'" for f in files),
        ]
    )
    return f"With a network, run: {command} (it goes on where it broke off); or give the folder of a copy."


def missing_files(folder: Path, files: Sequence[str]) -> list[str]:
    """Name what a folder lacks: files that were asked for, and files that an index of shards in it names."""
    held = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    missing = [pattern for pattern in files if not any(fnmatch(name, pattern) for name in held)]
    for index in sorted(name for name in held if name.endswith(f".safetensors{INDEX_SUFFIX}")):
        beside = Path(index).parent
        missing += [name for shard in shards(folder / index) if (name := (beside / shard).as_posix()) not in held]
    return missing


def _wanted(repository: str, revision: str | None) -> list[str]:
    """Name what is wanted of a repository: of a diffusers pipeline its parts' folders, not the single files beside them."""
    try:
        index = read_json(Path(hf_hub_download(repository, INDEX, revision=revision)))
    except (EntryNotFoundError, LocalEntryNotFoundError):
        return list(DOWNLOADED)
    parts = [name for name, value in index.items() if isinstance(value, list)]
    return [INDEX, *(f"{part}/{pattern}" for part in parts for pattern in DOWNLOADED)]


def _unreachable(repository: str, revision: str | None, files: Sequence[str], error: Exception) -> ValueError:
    """Say why files of a repository are not at hand, and what to do about it."""
    if isinstance(error, GatedRepoError):
        return ValueError(
            f"The repository {repository!r} is given only to those who accept its terms: do so on its page on the hub, "
            f"then run hf auth login. {how_to_get(repository, revision, files)}"
        )
    needed = f" (needed: {', '.join(files)})" if files else ""
    return ValueError(
        f"The repository {repository!r} is neither on this machine nor can it be fetched{needed}. "
        f"{how_to_get(repository, revision, files)}"
    )

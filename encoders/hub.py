"""Fetch single files of public repositories: whole or not at all, and with a sentence that says how to get them by hand."""

from collections.abc import Sequence
from pathlib import Path

from huggingface_hub import hf_hub_download, snapshot_download
from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError

DESCRIPTIONS = ("*.json", "*.txt", "*.model")  # configs and vocabularies: nothing that could run


def hub_file(repository: str, names: Sequence[str], *, revision: str | None = None) -> Path:
    """Return the first of these files that a repository holds, from this machine's cache or downloaded.

    A broken download is taken up again where it stopped, and never used before it is whole. Raises ValueError that names
    the repository, the file and how to get it.
    """
    last: Exception | None = None
    for name in names:
        try:
            return Path(hf_hub_download(repository, name, revision=revision))
        except (EntryNotFoundError, HfHubHTTPError, OSError) as error:
            last = error
    raise _unreachable(repository, names[0]) from last


def hub_descriptions(repository: str, *, revision: str | None = None) -> Path:
    """Return the folder with a repository's configs and vocabularies, to which `hub_file` adds its other files."""
    try:
        return Path(snapshot_download(repository, revision=revision, allow_patterns=list(DESCRIPTIONS)))
    except (EntryNotFoundError, HfHubHTTPError, OSError) as error:
        raise _unreachable(repository, "config.json") from error


def _unreachable(repository: str, name: str) -> ValueError:
    return ValueError(
        f"The file {name} of the repository {repository} is not on this machine and cannot be fetched now. With a network, "
        f"`hf download {repository} {name}` fetches it; or give the folder of a copy."
    )

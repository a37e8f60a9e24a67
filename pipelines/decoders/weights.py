"""The weights' files of a diffusers folder, checked before a loader opens them: safetensors, all there, each whole."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from encoders.json_file import shards
from encoders.safe_folder import PICKLED, check_whole
from pipelines.decoders.catalogue import Component

STEMS = {"transformers": "model", "stable_diffusion": "model"}  # of the files' names; diffusers has its own
STEM = "diffusion_pytorch_model"


def check_files(
    folder: Path, components: Sequence[Component], variant: str | None, repository: str | None = None
) -> dict[str, str]:
    """Return which components have files of the variant asked for; the others have but one.

    Raises ValueError that names the repository, the file that is missing or cut short, and how to get it.
    """
    variants = {}
    for component in components:
        if not component.is_network:
            continue
        stem = STEMS.get(component.library, STEM)
        names = [stem] if variant is None else [f"{stem}.{variant}", stem]
        found = next((name for name in names if _files(folder / component.name, name)), None)
        if found is None:
            raise ValueError(_missing(folder, f"{component.name}/{names[0]}.safetensors", repository))
        if variant is not None and found == names[0]:
            variants[component.name] = variant
        for path in _files(folder / component.name, found):
            if not path.is_file():
                raise ValueError(_missing(folder, f"{component.name}/{path.name}", repository))
            check_whole(path)
    if variant is not None and not variants:
        raise ValueError(f"No weights of the variant {variant!r} are in {folder}; leave the variant out.")
    return variants


@contextmanager
def standard_names(folder: Path, variant: str | None) -> Iterator[Path]:
    """Name a part's folder in which an index of a variant's shards has the name that the stock loaders look for.

    diffusers named such an index otherwise until its release 0.32, and finds those only where no folder above has a dot
    in its name: such a folder is stood in for by one of links.
    """
    standard, older = _index_names(STEM, variant or "")
    if variant is None or (folder / standard).is_file() or not (folder / older).is_file():
        yield folder
        return
    with TemporaryDirectory() as links:
        for path in folder.iterdir():
            (Path(links) / (standard if path.name == older else path.name)).symlink_to(path.resolve())
        yield Path(links)


def _index_names(stem: str, variant: str) -> tuple[str, str]:
    """How an index of shards is called, and how diffusers once called that of a variant."""
    dotted = f".{variant}" if variant else ""
    return f"{stem}.safetensors.index{dotted}.json", f"{stem}.safetensors{dotted}.index.json"


def _files(folder: Path, name: str) -> list[Path]:
    """Name the files that hold one network: the file itself, or those that an index of shards names."""
    path = folder / f"{name}.safetensors"
    if path.is_file():
        return [path]
    stem, _, variant = name.partition(".")
    index = next((folder / index for index in _index_names(stem, variant) if (folder / index).is_file()), None)
    if index is None:
        return []
    files = shards(index)
    for file in files:
        if not file.endswith(".safetensors"):
            raise ValueError(f"{index} names {file!r}; wanted safetensors files.")
    return [folder / file for file in files]


def _missing(folder: Path, file: str, repository: str | None) -> str:
    part = (folder / file).parent
    pickles = sorted(p.name for p in part.iterdir() if p.suffix in PICKLED) if part.is_dir() else []
    if pickles:
        return (
            f"{repository or folder} has {part.name}/{pickles[0]} and no {file}: a pickle can run code as it is read, "
            "so it is never opened. Choose a repository or a revision with safetensors, or write them once with "
            f"python -m pipelines.safe_weights {part}"
        )
    if repository is None:
        return f"{folder / file} is missing; copy it there, or name the hub repository that it is from."
    return f"{repository}: the file {file} is not in {folder}; fetch it with: hf download {repository} {file}"

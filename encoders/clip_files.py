"""Find and read a CLIP: a folder, a file, one of open_clip's names with a tag, or a repository, in any published layout."""

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from encoders.clip_layouts import (
    huggingface_config,
    huggingface_preprocess,
    huggingface_state,
    openai_arguments,
    openai_config,
)
from encoders.clip_parts import TOKENIZER_FILES, ClipParts, build_parts
from encoders.hub import hub_descriptions, hub_file
from encoders.json_file import INDEX_SUFFIX, read_json
from encoders.weights import find_weights, read_weights

CONFIG_NAME, OTHER_CONFIG_NAME = "open_clip_config.json", "config.json"
PREPROCESSOR_NAME = "preprocessor_config.json"
WEIGHTS_NAME = "open_clip_model.safetensors"
OPEN_CLIP_WEIGHTS = (WEIGHTS_NAME, "open_clip_pytorch_model.safetensors", "open_clip_pytorch_model.bin")
OTHER_WEIGHTS = ("model.safetensors", "weights.safetensors", "pytorch_model.bin")


def read_clip_folder(folder: Path | str) -> ClipParts:
    """Read a folder in open_clip's layout, in Hugging Face's, or whose config.json is OpenAI's constructor arguments.

    Raises ValueError if a file is missing, unsafe or cut, asks for code to be run, or does not fit.
    """
    folder = Path(folder)
    path = find_weights(folder, OPEN_CLIP_WEIGHTS)
    if path is not None and (folder / CONFIG_NAME).is_file():
        values = read_json(folder / CONFIG_NAME)
        config, preprocess = values.get("model_cfg", values), values.get("preprocess_cfg")
        return build_parts(config, read_weights(path), str(path), preprocess=preprocess, folder=folder)
    path = find_weights(folder, OTHER_WEIGHTS)
    if path is None or not (folder / OTHER_CONFIG_NAME).is_file():
        raise ValueError(
            f"The CLIP folder '{folder.name}' is not complete. Wanted {CONFIG_NAME} and {WEIGHTS_NAME} (open_clip's layout, "
            f"which save_clip writes), or {OTHER_CONFIG_NAME} and {OTHER_WEIGHTS[0]} (Hugging Face's)."
        )
    values = read_json(folder / OTHER_CONFIG_NAME)
    if values.get("model_type") == "clip":
        return _read_huggingface(folder, values, path)
    if "transformer_width" in values:
        return build_parts(openai_config(values), read_weights(path), str(path))
    if "vision_cfg" in values:
        return build_parts(values, read_weights(path), str(path), folder=folder)
    raise ValueError(
        f"{folder / OTHER_CONFIG_NAME} describes a {values.get('model_type')!r}; wanted a CLIPModel of transformers "
        "('clip'), open_clip's model config, or the arguments of OpenAI's CLIP."
    )


def read_clip_checkpoint(path: Path | str, config: Mapping[str, Any] | str | None = None) -> ClipParts:
    """Read one file with OpenAI's or open_clip's parameter names.

    `config` is open_clip's model config, or its name for one. Without it the file is taken for one of OpenAI's: its sizes
    are found from its shapes, its heads are 64 wide and its activation is QuickGELU, which no file tells.
    """
    state = read_weights(path)
    if isinstance(config, str):
        config = _named_config(config)
    if config is None:
        try:
            config = openai_config(openai_arguments(state))
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
    return build_parts(config, state, str(path), folder=Path(path).parent)


def read_clip_by_name(name: str, tag: str | None) -> ClipParts:
    """Read one of open_clip's own models with one of its tags, as "ViT-B-32" with "laion2b_s34b_b79k".

    The activation is the one that the weights were trained with, whatever the name says. Raises ValueError that names what
    there is, or the repository and the file that are not at hand.
    """
    import open_clip  # heavy: it loads timm and torchvision

    config, tags = _named_config(name), open_clip.list_pretrained_tags_by_model(name)
    if tag not in tags:
        raise ValueError(f"{name} has no weights called {tag!r}; there are: {', '.join(tags) or 'none'}.")
    facts = open_clip.get_pretrained_cfg(name, tag)
    repository, _, file = facts.get("hf_hub", "").rpartition("/")
    if not repository:
        raise ValueError(
            f"open_clip knows no repository for {name} with {tag!r}, only {facts.get('url')}. Fetch that file, and give its "
            "path and this name to CLIPEncoder.from_checkpoint."
        )
    path = hub_file(repository, (f"{Path(file).stem}.safetensors", file) if file else OPEN_CLIP_WEIGHTS)
    config["quick_gelu"] = bool(config.get("quick_gelu") or facts.get("quick_gelu"))
    return build_parts(config, read_weights(path), str(path), preprocess=facts, folder=path.parent)


def read_clip_repository(repository: str, *, revision: str | None = None) -> ClipParts:
    """Read a repository in open_clip's or Hugging Face's layout, from this machine's cache or downloaded."""
    folder = hub_descriptions(repository, revision=revision)
    names = (OTHER_WEIGHTS[0], f"{OTHER_WEIGHTS[0]}{INDEX_SUFFIX}", OTHER_WEIGHTS[-1])
    hub_file(repository, OPEN_CLIP_WEIGHTS if (folder / CONFIG_NAME).is_file() else names, revision=revision)
    return read_clip_folder(folder)


def _read_huggingface(folder: Path, values: Mapping[str, Any], path: Path) -> ClipParts:
    config = huggingface_config(values)
    if any((folder / name).is_file() for name in TOKENIZER_FILES):
        config["text_cfg"]["hf_tokenizer_name"] = folder.name
    preprocessor = folder / PREPROCESSOR_NAME
    preprocess = huggingface_preprocess(read_json(preprocessor)) if preprocessor.is_file() else None
    state = huggingface_state(read_weights(path))
    return build_parts(config, state, str(path), preprocess=preprocess, folder=folder)


def _named_config(name: str) -> dict[str, Any]:
    import open_clip

    config: dict[str, Any] | None = open_clip.get_model_config(name) if name in open_clip.list_models() else None
    if config is None:
        near = ", ".join(get_close_matches(name, open_clip.list_models())) or "see open_clip.list_models()"
        raise ValueError(f"open_clip has no model called {name!r}; close to it: {near}.")
    return config

"""Build a CLIP of open_clip's classes from a model config and a state dict, with its image transform and its tokenizer."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from PIL import Image as PILImage
from torch import Tensor, nn

from encoders.clip_layouts import OPENAI_SCALARS
from encoders.json_file import read_json
from encoders.text_tokens import CLIP_VOCAB_SIZE, ClipRows, clip_encode, text_batch
from encoders.weights import floats, load_strictly

MODEL_FIELDS = (
    "embed_dim", "vision_cfg", "text_cfg", "quick_gelu", "custom_text", "multimodal_cfg", "init_logit_scale",
    "init_logit_bias", "nonscalar_logit_scale",
)  # fmt: skip
# What a config may tell a tokenizer: open_clip hands anything else to transformers, trust_remote_code included.
TOKENIZER_FIELDS = ("clean", "language", "split_special_tokens", "strip_sep_token")
TOKENIZER_FILES = ("tokenizer.json", "vocab.json", "tokenizer.model")
PREPROCESS_FIELDS = ("mean", "std", "interpolation", "resize_mode", "fill_color")


@dataclass(frozen=True, eq=False)
class ClipParts:
    """A CLIP, how it sees a picture, and how it reads texts: None if its vocabulary is not known."""

    model: nn.Module
    transform: Callable[[PILImage.Image], Tensor]
    tokenize: Callable[[list[str]], Tensor] | None


def build_parts(
    config: Mapping[str, Any],
    state: dict[str, Tensor],
    source: str,
    *,
    preprocess: Mapping[str, Any] | None = None,
    folder: Path | None = None,
) -> ClipParts:
    """Build the network and fit the state dict to it strictly; a tokenizer that the config names is in `folder`.

    Raises ValueError that names `source` and what does not fit.
    """
    from open_clip.transform import PreprocessCfg, image_transform_v2  # heavy: it loads torchvision

    state = _stripped(state)
    if any(name.startswith("text.") for name in state):  # the text tower in a module of its own: the same network
        config = {**config, "custom_text": True}
    model: Any = create_clip(config)
    state = _adapted(model, state)
    load_strictly(model, floats(state), source)
    known = {
        name: value for name, value in (preprocess or {}).items() if name in PREPROCESS_FIELDS and value is not None
    }
    transform = image_transform_v2(PreprocessCfg(size=model.visual.image_size, **known), is_train=False)
    return ClipParts(model.eval(), transform, _tokenizer(config["text_cfg"], folder))


def create_clip(config: Mapping[str, Any]) -> nn.Module:
    """Return an untrained open_clip model of that model config; no weights are fetched and nothing in it is run.

    Raises ValueError for a field that open_clip does not have, or a tower that its own configs do not name.
    """
    from open_clip import CLIP, CLIPTextCfg, CLIPVisionCfg, CoCa, CustomTextCLIP

    _check(config, MODEL_FIELDS, "a CLIP's config")
    if missing := [name for name in MODEL_FIELDS[:3] if name not in config]:
        raise ValueError(f"A CLIP's config lacks {', '.join(missing)}.")
    vision, text = dict(config["vision_cfg"]), dict(config["text_cfg"])
    _check(vision, {field.name for field in fields(CLIPVisionCfg)}, "vision_cfg")
    _check(text, {field.name for field in fields(CLIPTextCfg)}, "text_cfg")
    _check(text.get("tokenizer_kwargs") or {}, TOKENIZER_FIELDS, "tokenizer_kwargs")
    if vision.get("timm_model_name"):
        _check({vision["timm_model_name"]}, _named_by_open_clip("vision_cfg", "timm_model_name"), "timm_model_name")
        vision["timm_model_pretrained"] = False
    if text.get("hf_model_name"):
        _check({text["hf_model_name"]}, _named_by_open_clip("text_cfg", "hf_model_name"), "hf_model_name")
        text["hf_model_pretrained"] = False
    kind: Any = CLIP
    if config.get("custom_text") or text.get("hf_model_name"):
        kind = CoCa if "multimodal_cfg" in config else CustomTextCLIP
    rest = {name: value for name, value in config.items() if name not in ("vision_cfg", "text_cfg", "custom_text")}
    model: nn.Module = kind(**rest, vision_cfg=vision, text_cfg=text)
    return model


def _check(given: Collection[str], known: Collection[str], where: str) -> None:
    if unknown := sorted(set(given) - set(known)):
        raise ValueError(f"{where} holds {', '.join(unknown)}, which is refused; known: {', '.join(sorted(known))}.")


def _named_by_open_clip(tower: str, field: str) -> set[str]:
    """What the configs that open_clip ships name: networks of timm and transformers, without code of their own."""
    from open_clip import get_model_config, list_models

    return {name for model in list_models() if (name := get_model_config(model)[tower].get(field))}


def _stripped(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Take off what is not the network's: a wrapper's prefix, and the sizes beside OpenAI's parameters."""
    if all(name.startswith("module.") for name in state):
        state = {name.removeprefix("module."): tensor for name, tensor in state.items()}
    return {name: tensor for name, tensor in state.items() if name not in OPENAI_SCALARS}


def _adapted(model: Any, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename and reshape what older versions of open_clip, and Apple's MobileCLIP, wrote differently."""
    from open_clip import CLIP
    from open_clip.convert import convert_state_dict
    from open_clip.model import convert_to_custom_text_state_dict

    state = dict(convert_state_dict(model, state))
    if not isinstance(model, CLIP):
        state = dict(convert_to_custom_text_state_dict(state))
    state.pop("text.transformer.embeddings.position_ids", None)  # transformers before 4.31 saved a row of numbers
    for name in ("logit_scale", "logit_bias"):
        parameter = getattr(model, name)
        if name in state and parameter is not None and state[name].numel() == parameter.numel():
            state[name] = state[name].reshape(parameter.shape)
    return state


def _tokenizer(text: Mapping[str, Any], folder: Path | None) -> Callable[[list[str]], Tensor] | None:
    context_length = text.get("context_length", ClipRows().context_length)
    if name := text.get("hf_tokenizer_name"):
        in_folder = folder is not None and any((folder / file).is_file() for file in TOKENIZER_FILES)
        source = str(folder) if in_folder else name
        return _transformers_tokenizer(source, context_length, text, is_local=in_folder)
    if text.get("vocab_size", CLIP_VOCAB_SIZE) != CLIP_VOCAB_SIZE:
        return None
    encode, rows = clip_encode(), ClipRows(context_length)
    return lambda texts: text_batch(texts, encode, rows)


def _transformers_tokenizer(
    source: str, context_length: int, text: Mapping[str, Any], *, is_local: bool
) -> Callable[[list[str]], Tensor]:
    from open_clip.tokenizer import HFTokenizer

    if is_local:
        path = Path(source) / "tokenizer_config.json"
        if path.is_file() and "auto_map" in read_json(path):
            raise ValueError(f"{path} asks for code of its own to be run, which is never done.")
    # A text that spells a control token stays text.
    options = {**(text.get("tokenizer_kwargs") or {}), "split_special_tokens": True, "trust_remote_code": False}
    try:
        tokenizer: Callable[[list[str]], Tensor] = HFTokenizer(
            source, context_length, tokenizer_mode=text.get("tokenizer_mode"), local_files_only=is_local, **options
        )
    except OSError as error:
        raise ValueError(
            f"The tokenizer of this CLIP is in the repository {source}, which is not on this machine and cannot be fetched "
            f"now. With a network, `hf download {source}` fetches it."
        ) from error
    return tokenizer

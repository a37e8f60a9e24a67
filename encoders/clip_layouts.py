"""The layouts that CLIPs are published in, told as open_clip's config and parameter names: OpenAI's and Hugging Face's."""

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

OPENAI_HEAD_WIDTH = 64
OPENAI_RESNET_STRIDE = 32  # of a whole ResNet, from pixels to its attention pool
OPENAI_SCALARS = ("input_resolution", "context_length", "vocab_size")  # in the released archives, beside the parameters
ACTIVATIONS = {"quick_gelu": True, "gelu": False}
LEGACY_EOS = 2  # written in older configs by mistake; such models pool where the id is highest, as OpenAI's
LAYER_NORM_EPS = 1e-5
PILLOW_FILTERS = {2: "bilinear", 3: "bicubic"}

# Hugging Face's names, replaced one rule after the other.
RULES = (
    (r"^vision_model\.", "visual."),
    (r"^text_model\.", ""),
    (r"embeddings\.position_embedding\.weight$", "positional_embedding"),
    (r"embeddings\.patch_embedding\.", "conv1."),
    (r"embeddings\.", ""),
    (r"encoder\.layers\.", "transformer.resblocks."),
    (r"\.layer_norm([12])\.", r".ln_\1."),
    (r"\.self_attn\.", ".attn."),
    (r"\.mlp\.fc1\.", ".mlp.c_fc."),
    (r"\.mlp\.fc2\.", ".mlp.c_proj."),
    (r"pre_layrnorm\.", "ln_pre."),
    (r"post_layernorm\.", "ln_post."),
    (r"final_layer_norm\.", "ln_final."),
    (r"^visual_projection\.weight$", "visual.proj"),
    (r"^text_projection\.weight$", "text_projection"),
)
QUERY, KEY, VALUE = "q_proj.", "k_proj.", "v_proj."
TRANSPOSED = ("visual.proj", "text_projection")


def openai_config(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return open_clip's model config of the constructor arguments of OpenAI's `CLIP`."""
    return {
        "embed_dim": arguments["embed_dim"],
        "quick_gelu": True,
        "vision_cfg": {
            "image_size": arguments["image_resolution"],
            "layers": arguments["vision_layers"],
            "width": arguments["vision_width"],
            "head_width": OPENAI_HEAD_WIDTH,
            "patch_size": arguments["vision_patch_size"],
        },
        "text_cfg": {
            "context_length": arguments["context_length"],
            "vocab_size": arguments["vocab_size"],
            "width": arguments["transformer_width"],
            "heads": arguments["transformer_heads"],
            "layers": arguments["transformer_layers"],
        },
    }


def openai_arguments(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return the constructor arguments that the shapes of one of OpenAI's state dicts tell, with heads 64 wide.

    Raises ValueError if it is no such state dict.
    """
    try:
        width = state["ln_final.weight"].shape[0]
        text = {
            "embed_dim": state["text_projection"].shape[1],
            "context_length": state["positional_embedding"].shape[0],
            "vocab_size": state["token_embedding.weight"].shape[0],
            "transformer_width": width,
            "transformer_heads": width // OPENAI_HEAD_WIDTH,
            "transformer_layers": _count(state, r"transformer\.resblocks\.(\d+)\."),
        }
        if "visual.proj" in state:
            vision_width, _, _, patch_size = state["visual.conv1.weight"].shape
            side = round((state["visual.positional_embedding"].shape[0] - 1) ** 0.5)
            layers: int | list[int] = _count(state, r"visual\.transformer\.resblocks\.(\d+)\.")
            return text | _vision(layers, vision_width, patch_size, side * patch_size)
        side = round((state["visual.attnpool.positional_embedding"].shape[0] - 1) ** 0.5)
        layers = [_count(state, rf"visual\.layer{stage}\.(\d+)\.") for stage in (1, 2, 3, 4)]
        stem_width = state["visual.layer1.0.conv1.weight"].shape[0]
        return text | _vision(layers, stem_width, None, side * OPENAI_RESNET_STRIDE)
    except KeyError as error:
        raise ValueError(f"This is no CLIP in OpenAI's layout: it has no tensor {error}.") from error


def huggingface_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return open_clip's model config of the config.json of a transformers `CLIPModel`.

    Raises ValueError for what open_clip cannot compute: activations other than GELU and QuickGELU, or one of each.
    """
    from transformers import CLIPConfig  # heavy; it fills in what the file leaves at its default

    whole: Any = CLIPConfig.from_dict(dict(config))
    vision, text = whole.vision_config, whole.text_config
    activations = {vision.hidden_act, text.hidden_act}
    if len(activations) != 1 or not activations <= set(ACTIVATIONS):
        raise ValueError(
            f"This CLIP's towers use the activations {vision.hidden_act} and {text.hidden_act}; wanted one of "
            f"{', '.join(ACTIVATIONS)} in both."
        )
    pool = {} if text.eos_token_id == LEGACY_EOS else {"pool_type": "eos", "eos_id": text.eos_token_id}
    return {
        "embed_dim": whole.projection_dim,
        "quick_gelu": ACTIVATIONS[vision.hidden_act],
        "vision_cfg": {
            "image_size": vision.image_size,
            "patch_size": vision.patch_size,
            "layers": vision.num_hidden_layers,
            "width": vision.hidden_size,
            "head_width": vision.hidden_size // vision.num_attention_heads,
            **_shared(vision),
        },
        "text_cfg": {
            "context_length": text.max_position_embeddings,
            "vocab_size": text.vocab_size,
            "layers": text.num_hidden_layers,
            "width": text.hidden_size,
            "heads": text.num_attention_heads,
            **pool,
            **_shared(text),
        },
    }


def huggingface_preprocess(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return open_clip's preprocess config of a transformers preprocessor_config.json."""
    made = {"mean": values.get("image_mean"), "std": values.get("image_std")}
    made["interpolation"] = PILLOW_FILTERS.get(values.get("resample", 3))
    return {name: value for name, value in made.items() if value is not None}


def huggingface_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a `CLIPModel`'s state dict under open_clip's names; a name that no rule knows is left as it is.

    Raises ValueError if two names become one.
    """
    renamed: dict[str, Tensor] = {}
    for theirs, tensor in state.items():
        if theirs.endswith(".embeddings.position_ids"):  # a row of numbers that older files hold
            continue
        name = theirs
        for pattern, ours in RULES:
            name = re.sub(pattern, ours, name)
        if name in renamed:
            raise ValueError(f"Two tensors of this CLIP are {name}; one of them is called {theirs}.")
        renamed[name] = tensor.T if name in TRANSPOSED else tensor
    for query in [name for name in renamed if f".attn.{QUERY}" in name]:
        parts = [query.replace(QUERY, part) for part in (QUERY, KEY, VALUE)]
        if all(part in renamed for part in parts):
            renamed[query.replace(QUERY, "in_proj_")] = torch.cat([renamed.pop(part) for part in parts])
    return renamed


def _vision(layers: int | list[int], width: int, patch_size: int | None, image_size: int) -> dict[str, Any]:
    return {
        "vision_layers": layers,
        "vision_width": width,
        "vision_patch_size": patch_size,
        "image_resolution": image_size,
    }


def _shared(tower: Any) -> dict[str, Any]:
    """What both towers have in common. open_clip cuts width * mlp_ratio to a whole number, hence the half."""
    norm = {} if tower.layer_norm_eps == LAYER_NORM_EPS else {"norm_kwargs": {"eps": tower.layer_norm_eps}}
    return {"mlp_ratio": (tower.intermediate_size + 0.5) / tower.hidden_size, **norm}


def _count(state: Mapping[str, Tensor], pattern: str) -> int:
    return len({found[1] for name in state if (found := re.match(pattern, name))})

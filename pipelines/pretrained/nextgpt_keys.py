"""NExT-GPT's names and shapes, and ours: what a checkpoint must hold exactly, and where each of its tensors goes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from encoders.modality import Modality
from pipelines.projections import (
    NUM_HEADS,
    InputProjection,
    InputProjectionConfig,
    OutputProjection,
    OutputProjectionConfig,
)

HIDDEN, IN_WIDTH, QUERIES = 512, 1024, 77  # the released sizes, where a checkpoint lacks the tensor that would tell
GROUP_HEADS = 8  # of the 2024 grouping projection; no tensor tells
# The names of the projections in the first release and in 2024; what is inside has our names, but for these.
INPUTS = {True: "llama_proj.", False: "mm_input_projector."}
OUTPUTS: Mapping[bool, Mapping[Modality, str]] = {
    True: {
        Modality.IMAGE: "gen_text_hidden_fcs.0.",
        Modality.AUDIO: "gen_text_hidden_fcs_audio.0.",
        Modality.VIDEO: "gen_text_hidden_fcs_video.0.",
    },
    False: {
        Modality.IMAGE: "mm_output_img_projector.",
        Modality.AUDIO: "mm_output_aud_projector.",
        Modality.VIDEO: "mm_output_vid_projector.",
    },
}
RENAMED = {True: {}, False: {"fc": "in_fc", "model": "out_fc"}}
ADAPTED = "base_model.model."  # what peft puts before the names of an adapter's tensors


@dataclass(frozen=True)
class Place:
    """Where a tensor goes: the part of a model, its name there, and the shape that it must have."""

    part: str
    name: str
    shape: tuple[int, ...]


def fit(
    tensors: Mapping[str, Tensor], wanted: Mapping[str, Place], names: Mapping[str, str], source: str
) -> dict[str, dict[str, Tensor]]:
    """Hand every tensor to its place: part -> name -> tensor.

    Raises ValueError that lists all that is missing, extra or of another shape, by the names in the file.
    """
    wrong = [
        f"{names.get(name, name)} {tuple(tensors[name].shape)} instead of {place.shape}"
        for name, place in wanted.items()
        if name in tensors and tuple(tensors[name].shape) != place.shape
    ]
    found = {
        "missing": sorted(set(wanted) - set(tensors)),
        "extra": sorted(names.get(name, name) for name in set(tensors) - set(wanted)),
        "of the wrong shape": sorted(wrong),
    }
    if any(found.values()):
        report = "\n".join(f"{len(lines)} {what}:\n  " + "\n  ".join(lines) for what, lines in found.items() if lines)
        raise ValueError(f"{source} does not fit this model; nothing was written.\n{report}")
    parts: dict[str, dict[str, Tensor]] = {}
    for name, place in wanted.items():
        parts.setdefault(place.part, {})[place.name] = tensors[name]
    return parts


def input_places(
    tensors: Mapping[str, Tensor],
    *,
    is_legacy: bool,
    core_width: int,
    in_width: int | None = None,
    num_heads: int | tuple[int, ...] = GROUP_HEADS,
) -> tuple[InputProjectionConfig, dict[str, Place]]:
    """Read the kind and the sizes of the input projection off its tensors; `in_width` is the encoder's, if known."""
    prefix = INPUTS[is_legacy]
    given = _cut(tensors, prefix)
    kind: Literal["linear", "mlp", "group"] = "linear"
    if any(name.startswith("Qformer.") for name in given):
        raise ValueError("This checkpoint's input projection is a Q-Former; wanted a linear one, an MLP or a grouping.")
    if "in_fc.weight" in given or any(name.startswith("layers.") for name in given):
        kind = "group"
    elif any(name.startswith("layer.") for name in given):
        kind = "mlp"
    first = {"linear": "weight", "mlp": "layer.0.weight", "group": "in_fc.weight"}[kind]
    width = in_width or (given[first].shape[-1] if first in given else IN_WIDTH)
    config = InputProjectionConfig(
        width, core_width, kind, **(_group_sizes(given, num_heads) if kind == "group" else {})
    )
    # Theirs is the projection itself, ours holds it as `layer`; their MLP holds its layers under that name too.
    strip = "" if kind == "mlp" else "layer."
    return config, {
        prefix + name.removeprefix(strip): Place("input", name, shape) for name, shape in shapes(config).items()
    }


def output_places(
    tensors: Mapping[str, Tensor],
    modality: Modality,
    *,
    is_legacy: bool,
    core_width: int,
    condition_shape: tuple[int, ...] | None,
    num_heads: int = NUM_HEADS,
) -> tuple[OutputProjectionConfig, dict[str, Place]]:
    """Read the sizes of an output projection off its decoder's condition, or else off its tensors."""
    prefix = OUTPUTS[is_legacy][modality]
    given = _cut(tensors, prefix)
    theirs = {name: RENAMED[is_legacy].get(name, name) for name in ("fc", "model")}
    if condition_shape is not None:
        num_queries, out_width = (1, *condition_shape)[-2:]
    else:
        num_queries = given["query_embs"].shape[1] if "query_embs" in given else QUERIES
        last = f"{theirs['model']}.weight"
        out_width = len(given[last]) if last in given else HIDDEN
    first = f"{theirs['fc']}.weight"
    hidden = len(given[first]) if first in given else HIDDEN
    config = OutputProjectionConfig(core_width, out_width, num_queries, hidden, num_heads=num_heads)
    places = {}
    for name, shape in shapes(config).items():
        head, _, rest = name.partition(".")
        renamed = f"{theirs[head]}.{rest}" if head in theirs else name
        places[prefix + renamed] = Place(modality.value, name, shape)
    return config, places


def adapter_places(
    tensors: Mapping[str, Tensor], linears: Mapping[str, tuple[int, int]], lora: Mapping[str, Any]
) -> dict[str, Place]:
    """Name a LoRA adapter's tensors: rank and targets from peft's config, or else from the tensors that are there.

    `linears` are the shapes (out, in) of the base's linear layers by name.
    """
    given = [name for name in tensors if ".lora_A." in name or ".lora_B." in name]
    if not given and not lora:
        return {}
    rank = int(lora.get("r") or next((len(tensors[name]) for name in sorted(given) if ".lora_A." in name), 0))
    targets = set(lora.get("target_modules") or {name.split(".lora_")[0].rpartition(".")[2] for name in given})
    places = {}
    for name, (out_width, in_width) in linears.items():
        if name.rpartition(".")[2] in targets:
            for letter, shape in (("A", (rank, in_width)), ("B", (out_width, rank))):
                plain = f"{name}.lora_{letter}.weight"
                places[plain] = Place("adapter", ADAPTED + plain, shape)
    return places


def shapes(config: InputProjectionConfig | OutputProjectionConfig) -> dict[str, tuple[int, ...]]:
    """Return the names and shapes of a projection's tensors, which are not made."""
    with torch.device("meta"):
        module: nn.Module = (
            InputProjection(config) if isinstance(config, InputProjectionConfig) else OutputProjection(config)
        )
    return {name: tuple(value.shape) for name, value in module.state_dict().items()}


def _group_sizes(given: Mapping[str, Tensor], num_heads: int | tuple[int, ...]) -> dict[str, Any]:
    numbers = [name.split(".") for name in given if name.startswith("layers.")]
    if not numbers:
        return {"num_heads": num_heads}
    stages = range(1 + max(int(parts[1]) for parts in numbers))
    blocks = {(int(parts[1]), int(parts[3])) for parts in numbers if parts[2] == "blocks"}
    tokens = [given.get(f"layers.{stage}.group_token") for stage in stages]
    groups = [given.get(f"layers.{stage}.downsample.mlp_inter.fc2.weight") for stage in stages]
    return {
        "num_heads": num_heads,
        "hidden": len(given["in_fc.weight"]) if "in_fc.weight" in given else HIDDEN,
        "depths": tuple(sum(stage == of for of, _ in blocks) for stage in stages),
        "num_group_tokens": tuple(0 if token is None else token.shape[1] for token in tokens),
        "num_output_groups": tuple(len(group) for group in groups if group is not None),
    }


def _cut(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}

"""NExT-GPT: the released projections of its first version, and the projectors of its October 2024 code."""

import json
from collections.abc import Iterator
from pathlib import Path

import torch
from parity import Compared
from safetensors.torch import load_file
from torch import Tensor

from pipelines.projections import InputProjection, InputProjectionConfig, OutputProjection, OutputProjectionConfig

PREFIX = ("nextgpt_v0", "nextgpt_v15")
PREFIXES = {
    "image": ("gen_text_hidden_fcs.0.", "mm_output_img_projector."),
    "video": ("gen_text_hidden_fcs_video.0.", "mm_output_vid_projector."),
    "audio": ("gen_text_hidden_fcs_audio.0.", "mm_output_aud_projector."),
}  # fmt: skip
RENAMED = {"in_fc.": "fc.", "out_fc.": "model."}


@torch.no_grad()
def compare(folder: Path) -> Iterator[Compared]:
    """Run both projections on the recorded inputs."""
    weights, recorded = load_file(folder / "weights.safetensors"), load_file(folder / "io.safetensors")
    sizes = json.loads((folder / "config.json").read_text())
    for modality, prefixes in PREFIXES.items():
        values = {key.removeprefix(p): v for key, v in weights.items() for p in prefixes if key.startswith(p)}
        for theirs, ours in RENAMED.items():
            values = {ours + k.removeprefix(theirs) if k.startswith(theirs) else k: v for k, v in values.items()}
        yield from _output(modality, values, recorded)
    if "out.llama_proj" in recorded:
        values = {k.removeprefix("llama_proj."): v for k, v in weights.items() if k.startswith("llama_proj.")}
        core_width, width = values["weight"].shape
        made = _input(InputProjectionConfig(width, core_width, "linear"), values, recorded["in.imagebind_embedding"])
        yield "out.llama_proj", made, recorded["out.llama_proj"]
    if "out.input_mlp" in recorded:
        start = "mm_input_projector_mlp.layer."
        values = {k.removeprefix(start): v for k, v in weights.items() if k.startswith(start)}
        config = InputProjectionConfig(sizes["imagebind_dim"], sizes["llm_hidden"], "mlp")
        yield (
            "out.input_mlp",
            _input(config, values, recorded["in.imagebind_embedding"])[:, 0],
            recorded["out.input_mlp"],
        )
    if "out.input_group" in recorded:
        start = "mm_input_projector."
        values = {k.removeprefix(start): v for k, v in weights.items() if k.startswith(start)}
        config = InputProjectionConfig(
            sizes["imagebind_dim"],
            sizes["llm_hidden"],
            "group",
            hidden=sizes["proj_hidden"],
            num_heads=sizes["nhead"],
            depths=tuple(sizes["group"]["depths"]),
            num_group_tokens=tuple(sizes["group"]["num_group_tokens"]),
            num_output_groups=tuple(sizes["group"]["num_output_groups"]),
        )
        yield "out.input_group", _input(config, values, recorded["in.imagebind_patches"]), recorded["out.input_group"]


def _input(config: InputProjectionConfig, values: dict[str, Tensor], given: Tensor) -> Tensor:
    projection = InputProjection(config).eval()
    projection.layer.load_state_dict(values, strict=True)
    return projection(given if given.ndim == 3 else given[:, None])


def _output(modality: str, values: dict[str, Tensor], recorded: dict[str, Tensor]) -> Iterator[Compared]:
    queries, fc, out = values["query_embs"], values["fc.weight"], values["model.weight"]
    layers = len({key.split(".")[3] for key in values if key.startswith("tfm.encoder.layers.")})
    config = OutputProjectionConfig(fc.shape[1], len(out), queries.shape[1], fc.shape[0], layers)
    projection = OutputProjection(config).eval()
    projection.load_state_dict(values, strict=True)
    states, embeddings = recorded[f"in.{modality}_hidden"], recorded[f"in.{modality}_token_embedding"]
    read = projection.fc(states + embeddings)
    mids = {"fc": read, "encoder_memory": projection.tfm.encoder(read)}
    for name, value in mids.items():
        if f"mid.{modality}_{name}" in recorded:
            yield f"mid.{modality}_{name}", value, recorded[f"mid.{modality}_{name}"]
    yield f"out.{modality}", projection(states, embeddings), recorded[f"out.{modality}"]

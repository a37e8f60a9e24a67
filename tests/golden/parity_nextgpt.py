"""NExT-GPT: the released projections of its first version, and the projectors of its October 2024 code.

Each fixture is imported as a checkpoint would be, beside the rows of a small random core, and read back.
"""

import json
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import nextgpt_checkpoint as published
import parts
import torch
from parity import Compared
from safetensors.torch import load_file
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from encoders.modality import Modality
from encoders.weights import load_strictly
from pipelines.checkpoint import PROJECTIONS, read_config, read_tensors
from pipelines.pretrained.nextgpt import NextGPTImport, import_nextgpt
from pipelines.pretrained.nextgpt_keys import GROUP_HEADS
from pipelines.projections import ConditionProjection, InputProjection

PREFIX = ("nextgpt_v0", "nextgpt_v15")
MLP = "mm_input_projector_mlp."  # the fixture's own name for a second input projection
INPUT = "mm_input_projector."
MLP_OUTPUT = "out.input_mlp"
GIVEN = {
    **dict.fromkeys(("out.llama_proj", "out.input_linear", MLP_OUTPUT), "in.imagebind_embedding"),
    "out.input_group": "in.imagebind_patches",
}
OUTPUTS = (Modality.IMAGE, Modality.AUDIO, Modality.VIDEO)


@torch.no_grad()
def compare(folder: Path) -> Iterator[Compared]:
    """Import the fixture, run what was imported on the recorded inputs, and look into the output projections."""
    weights, recorded = load_file(folder / "weights.safetensors"), load_file(folder / "io.safetensors")
    sizes = json.loads((folder / "config.json").read_text())
    plain = {name: value for name, value in weights.items() if not name.startswith(MLP)}
    has_mlp = len(plain) < len(weights)
    inputs, outputs = _imported(plain, sizes)
    for modality, projection in outputs.items():
        name = modality.value
        if f"in.{name}_hidden" not in recorded:
            continue
        states, embeddings = recorded[f"in.{name}_hidden"], recorded[f"in.{name}_token_embedding"]
        inner: Any = projection.projections["prompt_embeds"]
        read = inner.fc(states + embeddings)
        made = {f"mid.{name}_fc": read, f"mid.{name}_encoder_memory": inner.tfm.encoder(read)}
        made[f"out.{name}"] = projection(states, embeddings)["prompt_embeds"]
        yield from ((key, value, recorded.get(key)) for key, value in made.items())
    for key, given in GIVEN.items():
        if key in recorded and not (key == MLP_OUTPUT and has_mlp):
            tokens = recorded[given]
            made = inputs(tokens if tokens.ndim == 3 else tokens[:, None])
            yield key, made.reshape(recorded[key].shape) if tokens.ndim == 2 else made, recorded[key]
    if has_mlp and MLP_OUTPUT in recorded:
        plain = {name: value for name, value in weights.items() if not name.startswith(INPUT)}
        mlp, _ = _imported({name.replace(MLP, INPUT): value for name, value in plain.items()}, sizes)
        yield MLP_OUTPUT, mlp(recorded[GIVEN[MLP_OUTPUT]][:, None])[:, 0], recorded[MLP_OUTPUT]


def _imported(
    weights: Mapping[str, Tensor], sizes: Mapping[str, Any]
) -> tuple[InputProjection, Mapping[Modality, ConditionProjection]]:
    """Import projections with a small random core, and read them back: the images' input projection, the outputs."""
    tokenizer = parts.core_tokenizer()
    width = int(sizes["llm_hidden"])
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=width, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1
    )
    core = LlamaForCausalLM(config)
    counts = {modality: int(sizes[modality.value]["tokens"]) for modality in OUTPUTS}
    is_legacy = "llama_proj.weight" in weights
    rows = published.grown(core, sum(counts.values()) + 2 * is_legacy)
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        core.save_pretrained(home / "core")
        tokenizer.save_pretrained(home / "core")
        prefix = "llama_model." if is_legacy else ""
        torch.save({**weights, **{prefix + key: value for key, value in rows.items()}}, home / "pytorch_model.pt")
        options = NextGPTImport(
            sources=(home / "pytorch_model.pt",),
            base=str(home / "core"),
            output=home / "imported",
            encoder=str(home / "core"),  # nobody looks at these parts
            decoders=dict.fromkeys(OUTPUTS, str(home / "core")),
            counts=counts,
            group_heads=tuple(sizes["group"]["num_heads"]) if "group" in sizes else GROUP_HEADS,
            output_heads=int(sizes["nhead"]),
            checks_parts=False,
        )
        for _ in import_nextgpt(options):
            pass
        return _read(home / "imported")


def _read(folder: Path) -> tuple[InputProjection, Mapping[Modality, ConditionProjection]]:
    config, tensors = read_config(folder), read_tensors(folder / PROJECTIONS)

    def cut(prefix: str) -> dict[str, Tensor]:
        return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}

    inputs = InputProjection(config.encoders["imagebind"].projections[Modality.IMAGE])
    load_strictly(inputs, cut("input.imagebind.image."), str(folder))
    outputs = {}
    for modality, entry in config.decoders.items():
        shapes = {name: (one.num_queries, one.out_width) for name, one in entry.projections.items()}
        outputs[modality] = ConditionProjection(entry.projections, shapes).eval()
        load_strictly(outputs[modality], cut(f"output.{modality.value}."), str(folder))
    return inputs.eval(), outputs

"""The model folder that an imported NExT-GPT becomes: projections, token rows, adapter, and a card that says from what."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig
from torch import Tensor

from encoders.modality import Modality
from encoders.weights import write_tensors
from pipelines.checkpoint import ADAPTER, PROJECTIONS, TOKEN_ROWS, PipelineConfig, write_config
from pipelines.loading import LORA_FIELDS, write_adapter
from pipelines.pretrained.nextgpt_tokens import released_tokens, row_names, take_rows
from pipelines.signals import SignalTokens

LEGACY_LORA = {"lora_dropout": 0.1, "bias": "none", "task_type": "CAUSAL_LM"}  # L/config/stage_3.yaml
CARD = """# NExT-GPT, imported

From {files}. The weights that NExT-GPT's authors released are CC-BY-NC-SA-4.0: no commercial use. The base, the encoder and
the decoders have licences of their own.

- The projections are those of the checkpoint. Where all inputs shared one projection, each has a copy of it.
- Each signal token has its own rows, in our order and under our names; `<Img>` and `</Img>` of the first release became the
  marks of every input. In a run of the 2024 code, every other token is a copy of the space between two signal tokens.
- Prompts are written in the form that the model was trained on (`chat` in config.json); its `###` ends a reply.
- {rows}
"""


def write_parts(
    folder: Path, config: PipelineConfig, parts: Mapping[str, Mapping[str, Tensor]], lora: LoraConfig | None
) -> None:
    """Write the config, the projections and the adapter, in the checkpoint's own precision.

    A projection that all modalities shared is copied.
    """
    projections = {
        f"input.{name}.{modality.value}.{tensor}": value.clone()
        for name, entry in config.encoders.items()
        for modality in entry.projections
        for tensor, value in parts["input"].items()
    }
    for modality, decoder in config.decoders.items():
        for condition in decoder.projections:
            prefix = f"output.{modality.value}.projections.{condition}."
            projections |= {prefix + tensor: value for tensor, value in parts[modality.value].items()}
    write_tensors(folder / PROJECTIONS, projections, _dtype(projections))
    if lora is not None:
        write_adapter(folder / ADAPTER, lora, parts["adapter"], _dtype(parts["adapter"]))
    write_config(folder, config)


def write_rows(
    folder: Path,
    config: PipelineConfig,
    matrices: tuple[Tensor, Tensor],
    counts: Mapping[Modality, int],
    *,
    space: int | None,
) -> None:
    """Write our tokens' rows out of a checkpoint's embedding and head.

    `space` is the id of a lone space, for a checkpoint of 2024.
    """
    is_legacy = space is None
    read = tuple(next(iter(config.encoders.values())).projections) if config.encoders else ()
    signals = SignalTokens(config.counts, inputs=read, has_marks=config.chat.has_marks)
    tokens = released_tokens(counts, is_legacy=is_legacy)
    names = row_names(signals, counts, is_legacy=is_legacy)
    rows = {
        name: take_rows(matrix, tokens, names, space)
        for name, matrix in zip(("input_rows", "output_rows"), matrices, strict=True)
    }
    write_tensors(folder / TOKEN_ROWS, rows, _dtype(rows))


def lora_config(values: Mapping[str, Any], tensors: Mapping[str, Tensor], alpha: int) -> LoraConfig:
    """Read peft's config of an adapter; where there is none, as in the first release, its tensors tell all but alpha."""
    known = {name: values[name] for name in LORA_FIELDS if values.get(name) is not None}
    if not known:
        rank = next(len(value) for name, value in tensors.items() if ".lora_A." in name)
        targets = sorted({name.split(".lora_")[0].rpartition(".")[2] for name in tensors})
        known = {**LEGACY_LORA, "r": rank, "lora_alpha": alpha, "target_modules": targets}
    return LoraConfig(**known)


def write_card(folder: Path, files: Sequence[Path], rows: str) -> None:
    """Write README.md; `rows` says what became of the checkpoint's word embeddings."""
    sources = ", ".join(f"`{path.name}` (sha256 {_sha256(path)})" for path in files)
    (folder / "README.md").write_text(CARD.format(files=sources, rows=rows), encoding="utf-8")


def settle(folder: Path, output: Path) -> None:
    """Put a finished folder in its place, with every byte on the disk before it has its name."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
    folder.chmod(0o755)
    folder.replace(output)


def _dtype(tensors: Mapping[str, Tensor]) -> torch.dtype:
    """Return the number format that holds all of these exactly."""
    dtypes = [value.dtype for value in tensors.values()]
    dtype = dtypes[0] if dtypes else torch.float32
    for other in dtypes:
        dtype = torch.promote_types(dtype, other)
    return dtype


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

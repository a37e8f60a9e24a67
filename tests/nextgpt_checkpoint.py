"""Random NExT-GPT checkpoints in the original's own layouts, written from its description, for tests of the import."""

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

COUNTS = {"image": 4, "video": 24, "audio": 8}
LEGACY = {
    "image": "gen_text_hidden_fcs.0.",
    "video": "gen_text_hidden_fcs_video.0.",
    "audio": "gen_text_hidden_fcs_audio.0.",
}
OCTOBER = {
    "image": "mm_output_img_projector.",
    "video": "mm_output_vid_projector.",
    "audio": "mm_output_aud_projector.",
}
TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj")


class Projection(nn.Module):
    """The original's output projection; the names of its first and last layers changed in 2024."""

    def __init__(self, core_width: int, num_queries: int, out_width: int, hidden: int, first: str, last: str) -> None:
        super().__init__()
        self.first, self.last = first, last
        setattr(self, first, nn.Linear(core_width, hidden))
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="enable_nested_tensor")
            self.tfm = nn.Transformer(hidden, 4, 4, 4, 4 * hidden, dropout=0.0, batch_first=True, norm_first=True)
        setattr(self, last, nn.Linear(hidden, out_width))
        self.query_embs = nn.Parameter(torch.randn(1, num_queries, hidden))

    def forward(self, states: Tensor, embeddings: Tensor) -> Tensor:
        """(B, K, core_width) twice -> (B, num_queries, out_width)."""
        read = getattr(self, self.first)(states + embeddings)
        made: Tensor = getattr(self, self.last)(self.tfm(read, self.query_embs.repeat(len(read), 1, 1)))
        return made


def projections(
    core_width: int, sizes: Mapping[str, tuple[int, int]], *, hidden: int = 8, legacy: bool = True
) -> dict[str, Projection]:
    """Make the three; `sizes` are (num_queries, out_width)."""
    names = ("fc", "model") if legacy else ("in_fc", "out_fc")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(11)
        return {name: Projection(core_width, *size, hidden, *names).eval() for name, size in sizes.items()}


def grown(core: PreTrainedModel, num_new: int, *, trained: float = 0.0) -> dict[str, Tensor]:
    """The embedding and the head with rows for new tokens, the old ones `trained` by a little noise."""
    make = torch.Generator().manual_seed(12)
    matrices = {
        "model.embed_tokens.weight": core.get_input_embeddings().weight, "lm_head.weight": core.get_output_embeddings().weight,
    }  # fmt: skip
    return {
        name: torch.cat([
            value.detach() + trained * torch.randn(value.shape, generator=make),
            torch.randn(num_new, value.shape[1], generator=make),
        ])
        for name, value in matrices.items()
    }  # fmt: skip


def adapter(core: PreTrainedModel, targets: tuple[str, ...] = TARGETS, rank: int = 3) -> dict[str, Tensor]:
    """LoRA tensors by the names of the layers they adapt."""
    make = torch.Generator().manual_seed(13)
    made = {}
    for name, module in core.named_modules():
        if name.rpartition(".")[2] in targets:
            made[f"{name}.lora_A.weight"] = 0.3 * torch.randn(rank, module.in_features, generator=make)
            made[f"{name}.lora_B.weight"] = 0.3 * torch.randn(module.out_features, rank, generator=make)
    return made


def legacy_checkpoint(
    core: PreTrainedModel,
    outputs: Mapping[str, nn.Module],
    in_width: int,
    *,
    stage: int = 3,
    default: bool = True,
    trained: float = 0.0,
    counts: Mapping[str, int] = COUNTS,
) -> dict[str, Tensor]:
    """What the first release's code saves after a stage: stages 1 and 2 know no adapter."""
    core_width = core.get_input_embeddings().weight.shape[1]
    make = torch.Generator().manual_seed(14)
    state = {
        "llama_proj.weight": torch.randn(core_width, in_width, generator=make),
        "llama_proj.bias": torch.randn(core_width, generator=make),
    }
    for name, module in outputs.items():
        state |= {LEGACY[name] + key: value.detach() for key, value in module.state_dict().items()}
    prefix = "llama_model.base_model.model." if stage == 3 else "llama_model."
    state |= {prefix + key: value for key, value in grown(core, 2 + sum(counts.values()), trained=trained).items()}
    if stage == 3:
        infix = ".default.weight" if default else ".weight"
        state |= {prefix + key.removesuffix(".weight") + infix: value for key, value in adapter(core).items()}
    return state


def october_folder(
    folder: Path,
    core: PreTrainedModel,
    input_projection: Mapping[str, Tensor],
    outputs: Mapping[str, nn.Module],
    lora: Mapping[str, Any] | None = None,
) -> Path:
    """Write the files of the 2024 code: each stage's own, and after the third the adapter beside what else was trained."""
    folder.mkdir()
    matrices = grown(core, sum(COUNTS.values()))
    first = {f"model.mm_input_projector.{key}": value for key, value in input_projection.items()}
    second: dict[str, Tensor] = {}
    for name, module in outputs.items():
        second |= {f"model.{OCTOBER[name]}{key}": value.detach() for key, value in module.state_dict().items()}
    stale = {key: value + 1 for key, value in matrices.items()}
    torch.save(first | stale, folder / "mm_input_projector.bin")
    torch.save(second | (matrices if lora is None else stale), folder / "mm_output_projector.bin")
    if lora is not None:
        put = {f"base_model.model.{key}": value for key, value in (first | second | matrices).items()}
        torch.save(put, folder / "non_lora_trainables.bin")
        tensors = {
            f"base_model.model.{k}": v for k, v in adapter(core, tuple(lora["target_modules"]), lora["r"]).items()
        }
        torch.save(tensors, folder / "adapter_model.bin")
        (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", **lora}))
    return folder


def merged(
    core: PreTrainedModel, matrices: Mapping[str, Tensor], lora: Mapping[str, Tensor], scale: float
) -> PreTrainedModel:
    """The language model that the original runs: resized, its adapter added to its weights."""
    core.resize_token_embeddings(len(matrices["model.embed_tokens.weight"]), mean_resizing=False)
    state = core.state_dict()
    for name in {key.split(".lora_")[0] for key in lora}:
        state[f"{name}.weight"] += scale * lora[f"{name}.lora_B.weight"] @ lora[f"{name}.lora_A.weight"]
    core.load_state_dict(state | dict(matrices))
    return core.eval()

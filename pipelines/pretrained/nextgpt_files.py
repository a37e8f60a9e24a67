"""The files of a NExT-GPT checkpoint, of its first release or of its October 2024 code, as one state dict."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from encoders.json_file import read_json
from encoders.weights import find_weights, read_weights

WHOLE = ("pytorch_model.pt", "pytorch_model.bin", "pytorch_model.safetensors", "model.safetensors")
STAGES = ("mm_input_projector", "mm_output_projector", "non_lora_trainables")  # of 2024; a later stage's tensors count
ADDED_TOKENS = "added_tokens.json"
ADAPTER, ADAPTER_CONFIG = ("adapter_model.safetensors", "adapter_model.bin"), "adapter_config.json"
SUFFIXES = (".bin", ".pt", ".safetensors")
HOW_TO_GET = (
    "The released one is the file pytorch_model.pt of the hub repository ChocoWu/nextgpt_7b_tiva_v0: "
    "hf download ChocoWu/nextgpt_7b_tiva_v0 pytorch_model.pt --local-dir nextgpt"
)


@dataclass(frozen=True, eq=False)
class NextGPTFiles:
    """A checkpoint's tensors by plain names, the name that each has in its file, and its peft config if it has one.

    Plain names are those of the language model itself ("model.embed_tokens.weight", "...q_proj.lora_A.weight"), and
    beside it "llama_proj.", "gen_text_hidden_fcs.0.", ... (`is_legacy`) or "mm_input_projector.", ... (2024).
    `added_tokens` are the ids of what the training added to the tokenizer, where the tokenizer was saved beside.
    """

    is_legacy: bool
    tensors: dict[str, Tensor]
    names: dict[str, str]
    lora: dict[str, Any]
    added_tokens: dict[str, int]
    paths: tuple[Path, ...]


def read_nextgpt(sources: Sequence[Path]) -> NextGPTFiles:
    """Read one file, several files of which the later go before the earlier, or a folder of them; nothing is run.

    Raises ValueError if there is nothing to read, if it is no NExT-GPT, or if a name comes twice in one file.
    """
    paths = [path for source in sources for path in _files(source)]
    tensors: dict[str, Tensor] = {}
    names: dict[str, str] = {}
    lora: dict[str, Any] = {}
    for path in paths:
        if path.name == ADAPTER_CONFIG:
            lora = read_json(path)
            continue
        read = read_weights(path)
        plain = {name: plain_name(name) for name in read}
        if len(set(plain.values())) != len(plain):
            twice = sorted(name for name in plain if list(plain.values()).count(plain[name]) > 1)
            raise ValueError(f"{path} holds the same tensors under two names: {', '.join(twice)}.")
        tensors |= {plain[name]: tensor for name, tensor in read.items()}
        names |= {plain[name]: name for name in read}
    is_legacy = any(name.startswith(("llama_proj.", "gen_text_hidden_fcs")) for name in tensors)
    if is_legacy == any(name.startswith(("mm_input_", "mm_output_")) for name in tensors):
        what = "two generations of it at once" if is_legacy else "no projection of it"
        raise ValueError(
            f"This is no NExT-GPT checkpoint: {', '.join(map(str, paths))} holds {what}. Wanted llama_proj.* and "
            "gen_text_hidden_fcs*.0.* (first release), or mm_input_projector.* and mm_output_*_projector.* (2024)."
        )
    beside = paths[-1].parent / ADDED_TOKENS
    return NextGPTFiles(is_legacy, tensors, names, lora, read_json(beside) if beside.is_file() else {}, tuple(paths))


def plain_name(name: str) -> str:
    """Take off what a stage of training or a version of peft puts around a name."""
    for prefix in ("llama_model.", "base_model.model."):
        name = name.removeprefix(prefix)
    name = name.removeprefix("model.") if name.startswith("model.mm_") else name
    return name.replace(".lora_A.default.", ".lora_A.").replace(".lora_B.default.", ".lora_B.")


def _files(source: Path) -> list[Path]:
    if not source.is_dir():
        if not source.is_file():
            raise ValueError(f"There is no checkpoint at {source}. {HOW_TO_GET}")
        return [source]
    whole = find_weights(source, WHOLE)
    stages = [find_weights(source, [f"{stage}{suffix}" for suffix in SUFFIXES]) for stage in STAGES]
    found = [path for path in stages if path is not None] or ([whole] if whole is not None else [])
    if not found:
        wanted = ", ".join((*WHOLE[:2], *(f"{stage}.bin" for stage in STAGES)))
        raise ValueError(f"The folder {source} holds no NExT-GPT checkpoint; wanted one of: {wanted}. {HOW_TO_GET}")
    adapter = find_weights(source, ADAPTER)
    if adapter is not None:
        found += [source / ADAPTER_CONFIG, adapter]
    return found

"""Loading of the frozen parts with their stock loaders: known classes only, safetensors only, no code from folders."""

import json
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model_state_dict, set_peft_model_state_dict
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from pipelines.checkpoint import check_names, read_tensors, write_tensors
from pipelines.core import LanguageCore
from pipelines.quiet import quiet

CORES = ("llama", "mistral", "olmo2", "phi3", "qwen2", "qwen3")
ADAPTER_CONFIG, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
# The fields of a LoRA config that are read; others can name modules to import or files to open.
LORA_FIELDS = (
    "r", "lora_alpha", "lora_dropout", "target_modules", "exclude_modules", "bias", "use_rslora", "task_type",
    "fan_in_fan_out", "layers_to_transform", "layers_pattern", "rank_pattern", "alpha_pattern", "lora_bias",
)  # fmt: skip


def load_language_model(
    folder: Path, *, dtype: torch.dtype = torch.float32
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load a causal language model and its tokenizer. Raises ValueError for an unknown or unsafe one."""
    config = read_json(folder / "config.json")
    if config.get("model_type") not in CORES:
        raise ValueError(
            f"{folder / 'config.json'} describes a {config.get('model_type')!r}; wanted one of: {', '.join(CORES)}."
        )
    for name in ("config.json", "tokenizer_config.json"):
        if "auto_map" in read_json(folder / name):
            raise ValueError(f"{folder / name} asks for code of its own to be run, which is never done.")
    if not any(folder.glob("*.safetensors")):
        raise ValueError(f"A part of this model is missing: {folder} holds no safetensors file.")
    with quiet():
        model = AutoModelForCausalLM.from_pretrained(
            folder, dtype=dtype, use_safetensors=True, local_files_only=True, trust_remote_code=False
        )
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    model.train(mode=False)
    return model, tokenizer


def load_adapter(core: LanguageCore, folder: Path, *, is_trainable: bool = False) -> None:
    """Attach the LoRA adapter of a folder, strictly. Raises ValueError if it is of another kind or does not fit."""
    config = read_json(folder / ADAPTER_CONFIG)
    if config.get("peft_type") != "LORA":
        raise ValueError(f"{folder / ADAPTER_CONFIG} describes a {config.get('peft_type')!r} adapter; wanted 'LORA'.")
    lora = LoraConfig(**{name: config[name] for name in LORA_FIELDS if config.get(name) is not None})
    tensors = read_tensors(folder / ADAPTER_WEIGHTS)
    adapter = core.attach_lora(lora)
    check_names(set(tensors), set(get_peft_model_state_dict(adapter)), str(folder / ADAPTER_WEIGHTS))
    set_peft_model_state_dict(adapter, tensors)
    adapter.eval()
    for name, parameter in adapter.named_parameters():
        if "lora_" in name:
            parameter.requires_grad_(is_trainable)


def save_adapter(core: LanguageCore, folder: Path, dtype: torch.dtype = torch.float32) -> None:
    """Write a core's LoRA adapter as peft does, without the path of the base, so that stock peft loads it."""
    if core.adapter is None:
        raise ValueError("This core has no adapter to save.")
    folder.mkdir(parents=True, exist_ok=True)
    values = core.adapter.peft_config["default"].to_dict()
    values = {name: sorted(value) if isinstance(value, set) else value for name, value in values.items()}
    values |= {"base_model_name_or_path": None, "inference_mode": True}
    (folder / ADAPTER_CONFIG).write_text(json.dumps(values, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    write_tensors(folder / ADAPTER_WEIGHTS, get_peft_model_state_dict(core.adapter), dtype)


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object. Raises ValueError that names the file."""
    if not path.is_file():
        raise ValueError(f"A part of this model is missing: there is no file {path}.")
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    if not isinstance(values, dict):
        raise ValueError(f"{path} does not hold a JSON object.")
    return values

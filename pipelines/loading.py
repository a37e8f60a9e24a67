"""Loading of the core and its adapter with their stock loaders: known classes, whole safetensors, strict keys, no code."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model_state_dict, set_peft_model_state_dict
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES, MODEL_FOR_MASKED_LM_MAPPING_NAMES

from encoders.atomic import write_text
from encoders.json_file import read_json
from encoders.safe_folder import check_no_code, check_plain, check_weights
from encoders.weights import check_fit, check_report, write_tensors
from pipelines.checkpoint import read_tensors
from pipelines.core import LanguageCore
from pipelines.core_options import CoreOptions, load_arguments
from pipelines.quiet import quiet

# Every family that transformers itself can make write from left to right, without those that read in both directions.
CORES = frozenset(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES) - frozenset(MODEL_FOR_MASKED_LM_MAPPING_NAMES)
TESTED = ("llama", "mistral", "qwen2", "qwen3")
QUANTISED = ("bitsandbytes", "torchao")  # what a folder's own weights may be quantised by
ADAPTER_CONFIG, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
# The fields of a LoRA config that are read; others can name modules to import or files to open.
LORA_FIELDS = (
    "r", "lora_alpha", "lora_dropout", "target_modules", "exclude_modules", "bias", "use_rslora", "task_type",
    "fan_in_fan_out", "layers_to_transform", "layers_pattern", "rank_pattern", "alpha_pattern", "lora_bias",
)  # fmt: skip


def load_language_model(
    folder: Path, options: CoreOptions | None = None
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load any causal language model that transformers itself knows, and its tokenizer.

    Raises ValueError for an unknown, unsafe or incomplete one, and for options that this machine cannot follow.
    """
    _check_folder(folder)
    arguments = load_arguments(options or CoreOptions())
    with quiet():
        try:
            model, report = AutoModelForCausalLM.from_pretrained(
                folder,
                use_safetensors=True,
                local_files_only=True,
                trust_remote_code=False,
                ignore_mismatched_sizes=True,  # told below, with the other differences, instead of in a log
                output_loading_info=True,
                **arguments,
            )
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        except (ImportError, OSError, RuntimeError) as error:
            raise ValueError(f"The core in {folder} cannot be loaded: {error}") from error
    check_report(report, f"The core in {folder}")
    model.train(mode=False)
    return model, tokenizer


def load_adapter(core: LanguageCore, folder: Path, *, is_trainable: bool = False) -> None:
    """Attach the LoRA adapter of a folder, strictly. Raises ValueError if it is of another kind or does not fit."""
    config = read_json(folder / ADAPTER_CONFIG)
    check_no_code(config, folder / ADAPTER_CONFIG)
    if config.get("peft_type") != "LORA":
        raise ValueError(f"{folder / ADAPTER_CONFIG} describes a {config.get('peft_type')!r} adapter; wanted 'LORA'.")
    check_weights(folder)
    lora = LoraConfig(**{name: config[name] for name in LORA_FIELDS if config.get(name) is not None})
    tensors = read_tensors(folder / ADAPTER_WEIGHTS)
    adapter = core.attach_lora(lora)
    wanted = get_peft_model_state_dict(adapter)
    check_fit(tensors, wanted, str(folder / ADAPTER_WEIGHTS))
    set_peft_model_state_dict(adapter, tensors)
    adapter.eval()
    for name, parameter in adapter.named_parameters():
        if "lora_" in name:
            parameter.requires_grad_(is_trainable)


def save_adapter(core: LanguageCore, folder: Path, dtype: torch.dtype = torch.float32) -> None:
    """Write a core's LoRA adapter as peft does, without the path of the base, so that stock peft loads it."""
    if core.adapter is None:
        raise ValueError("This core has no adapter to save.")
    write_adapter(folder, core.adapter.peft_config["default"], get_peft_model_state_dict(core.adapter), dtype)


def write_adapter(folder: Path, config: LoraConfig, tensors: Mapping[str, Tensor], dtype: torch.dtype) -> None:
    """Write a LoRA adapter's config and tensors by peft's names."""
    folder.mkdir(parents=True, exist_ok=True)
    values: dict[str, Any] = config.to_dict()  # type: ignore[no-untyped-call]
    values = {name: sorted(value) if isinstance(value, set) else value for name, value in values.items()}
    values |= {"base_model_name_or_path": None, "inference_mode": True}
    write_tensors(folder / ADAPTER_WEIGHTS, tensors, dtype)
    write_text(folder / ADAPTER_CONFIG, json.dumps(values, indent=2, sort_keys=True) + "\n")


def _check_folder(folder: Path) -> None:
    """Raise ValueError unless a folder holds a causal language model that may be loaded."""
    config = read_json(folder / "config.json")
    check_no_code(config, folder / "config.json")
    if config.get("model_type") not in CORES:
        raise ValueError(
            f"{folder / 'config.json'} describes a {config.get('model_type')!r}; "
            f"wanted a causal language model that transformers knows, as {', '.join(TESTED)}."
        )
    read_json(folder / "tokenizer_config.json")
    check_plain(folder)
    method = (config.get("quantization_config") or {}).get("quant_method")
    if method is not None and method not in QUANTISED:
        raise ValueError(f"{folder} is quantised by {method!r}; wanted one of: {', '.join(QUANTISED)}, or none.")
    check_weights(folder)

"""How transformers loads and places the language core: precision, devices, quantisation, attention."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from encoders.options import DTYPES

CORE_DTYPES = ("auto", *DTYPES)
# What a core can be quantised to as it is loaded, and the library that does it.
QUANTISATIONS: Mapping[str, str] = {
    "bnb-8bit": "bitsandbytes",
    "bnb-4bit": "bitsandbytes",
    "torchao-int8": "torchao",
}
# transformers also takes the name of a hub repository here and runs the kernel that it downloads; these names do not.
ATTENTIONS = ("eager", "sdpa", "flash_attention_2", "flash_attention_3", "flex_attention")


@dataclass(frozen=True)
class CoreOptions:
    """How a core is loaded; plain values, so that a preset can name them before torch is loaded.

    `dtype` "auto" is that of the files. `device_map` is accelerate's: "auto", "balanced", a device, or devices by module;
    without one the core goes where the pipeline goes. Quantised weights need a library of their own.
    """

    dtype: str = "float32"
    device_map: str | Mapping[str, str | int] | None = None
    quantisation: str | None = None
    attention: str | None = None

    def __post_init__(self) -> None:
        _check("dtype", self.dtype, CORE_DTYPES)
        if self.quantisation is not None:
            _check("quantisation", self.quantisation, tuple(QUANTISATIONS))
        if self.attention is not None:
            _check("attention", self.attention, ATTENTIONS)


def load_arguments(options: CoreOptions) -> dict[str, Any]:
    """Return the options as `from_pretrained` of transformers takes them.

    Raises ValueError if they need a library that is not installed.
    """
    arguments: dict[str, Any] = {"dtype": options.dtype}
    if options.device_map is not None:
        places = options.device_map
        arguments["device_map"] = places if isinstance(places, str) else dict(places)
    if options.attention is not None:
        arguments["attn_implementation"] = options.attention
    if options.quantisation is not None:
        arguments["quantization_config"] = _quantisation_config(options.quantisation, options.dtype)
    return arguments


def _quantisation_config(name: str, dtype: str) -> Any:
    """Build the configuration that transformers hands to the library which quantises."""
    library = QUANTISATIONS[name]
    if find_spec(library) is None:
        raise ValueError(
            f"quantisation={name!r} needs {library}, which is not installed here: install it (pip install {library}), "
            "or load the core without quantisation."
        )
    if library == "torchao":
        from transformers import TorchAoConfig

        return TorchAoConfig(import_module(f"{library}.quantization").Int8WeightOnlyConfig())
    from transformers import BitsAndBytesConfig

    if name == "bnb-8bit":
        return BitsAndBytesConfig(load_in_8bit=True)
    compute = {} if dtype == "auto" else {"bnb_4bit_compute_dtype": dtype}
    return BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", **compute)


def _check(name: str, given: str, wanted: tuple[str, ...]) -> None:
    if given not in wanted:
        raise ValueError(f"No {name} {given!r}; wanted one of: {', '.join(wanted)}.")

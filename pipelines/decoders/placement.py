"""Where a decoder runs, at which precision, and what it gives up for memory or speed; diffusers does all of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

from encoders.options import DTYPES

if TYPE_CHECKING:
    import torch

Offload = Literal["none", "model", "sequential", "group"]


@dataclass(frozen=True)
class Placement:
    """How a diffusers pipeline is loaded and placed; plain values, so that a preset can name them before torch is loaded.

    `dtypes` names components whose precision differs, as in {"vae": "float32"}; `variant` is that of the weights'
    files ("fp16"). `offload` keeps what does not run in the CPU's memory: whole components ("model"), each layer
    ("sequential"), or groups of layers ("group"). `attention_backend` is a name that diffusers knows ("native",
    "flash", "sage", ...), of those that fetch no code; it is in force for every pipeline loaded after.
    `compile_blocks` compiles the denoiser's repeated blocks with torch.compile.
    """

    device: str = "cpu"
    dtype: str = "float32"
    dtypes: Mapping[str, str] = field(default_factory=dict)
    variant: str | None = None
    offload: Offload = "none"
    vae_tiling: bool = False
    vae_slicing: bool = False
    attention_backend: str | None = None
    compile_blocks: bool = False

    def __post_init__(self) -> None:
        for dtype in (self.dtype, *self.dtypes.values()):
            if dtype not in DTYPES:
                raise ValueError(f"No dtype {dtype!r}; wanted one of: {', '.join(DTYPES)}.")
        if self.offload not in get_args(Offload):
            raise ValueError(f"No offload {self.offload!r}; wanted one of: {', '.join(get_args(Offload))}.")
        if self.attention_backend is not None and "hub" in self.attention_backend:
            raise ValueError(
                f"attention_backend={self.attention_backend!r} runs code fetched from the hub, which is never done; "
                "install the backend's own package and name it, as in 'flash' or 'sage'."
            )
        if self.offload != "none" and self.device.partition(":")[0] == "cpu":
            raise ValueError(
                f"offload={self.offload!r} moves weights between the CPU and an accelerator, and the device is "
                f"{self.device!r}; name an accelerator, as in device='cuda'."
            )


def dtype_of(placement: Placement, component: str) -> "torch.dtype":
    """Return the precision that a component is loaded at."""
    import torch

    dtype = getattr(torch, placement.dtypes.get(component, placement.dtype))
    assert isinstance(dtype, torch.dtype)
    return dtype


def place(pipeline: Any, placement: Placement) -> None:
    """Apply a placement to a loaded pipeline. Raises ValueError that names the option that does not go with it."""
    vae = pipeline.components.get("vae")
    if placement.vae_tiling:
        _apply("vae_tiling", vae, "enable_tiling")
    if placement.vae_slicing:
        _apply("vae_slicing", vae, "enable_slicing")
    for denoiser in denoisers(pipeline):
        if placement.attention_backend is not None:
            if not _chooses_attention(denoiser):
                name = type(denoiser).__name__
                raise ValueError(f"attention_backend does not go with {name}, whose attention is PyTorch's own.")
            _apply("attention_backend", denoiser, "set_attention_backend", placement.attention_backend)
        if placement.compile_blocks:
            _apply("compile_blocks", denoiser, "compile_repeated_blocks")
    if placement.offload == "none":
        _apply(f"device={placement.device!r}", pipeline, "to", placement.device)
    else:
        offload(pipeline, placement.offload, placement.device)


def move(pipeline: Any, device: "torch.device | str", *, can_move: bool) -> None:
    """Move a pipeline to a device; one that is offloaded (not `can_move`) is left to its hooks."""
    if can_move:
        pipeline.to(device)


def offload(pipeline: Any, kind: Offload, device: str) -> None:
    """Keep in the CPU's memory what does not run, and bring it to `device` when it does."""
    import torch

    if kind == "group":  # a leaf at a time, the next one on its way while this one runs
        target = torch.device(device)
        options = {"offload_type": "leaf_level", "use_stream": target.type == "cuda"}
        _apply("offload='group'", pipeline, "enable_group_offload", target, **options)
    else:
        _apply(f"offload={kind!r}", pipeline, f"enable_{kind}_cpu_offload", device=device)


def denoisers(pipeline: Any) -> list[Any]:
    """Return a pipeline's denoising networks; a few have two."""
    return [part for name, part in pipeline.components.items() if name.startswith(("unet", "transformer")) and part]


def _chooses_attention(denoiser: Any) -> bool:
    """Tell whether a network's attention goes through diffusers' dispatch; the older kinds pass over a backend in silence."""
    processors = (getattr(module, "processor", None) for module in denoiser.modules())
    return any("_attention_backend" in dir(processor) for processor in processors)


def _apply(option: str, part: Any, method: str, *arguments: Any, **options: Any) -> None:
    if method not in dir(part):
        raise ValueError(f"{option} does not go with {type(part).__name__}: it has no {method}.")
    try:
        getattr(part, method)(*arguments, **options)
    except (ImportError, RuntimeError, ValueError) as error:
        raise ValueError(f"{option} does not go with {type(part).__name__}: {error}") from error

"""Train a LoRA adapter in weight space: one product with W + scale * B A in place of three small ones per layer.

The same function of the same parameters (Hu et al. 2021, equation 3). Where a core is small, the adapter's thin products
and its copies between precisions cost more than the base's own.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from peft.tuners.lora import Linear as LoraLinear
from torch import Tensor, nn
from torch.nn.functional import linear

_FORWARD = "forward"  # of an instance, before its class's own


@contextmanager
def folded(core: nn.Module) -> Iterator[None]:
    """Run the plain LoRA layers inside `core` folded; layers of another kind, or with dropout, run as they are."""
    layers = [module for module in core.modules() if isinstance(module, LoraLinear) and _is_plain(module)]
    for layer in layers:
        setattr(layer, _FORWARD, _folded_forward(layer))
    try:
        yield
    finally:
        for layer in layers:
            delattr(layer, _FORWARD)


def _is_plain(layer: LoraLinear) -> bool:
    """Whether an adapted layer is W x + scale * B A x and nothing else."""
    (name,) = layer.lora_A.keys()
    weight = layer.get_base_layer().weight
    return (
        type(layer.get_base_layer()) is nn.Linear
        and weight.dtype is layer.lora_A[name].weight.dtype
        and isinstance(layer.lora_dropout[name], nn.Identity)
        and not layer.use_dora[name]
        and not layer.lora_bias[name]
        and not layer.merged
    )


def _folded_forward(layer: LoraLinear) -> Any:
    (name,) = layer.lora_A.keys()
    base = layer.get_base_layer()
    down, up = layer.lora_A[name], layer.lora_B[name]
    assert isinstance(base, nn.Linear)
    assert isinstance(down, nn.Linear)
    assert isinstance(up, nn.Linear)
    scale = float(layer.scaling[name])

    def forward(x: Tensor) -> Tensor:
        """(..., in) -> (..., out)."""
        with torch.autocast(x.device.type, enabled=False):
            weight = torch.addmm(base.weight, up.weight, down.weight, alpha=scale)
        return linear(x, weight, base.bias)

    return forward

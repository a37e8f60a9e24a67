"""A folded adapter computes what peft's own layers compute, and is gone afterwards."""

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import nn
from torch.testing import assert_close

from training.folded_lora import folded


class Two(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.up, self.down = nn.Linear(12, 20), nn.Linear(20, 12, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.down(torch.relu(self.up(x)))
        return result


def adapted(dropout: float = 0.0) -> nn.Module:
    torch.manual_seed(0)
    config = LoraConfig(r=4, lora_alpha=8, lora_dropout=dropout, target_modules="all-linear", init_lora_weights=False)
    return get_peft_model(Two(), config)  # type: ignore[arg-type]


def outcome(model: nn.Module, x: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    model.zero_grad(set_to_none=True)
    y = model(x)
    y.square().sum().backward()
    return y.detach(), {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def test_values_and_gradients_are_those_of_peft() -> None:
    model, x = adapted(), torch.randn(3, 5, 12)
    plain, plain_gradients = outcome(model, x)
    with folded(model):
        fast, gradients = outcome(model, x)
    assert_close(fast, plain)
    assert gradients.keys() == plain_gradients.keys()
    assert all("lora_" in name for name in gradients)
    for name, gradient in gradients.items():
        assert_close(gradient, plain_gradients[name], rtol=1e-4, atol=1e-5)


def fail_inside(model: nn.Module) -> None:
    with folded(model):
        assert "forward" in {key for module in model.modules() for key in vars(module)}
        raise RuntimeError("stop")


def test_the_layers_are_their_own_again_afterwards() -> None:
    model = adapted()
    with pytest.raises(RuntimeError, match="stop"):
        fail_inside(model)
    assert "forward" not in {key for module in model.modules() for key in vars(module)}


def test_layers_with_dropout_run_as_they_are() -> None:
    model = adapted(dropout=0.1)
    with folded(model):
        assert "forward" not in {key for module in model.modules() for key in vars(module)}

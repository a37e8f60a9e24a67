"""Batch normalisation by class and latent, with the statistics of every truncation (Brock et al. 2018, appendix C.1)."""

from collections.abc import Callable
from math import modf

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from pipelines.baselines.spectral_norm import spectral_linear


class StandingBatchNorm(nn.Module):
    """Batch norm whose means and variances are a table (num_stats, channels), one row for each truncation in [0, 1].

    With a `condition_width` its gain and bias are linear in the condition, else they are parameters. While training it
    normalises by the batch itself and leaves the table alone: `set_standing_statistics` fills a row afterwards.
    """

    def __init__(self, num_channels: int, condition_width: int | None, *, num_stats: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.running_means: Tensor
        self.running_vars: Tensor
        self.register_buffer("running_means", torch.zeros(num_stats, num_channels))
        self.register_buffer("running_vars", torch.ones(num_stats, num_channels))
        self.is_conditional = condition_width is not None
        if condition_width is not None:
            self.scale = spectral_linear(condition_width, num_channels, bias=False, eps=eps)
            self.offset = spectral_linear(condition_width, num_channels, bias=False, eps=eps)
        else:
            self.weight = nn.Parameter(torch.ones(num_channels))
            self.bias = nn.Parameter(torch.zeros(num_channels))

    def forward(self, features: Tensor, condition: Tensor, truncation: float) -> Tensor:
        """(B, channels, H, W), (B, condition_width) -> (B, channels, H, W)."""
        mean, var = (None, None) if self.training else self.statistics(truncation)
        gain, bias = (None, None) if self.is_conditional else (self.weight, self.bias)
        normed = F.batch_norm(features, mean, var, gain, bias, training=self.training, eps=self.eps)
        if not self.is_conditional:
            return normed
        scale: Tensor = rearrange(self.scale(condition), "b c -> b c 1 1")
        offset: Tensor = rearrange(self.offset(condition), "b c -> b c 1 1")
        return normed * (1 + scale) + offset

    def statistics(self, truncation: float) -> tuple[Tensor, Tensor]:
        """Return the mean and the variance (channels) of a truncation.

        Between two rows the released weights' own code mixes them with the shares exchanged, and finds the place by a
        division in double precision that misses some rows (0.58 is at 28.999...). The same is done here.
        """
        share, row = modf(truncation / (1 / (len(self.running_means) - 1)))
        at = int(row)
        if share == 0:
            return self.running_means[at], self.running_vars[at]
        mean, var = (
            table[at] * share + table[at + 1] * (1 - share) for table in (self.running_means, self.running_vars)
        )
        return mean, var


@torch.no_grad()
def set_standing_statistics(network: nn.Module, row: int, run: Callable[[], None]) -> None:
    """Fill one row of every table in a network with the statistics of all that `run` passes through it.

    `run` calls the network, on latents of that row's truncation, as often as it likes: each batch is normalised by
    itself, the other layers evaluate, and the row gets mean and variance over all batches together.
    """
    norms = [module for module in network.modules() if isinstance(module, StandingBatchNorm)]
    modes = {module: module.training for module in network.modules()}
    sums: dict[nn.Module, Tensor] = {}

    def record(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        values = rearrange(inputs[0], "b c h w -> c (b h w)").to(torch.float64)
        moments = torch.stack([torch.ones_like(values).sum(1), values.sum(1), values.square().sum(1)])
        sums[norm] = sums[norm] + moments if norm in sums else moments

    network.eval()
    for norm in norms:
        norm.training = True  # its spectral layers stay in evaluation
    hooks = [norm.register_forward_pre_hook(record) for norm in norms]
    try:
        run()
    finally:
        for hook in hooks:
            hook.remove()
        for module, mode in modes.items():
            module.training = mode
    if len(sums) != len(norms):
        raise ValueError("Standing statistics want at least one batch, and none was run.")
    for norm in norms:
        count, total, squares = sums[norm]
        norm.running_means[row] = total / count
        norm.running_vars[row] = squares / count - (total / count).square()

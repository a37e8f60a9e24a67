"""The statistics of a truncation: which row is read, how two are mixed, and how a row is filled."""

import pytest
import torch
from torch import nn

from pipelines.baselines.batch_norm import StandingBatchNorm, set_standing_statistics

EPS = 1e-4
CONDITION = torch.zeros(1, 2)


def norm(num_channels: int = 3, *, num_stats: int = 51, condition_width: int | None = None) -> StandingBatchNorm:
    torch.manual_seed(0)
    made = StandingBatchNorm(num_channels, condition_width, num_stats=num_stats, eps=EPS)
    made.running_means.copy_(torch.arange(num_stats)[:, None].expand(-1, num_channels))
    made.running_vars.copy_(1 + 2 * made.running_means)
    return made


@pytest.mark.parametrize(
    ("truncation", "row"),
    # 0.58 / 0.02 is 28.999999999999996 in double precision and 0.14 / 0.02 is 7.000000000000001; since the shares of
    # the two rows are exchanged, that is row 28, and row 8.
    [(0.02, 1), (0.4, 20), (0.7, 35), (1.0, 50), (0.58, 28), (0.14, 8), (0.413, 20 + 0.35)],
)
def test_a_truncation_reads_the_rows_that_the_released_code_reads(truncation: float, row: float) -> None:
    mean, var = norm().statistics(truncation)
    torch.testing.assert_close(mean, torch.full((3,), float(row)))
    torch.testing.assert_close(var, torch.full((3,), 1 + 2 * float(row)))


def test_evaluation_without_a_condition_is_batch_norm_with_that_row() -> None:
    made, features = norm().eval(), torch.randn(4, 3, 5, 5)
    nn.init.normal_(made.weight)
    nn.init.normal_(made.bias)
    plain = nn.BatchNorm2d(3, eps=EPS).eval()
    plain.load_state_dict({
        "weight": made.weight, "bias": made.bias, "running_mean": made.running_means[10],
        "running_var": made.running_vars[10], "num_batches_tracked": torch.tensor(0),
    })  # fmt: skip
    torch.testing.assert_close(made(features, CONDITION, 0.2), plain(features))


def test_a_condition_scales_and_moves_each_sample_by_itself() -> None:
    made = norm(condition_width=2).eval()
    features, condition = torch.randn(4, 3, 5, 5), torch.randn(4, 2)
    whole = made(features, condition, 0.2)
    plain = (features - 10) / (21 + EPS) ** 0.5
    scale, offset = made.scale(condition)[:, :, None, None], made.offset(condition)[:, :, None, None]
    torch.testing.assert_close(whole, plain * (1 + scale) + offset)
    torch.testing.assert_close(whole[2:3], made(features[2:3], condition[2:3], 0.2))


def test_training_normalises_by_the_batch_and_leaves_the_table() -> None:
    made, features = norm().train(), 3 + 2 * torch.randn(64, 3, 8, 8)
    before = made.running_means.clone()
    out = made(features, CONDITION, 1.0)
    torch.testing.assert_close(out.mean(dim=(0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(out.std(dim=(0, 2, 3)), torch.ones(3), atol=1e-3, rtol=0)
    assert torch.equal(made.running_means, before)


class Two(nn.Module):
    """Two norms, the second of which sees what the first made."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = norm(), norm(condition_width=2)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        made: torch.Tensor = self.second(self.first(features, CONDITION, 0.5).relu(), CONDITION, 0.5)
        return made


def test_standing_statistics_are_the_moments_of_all_batches_together() -> None:
    network, batches = Two().train(), [i + torch.randn(6, 3, 4, 4) for i in range(3)]
    vectors = network.second.scale.weight_u.clone()

    def run() -> None:
        for batch in batches:
            network(batch)

    set_standing_statistics(network, 7, run)
    whole = torch.cat(batches).transpose(0, 1).flatten(1)
    torch.testing.assert_close(network.first.running_means[7], whole.mean(dim=1))
    torch.testing.assert_close(network.first.running_vars[7], whole.var(dim=1, correction=0))
    seen = torch.cat([network.first(batch, CONDITION, 0.5).relu() for batch in batches]).transpose(0, 1).flatten(1)
    torch.testing.assert_close(network.second.running_means[7], seen.mean(dim=1))
    assert torch.equal(network.first.running_means[8], torch.full((3,), 8.0))
    assert network.training and network.second.training  # as before
    assert torch.equal(network.second.scale.weight_u, vectors)


def test_standing_statistics_want_a_batch() -> None:
    with pytest.raises(ValueError, match="at least one batch"):
        set_standing_statistics(Two(), 7, lambda: None)

"""The trained bridges: strict about shapes (tests/golden holds that they are NExT-GPT's)."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from pipelines.projections import (
    ConditionProjection,
    InputProjection,
    InputProjectionConfig,
    OutputProjection,
    OutputProjectionConfig,
)


def test_grouping_trains_through_its_hard_choice() -> None:
    config = InputProjectionConfig(
        6, 8, "group", hidden=8, num_heads=2, depths=(1, 1), num_group_tokens=(3, 0), num_output_groups=(2,)
    )
    projection = InputProjection(config).train()
    projection(torch.randn(2, 9, 6)).square().sum().backward()
    unreached = [name for name, p in projection.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
    assert unreached == []


def test_each_token_is_projected_on_its_own() -> None:
    projection = InputProjection(InputProjectionConfig(6, 8, kind="mlp"))
    tokens = torch.randn(2, 5, 6)
    torch.testing.assert_close(projection(tokens)[:, 3], projection(tokens[:, 3:4])[:, 0])
    with pytest.raises(ValueError, match="width 6, not 7"):
        projection(torch.randn(1, 5, 7))


def test_a_resampler_gathers_any_number_of_tokens_and_its_work_can_be_counted() -> None:
    config = InputProjectionConfig(8, 6, "resampler", hidden=8, num_heads=2, num_output_groups=(3,))
    projection = InputProjection(config)
    assert projection.num_tokens(17) == 3
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        assert projection(torch.randn(2, 17, 8)).shape == (2, 3, 6)
    assert counter.get_total_flops() > 0


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="'qformer'"):
        InputProjection(InputProjectionConfig(6, 8, kind="qformer"))  # type: ignore[arg-type]


def test_queries_start_apart() -> None:
    projection = OutputProjection(OutputProjectionConfig(8, 4, num_queries=5, hidden=8, layers=1))
    made = projection(torch.randn(1, 3, 8), torch.randn(1, 3, 8))
    assert len(torch.unique(made[0].detach(), dim=0)) == 5


def test_an_mlp_reads_the_whole_run_at_once() -> None:
    config = OutputProjectionConfig(8, 4, num_queries=5, hidden=8, kind="mlp", run_length=3)
    projection = OutputProjection(config)
    states = torch.randn(2, 3, 8)
    made = projection(states, torch.zeros(2, 3, 8))
    assert made.shape == (2, 5, 4)
    assert not torch.equal(made, projection(states.flip(1), torch.zeros(2, 3, 8)))
    with pytest.raises(ValueError, match="runs of 3 signals, not 4"):
        projection(torch.randn(1, 4, 8), torch.randn(1, 4, 8))
    with pytest.raises(ValueError, match="run_length is 0"):
        OutputProjectionConfig(8, 4, num_queries=5, kind="mlp")
    with pytest.raises(ValueError, match="'linear'"):
        OutputProjectionConfig(8, 4, num_queries=5, kind="linear")  # type: ignore[arg-type]


def test_conditions_have_the_decoders_names_and_shapes() -> None:
    configs = {
        "prompt_embeds": OutputProjectionConfig(8, 4, 5, hidden=8, layers=1),
        "pooled_prompt_embeds": OutputProjectionConfig(8, 6, 1, hidden=8, layers=1),
    }
    shapes = {"prompt_embeds": (5, 4), "pooled_prompt_embeds": (6,)}
    made = ConditionProjection(configs, shapes)(torch.randn(2, 3, 8), torch.randn(2, 3, 8))
    assert {name: tuple(value.shape) for name, value in made.items()} == {
        "prompt_embeds": (2, 5, 4), "pooled_prompt_embeds": (2, 6),
    }  # fmt: skip
    with pytest.raises(ValueError, match="'pooled_prompt_embeds'"):
        ConditionProjection({"prompt_embeds": configs["prompt_embeds"]}, shapes)
    with pytest.raises(ValueError, match=r"of shape \(5, 3\), but its projection makes \(5, 4\)"):
        ConditionProjection({"prompt_embeds": configs["prompt_embeds"]}, {"prompt_embeds": (5, 3)})

"""The trained bridges: equal to NExT-GPT's, and strict about shapes."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from pipelines.projections import (
    ConditionProjection,
    InputProjection,
    InputProjectionConfig,
    OutputProjection,
    OutputProjectionConfig,
)

PREFIXES = {
    "image": "gen_text_hidden_fcs.0.", "video": "gen_text_hidden_fcs_video.0.", "audio": "gen_text_hidden_fcs_audio.0.",
}  # fmt: skip


def cut(weights: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}


@pytest.mark.parametrize("modality", PREFIXES)
def test_an_output_projection_computes_what_nextgpt_computes(golden: Path, modality: str) -> None:
    folder = golden / "nextgpt_v0_projections"
    sizes = json.loads((folder / "config.json").read_text())
    weights, recorded = load_file(folder / "weights.safetensors"), load_file(folder / "io.safetensors")
    num_queries = recorded[f"out.{modality}"].shape[1]
    projection = OutputProjection(
        OutputProjectionConfig(sizes["llm_hidden"], sizes[modality]["out"], num_queries, sizes["proj_hidden"], layers=4)
    ).eval()
    projection.load_state_dict(cut(weights, PREFIXES[modality]), strict=True)
    with torch.no_grad():
        made = projection(recorded[f"in.{modality}_hidden"], recorded[f"in.{modality}_token_embedding"])
    expected = recorded[f"out.{modality}"]
    assert (made - expected).abs().max() <= 1e-5 * expected.abs().max()


def test_a_linear_input_projection_computes_what_nextgpt_computes(golden: Path) -> None:
    folder = golden / "nextgpt_v0_projections"
    weights, recorded = load_file(folder / "weights.safetensors"), load_file(folder / "io.safetensors")
    width, core_width = weights["llama_proj.weight"].shape[::-1]
    projection = InputProjection(InputProjectionConfig(width, core_width, kind="linear"))
    projection.layer.load_state_dict(cut(weights, "llama_proj."), strict=True)
    with torch.no_grad():
        made = projection(recorded["in.imagebind_embedding"][:, None])
    torch.testing.assert_close(made, recorded["out.llama_proj"], atol=1e-6, rtol=1e-5)


def test_the_2024_input_projections_compute_what_nextgpt_computes(golden: Path) -> None:
    folder = golden / "nextgpt_v15_projectors"
    sizes = json.loads((folder / "config.json").read_text())
    weights, recorded = load_file(folder / "weights.safetensors"), load_file(folder / "io.safetensors")
    group = InputProjectionConfig(
        sizes["imagebind_dim"],
        sizes["llm_hidden"],
        kind="group",
        hidden=sizes["proj_hidden"],
        num_heads=sizes["nhead"],
        depths=tuple(sizes["group"]["depths"]),
        num_group_tokens=tuple(sizes["group"]["num_group_tokens"]),
        num_output_groups=tuple(sizes["group"]["num_output_groups"]),
    )
    mlp = InputProjectionConfig(sizes["imagebind_dim"], sizes["llm_hidden"], kind="mlp")
    for config, prefix, given, made in (
        (group, "mm_input_projector.", recorded["in.imagebind_patches"], "out.input_group"),
        (mlp, "mm_input_projector_mlp.layer.", recorded["in.imagebind_embedding"][:, None], "out.input_mlp"),
    ):
        projection = InputProjection(config).eval()
        projection.layer.load_state_dict(cut(weights, prefix), strict=True)
        with torch.no_grad():
            projected = projection(given)
        assert projected.shape[1] == projection.num_tokens(given.shape[1])
        expected = recorded[made].reshape(projected.shape)
        assert (projected - expected).abs().max() <= 1e-5 * expected.abs().max()


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


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="'qformer'"):
        InputProjection(InputProjectionConfig(6, 8, kind="qformer"))  # type: ignore[arg-type]


def test_queries_start_apart() -> None:
    projection = OutputProjection(OutputProjectionConfig(8, 4, num_queries=5, hidden=8, layers=1))
    made = projection(torch.randn(1, 3, 8), torch.randn(1, 3, 8))
    assert len(torch.unique(made[0].detach(), dim=0)) == 5


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

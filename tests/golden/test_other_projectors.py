"""Fixtures of NExT-GPT's October 2024 projectors with other sizes: their formulas are written out here once more."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nextgpt_checkpoint as published
import pytest
import torch
from recording import Recorded, assert_compared_whole, write
from torch import Tensor
from torch.nn import functional as F

from pipelines.pretrained.nextgpt_keys import shapes
from pipelines.projections import InputProjectionConfig

CORE, IN_WIDTH = 24, 10
SIZES, COUNTS = {"image": (7, 6), "video": (9, 12), "audio": (1, 5)}, {"image": 2, "video": 5, "audio": 3}


def three_stages(folder: Path) -> None:
    """Each stage with heads of its own."""
    group = {
        "num_patches": 11, "num_group_tokens": [6, 5, 0], "num_output_groups": [4, 3], "num_heads": [3, 6, 2],
        "depths": [2, 1, 3],
    }  # fmt: skip
    _write(folder, group, hidden=12)


def four_stages(folder: Path) -> None:
    """A second stage of group tokens that are told of the first's, and a third told of the second's."""
    group = {
        "num_patches": 9, "num_group_tokens": [7, 4, 3, 0], "num_output_groups": [6, 4, 2], "num_heads": [2, 2, 2, 2],
        "depths": [1, 2, 1, 1],
    }  # fmt: skip
    _write(folder, group, hidden=16)


def one_layer(folder: Path) -> None:
    """A linear input projection, as the code has it by default."""
    linear = torch.nn.Linear(IN_WIDTH, CORE)
    _write(folder, None, hidden=8, inputs=linear.state_dict())


def two_layers(folder: Path) -> None:
    """An MLP as the input projection itself, under its own name."""
    layers = {f"layer.{key}": value for key, value in _mlp().state_dict().items()}
    _write(folder, None, hidden=8, inputs=layers)


def _mlp() -> torch.nn.Sequential:
    return torch.nn.Sequential(torch.nn.Linear(IN_WIDTH, CORE), torch.nn.GELU(), torch.nn.Linear(CORE, CORE))


def _write(folder: Path, group: dict[str, Any] | None, hidden: int, inputs: Recorded | None = None) -> None:
    """Write the output projections, which torch's own transformer computes, and an input projection or two."""
    weights: Recorded = {}
    recorded = {"in.imagebind_embedding": torch.randn(3, IN_WIDTH)}
    for name, module in published.projections(CORE, SIZES, hidden=hidden, legacy=False).items():
        weights |= {published.OCTOBER[name] + key: value for key, value in module.state_dict().items()}
        states, embeddings = torch.randn(2, COUNTS[name], CORE), torch.randn(2, COUNTS[name], CORE)
        recorded |= {
            f"in.{name}_hidden": states, f"in.{name}_token_embedding": embeddings,
            f"out.{name}": module(states, embeddings),
        }  # fmt: skip
    facts = {
        "llm_hidden": CORE, "imagebind_dim": IN_WIDTH, "proj_hidden": hidden, "nhead": 4,
        **{name: {"out": SIZES[name][1], "tokens": COUNTS[name]} for name in SIZES},
    }  # fmt: skip
    if group is None:
        assert inputs is not None
        weights |= {f"mm_input_projector.{key}": value for key, value in inputs.items()}
        kind, given = ("linear", "weight") if "weight" in inputs else ("mlp", "layer.0.weight")
        read = F.linear(recorded["in.imagebind_embedding"], inputs[given], inputs[given.replace("weight", "bias")])
        if kind == "mlp":
            read = F.linear(F.gelu(read), inputs["layer.2.weight"], inputs["layer.2.bias"])
        recorded[f"out.input_{kind}"] = read
    else:
        mlp, state = _mlp(), _random(group, hidden)
        weights |= {f"mm_input_projector.{key}": value for key, value in state.items()}
        weights |= {f"mm_input_projector_mlp.layer.{key}": value for key, value in mlp.state_dict().items()}
        patches = torch.randn(2, group["num_patches"], IN_WIDTH)
        recorded |= {
            "in.imagebind_patches": patches, "out.input_group": grouped(state, patches, group["num_heads"]),
            "out.input_mlp": mlp(recorded["in.imagebind_embedding"]),
        }  # fmt: skip
        facts["group"] = group
    write(folder, facts, weights, recorded)


def _random(group: dict[str, Any], hidden: int) -> Recorded:
    """Random weights of a grouping; large ones, so that tokens are spread over the groups."""
    sizes = {name: tuple(group[name]) for name in ("depths", "num_group_tokens", "num_output_groups", "num_heads")}
    config = InputProjectionConfig(IN_WIDTH, CORE, "group", hidden, **sizes)
    names = {name.removeprefix("layer."): shape for name, shape in shapes(config).items()}
    return {
        name: torch.randn(shape) * (1.5 / shape[-1] ** 0.5 if len(shape) > 1 else 0.5) for name, shape in names.items()
    }


def grouped(state: Recorded, x: Tensor, heads: list[int]) -> Tensor:
    """GroupViT's stages (Xu et al. 2022, section 3), one token after the other where they choose their group."""

    def linear(name: str, values: Tensor) -> Tensor:
        return F.linear(values, state[f"{name}.weight"], state.get(f"{name}.bias"))

    def norm(name: str, values: Tensor) -> Tensor:
        return F.layer_norm(values, values.shape[-1:], state[f"{name}.weight"], state[f"{name}.bias"])

    def mlp(name: str, values: Tensor) -> Tensor:
        return linear(f"{name}.fc2", F.gelu(linear(f"{name}.fc1", values)))

    def over_tokens(name: str, values: Tensor) -> Tensor:
        return mlp(name, values.mT).mT

    def attention(name: str, q: Tensor, k: Tensor, v: Tensor, num_heads: int) -> Tensor:
        seen = []
        for a, b, c in zip(*(values.chunk(num_heads, dim=-1) for values in (q, k, v)), strict=True):
            seen.append((a @ b.mT / a.shape[-1] ** 0.5).softmax(dim=-1) @ c)
        return linear(f"{name}.proj", torch.cat(seen, dim=-1))

    def chosen(name: str, groups: Tensor, tokens: Tensor) -> Tensor:
        """The sum of each group's members over one more than their number."""
        scores, values = (
            linear(f"{name}.q_proj", groups) @ linear(f"{name}.k_proj", tokens).mT,
            linear(f"{name}.v_proj", tokens),
        )
        sums, members = torch.zeros_like(groups), torch.ones(groups.shape[:2])
        for sample in range(len(tokens)):
            for token in range(tokens.shape[1]):
                group = scores[sample, :, token].argmax()
                sums[sample, group] += values[sample, token]
                members[sample, group] += 1
        return linear(f"{name}.proj", sums / members[..., None])

    x, before = linear("in_fc", x), None
    for stage, num_heads in enumerate(heads):
        at, num_tokens = f"layers.{stage}", x.shape[1]
        own = state.get(f"{at}.group_token")
        if own is not None:
            own = own.expand(len(x), -1, -1)
            if before is not None:
                own = own + over_tokens(f"{at}.group_projector.1", norm(f"{at}.group_projector.0", before))
            x = torch.cat([x, own], dim=1)
        block = 0
        while f"{at}.blocks.{block}.norm1.weight" in state:
            name = f"{at}.blocks.{block}"
            q, k, v = linear(f"{name}.attn.qkv", norm(f"{name}.norm1", x)).chunk(3, dim=-1)
            x = x + attention(f"{name}.attn", q, k, v, num_heads)
            x, block = x + mlp(f"{name}.mlp", norm(f"{name}.norm2", x)), block + 1
        if own is None:
            continue
        x, before = x[:, :num_tokens], x[:, num_tokens:]
        x, cross = norm(f"{at}.downsample.norm_x", x), f"{at}.downsample.pre_assign_attn"
        mixed = over_tokens(f"{at}.downsample.mlp_inter", norm(f"{at}.downsample.norm_tokens", before))
        groups = norm(f"{at}.downsample.norm_post_tokens", mixed)
        q, k, v = (linear(f"{cross}.attn.{n}_proj", values) for n, values in (("q", groups), ("k", x), ("v", x)))
        groups = groups + attention(f"{cross}.attn", q, k, v, num_heads)
        groups = norm(f"{cross}.norm_post", groups + mlp(f"{cross}.mlp", norm(f"{cross}.norm2", groups)))
        groups = groups + chosen(f"{at}.downsample.assign", groups, x)
        x = groups + mlp(f"{at}.downsample.mlp_channels", norm(f"{at}.downsample.norm_new_x", groups))
    return linear("out_fc", norm("norm", x))


@pytest.mark.parametrize("make", [three_stages, four_stages, one_layer, two_layers], ids=lambda make: make.__name__)
def test_projectors_of_other_sizes_are_compared_whole(make: Callable[[Path], None], tmp_path: Path) -> None:
    assert_compared_whole(make, tmp_path)

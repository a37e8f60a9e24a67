"""The trained bridges: encoder features into the core, and the core's signal states into a decoder's conditions."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from einops import rearrange, repeat
from torch import Tensor, nn

from pipelines.grouping import GroupProjection

NUM_HEADS = 4  # NExT-GPT's TextFcLayer, L/model/layers.py


@dataclass(frozen=True)
class InputProjectionConfig:
    """The sizes of an input projection: `linear` as released NExT-GPT, `mlp` and `group` as its 2024 code.

    Only `group` uses what follows `num_heads`: per stage its depth, its group tokens, and the groups that it makes of
    them; its heads may differ by stage too. A `resampler` (one layer of Flamingo's, Alayrac 2022) makes the last number
    of groups by learned queries.
    """

    in_width: int
    core_width: int
    kind: Literal["linear", "mlp", "group", "resampler"] = "mlp"
    hidden: int = 512
    num_heads: int | tuple[int, ...] = 8
    depths: tuple[int, ...] = (6, 3, 3)
    num_group_tokens: tuple[int, ...] = (64, 8, 0)
    num_output_groups: tuple[int, ...] = (64, 8)


@dataclass(frozen=True)
class OutputProjectionConfig:
    """The sizes of an output projection: `num_queries` vectors of `out_width`, through `hidden`.

    `transformer` is NExT-GPT's; `mlp` reads the whole run of `run_length` signals at once, and small cores learn it in
    far fewer steps. Only the first uses `layers` and `num_heads`, only the second `run_length`.
    """

    core_width: int
    out_width: int
    num_queries: int
    hidden: int = 512
    layers: int = 4
    num_heads: int = NUM_HEADS
    kind: Literal["transformer", "mlp"] = "transformer"
    run_length: int = 0

    def __post_init__(self) -> None:
        if self.kind not in ("transformer", "mlp"):
            raise ValueError(f"No output projection {self.kind!r}; wanted 'transformer' or 'mlp'.")
        if self.kind == "mlp" and self.run_length < 1:
            raise ValueError(
                f"An 'mlp' output projection reads runs of a fixed length; run_length is {self.run_length}."
            )


class InputProjection(nn.Module):
    """Carry an encoder's tokens into the core's input space, each on its own or gathered into groups."""

    def __init__(self, config: InputProjectionConfig) -> None:
        super().__init__()
        self.config = config
        match config.kind:
            case "linear":
                self.layer: nn.Module = nn.Linear(config.in_width, config.core_width)
            case "mlp":
                self.layer = nn.Sequential(
                    nn.Linear(config.in_width, config.core_width),
                    nn.GELU(),
                    nn.Linear(config.core_width, config.core_width),
                )
            case "group":
                self.layer = GroupProjection(
                    config.in_width,
                    config.core_width,
                    hidden=config.hidden,
                    num_heads=config.num_heads,
                    depths=config.depths,
                    num_group_tokens=config.num_group_tokens,
                    num_output_groups=config.num_output_groups,
                )
            case "resampler":
                self.layer = Resampler(config)
            case kind:
                raise ValueError(f"No input projection {kind!r}; wanted 'linear', 'mlp', 'group' or 'resampler'.")

    def num_tokens(self, num_in: int) -> int:
        """How many of the core's positions an encoder's `num_in` tokens become."""
        return self.config.num_output_groups[-1] if self.config.kind in ("group", "resampler") else num_in

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, N, in_width) -> (B, num_tokens(N), core_width)."""
        if tokens.shape[-1] != self.config.in_width:
            raise ValueError(f"This projection takes features of width {self.config.in_width}, not {tokens.shape[-1]}.")
        projected: Tensor = self.layer(tokens)
        return projected


class Resampler(nn.Module):
    """Learned queries attend to an encoder's tokens; what each finds becomes one of the core's positions."""

    def __init__(self, config: InputProjectionConfig) -> None:
        super().__init__()
        width = config.in_width
        if not isinstance(config.num_heads, int):
            raise ValueError(f"A resampler has one layer; wanted one number of heads, not {config.num_heads}.")
        self.queries = nn.Parameter(torch.randn(1, config.num_output_groups[-1], width) / width**0.5)
        self.norm = nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, config.num_heads, batch_first=True)
        self.out = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, config.hidden),
            nn.GELU(),
            nn.Linear(config.hidden, config.core_width),
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, N, in_width) -> (B, number of queries, core_width)."""
        read = self.norm(tokens)
        found, _ = self.attention(self.queries.repeat(len(tokens), 1, 1), read, read, need_weights=False)
        made: Tensor = self.out(found)
        return made


class OutputProjection(nn.Module):
    """Turn the states of a signal run into a decoder's condition; a transformer has the names of NExT-GPT's TextFcLayer.

    In the transformer an encoder reads the signal tokens, a decoder's learned queries read the encoder; no positions, no
    masks.
    """

    def __init__(self, config: OutputProjectionConfig) -> None:
        super().__init__()
        self.config = config
        if config.kind == "mlp":
            self.layers = nn.Sequential(
                nn.Linear(config.run_length * config.core_width, config.hidden),
                nn.GELU(),
                nn.Linear(config.hidden, config.num_queries * config.out_width),
            )
            return
        self.fc = nn.Linear(config.core_width, config.hidden)
        self.tfm = _transformer(config.hidden, config.layers, config.num_heads)
        self.model = nn.Linear(config.hidden, config.out_width)
        # A zero start, as in NExT-GPT's 2024 code, makes all the queries the same for ever.
        self.query_embs = nn.Parameter(torch.randn(1, config.num_queries, config.hidden))

    def forward(self, states: Tensor, embeddings: Tensor) -> Tensor:
        """Last hidden states and input embeddings of a run, each (B, K, core_width) -> (B, num_queries, out_width)."""
        if self.config.kind == "mlp":
            if states.shape[1] != self.config.run_length:
                raise ValueError(
                    f"This projection reads runs of {self.config.run_length} signals, not {states.shape[1]}."
                )
            flat: Tensor = self.layers((states + embeddings).flatten(1))
            return rearrange(flat, "b (q d) -> b q d", q=self.config.num_queries)
        queries = repeat(self.query_embs, "1 q h -> b q h", b=states.shape[0])
        condition: Tensor = self.model(self.tfm(self.fc(states + embeddings), queries))
        return condition


class ConditionProjection(nn.Module):
    """All the conditions of one decoder, by name: one output projection each, shaped as the decoder takes them."""

    def __init__(self, configs: Mapping[str, OutputProjectionConfig], shapes: Mapping[str, tuple[int, ...]]) -> None:
        super().__init__()
        if set(configs) != set(shapes):
            raise ValueError(f"The decoder takes {sorted(shapes)}, but the projections give {sorted(configs)}.")
        for name, config in configs.items():
            made = (config.num_queries, config.out_width)
            wanted = shapes[name] if len(shapes[name]) > 1 else (1, *shapes[name])
            if made != wanted:
                raise ValueError(f"The decoder takes {name!r} of shape {wanted}, but its projection makes {made}.")
        self.shapes = {name: tuple(shape) for name, shape in shapes.items()}
        self.projections = nn.ModuleDict({name: OutputProjection(config) for name, config in configs.items()})

    @property
    def configs(self) -> dict[str, OutputProjectionConfig]:
        configs = {}
        for name, projection in self.projections.items():
            assert isinstance(projection, OutputProjection)
            configs[name] = projection.config
        return configs

    def forward(self, states: Tensor, embeddings: Tensor) -> dict[str, Tensor]:
        """Run states and embeddings, each (B, K, core_width) -> name: (B, *shape of the condition)."""
        return {
            name: projection(states, embeddings).reshape(states.shape[0], *self.shapes[name])
            for name, projection in self.projections.items()
        }


def _transformer(width: int, layers: int, num_heads: int) -> nn.Transformer:
    """Build the stock pre-norm transformer, its encoder without nested tensors, which would need post-norm."""
    options = {
        "nhead": num_heads,
        "dim_feedforward": 4 * width,
        "dropout": 0.0,
        "batch_first": True,
        "norm_first": True,
    }
    encoder = nn.TransformerEncoder(
        nn.TransformerEncoderLayer(width, **options),  # type: ignore[arg-type]
        layers,
        norm=nn.LayerNorm(width),
        enable_nested_tensor=False,
    )
    return nn.Transformer(width, num_decoder_layers=layers, custom_encoder=encoder, **options)  # type: ignore[arg-type]

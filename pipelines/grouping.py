"""The grouping projection of NExT-GPT's 2024 code: many patch tokens gathered into a few groups, as GroupViT does.

Xu et al. 2022, "GroupViT: Semantic Segmentation Emerges from Text Supervision". The parameter names are those of
NExT-GPT's GroupProjector, so that its checkpoints load strictly.
"""

from collections.abc import Sequence

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

MLP_RATIO = 4  # hidden over plain width, in every block
TOKEN_RATIO = 0.5  # the same for the networks that mix tokens
ASSIGN_EPSILON = 1.0  # added to a group's number of members before the mean is taken


class GroupProjection(nn.Module):
    """Gather tokens into groups, stage by stage; a stage without group tokens only lets them attend to each other.

    `num_heads` is one number for all stages, or one for each; ValueError if it is for other stages than there are.
    """

    def __init__(
        self,
        in_width: int,
        out_width: int,
        *,
        hidden: int = 512,
        num_heads: int | Sequence[int] = 8,
        depths: Sequence[int] = (6, 3, 3),
        num_group_tokens: Sequence[int] = (64, 8, 0),
        num_output_groups: Sequence[int] = (64, 8),
    ) -> None:
        super().__init__()
        self.in_fc = nn.Linear(in_width, hidden)
        heads = [num_heads] * len(depths) if isinstance(num_heads, int) else num_heads
        if len(heads) != len(depths):
            raise ValueError(f"There are {len(depths)} stages of groups; num_heads says {len(heads)}.")
        stages = []
        for stage, (depth, num_tokens, own) in enumerate(zip(depths, num_group_tokens, heads, strict=True)):
            before = num_group_tokens[stage - 1] if stage else 0
            num_groups = num_output_groups[stage] if num_tokens else 0
            stages.append(_Stage(hidden, own, depth, num_tokens=num_tokens, num_groups=num_groups, before=before))
        self.layers = nn.ModuleList(stages)
        self.norm = nn.LayerNorm(hidden)
        self.out_fc = nn.Linear(hidden, out_width)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, N, in_width) -> (B, last number of groups, out_width)."""
        tokens, groups = self.in_fc(tokens), None
        for stage in self.layers:
            tokens, groups = stage(tokens, groups)
        made: Tensor = self.out_fc(self.norm(tokens))
        return made


class _Stage(nn.Module):
    """Blocks over tokens and group tokens together, then the gathering of the tokens into groups."""

    def __init__(
        self, width: int, num_heads: int, depth: int, *, num_tokens: int, num_groups: int, before: int
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(_Block(width, num_heads) for _ in range(depth))
        self.group_token = nn.Parameter(0.02 * torch.randn(1, num_tokens, width)) if num_tokens else None
        self.downsample = _Gather(width, num_heads, num_tokens, num_groups) if num_tokens else None
        carries = bool(num_tokens and before)
        self.group_projector = (
            nn.Sequential(nn.LayerNorm(width), _MLP(before, int(TOKEN_RATIO * width), num_tokens, over_tokens=True))
            if carries
            else None
        )

    def forward(self, tokens: Tensor, groups: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Tokens (B, N, width) and the former stage's group tokens -> the groups, and this stage's group tokens."""
        if self.group_token is None or self.downsample is None:
            for block in self.blocks:
                tokens = block(tokens)
            return tokens, None
        own = self.group_token.expand(len(tokens), -1, -1)
        if self.group_projector is not None:
            own = own + self.group_projector(groups)
        both = torch.cat([tokens, own], dim=1)
        for block in self.blocks:
            both = block(both)
        tokens, own = both[:, : tokens.shape[1]], both[:, tokens.shape[1] :]
        return self.downsample(tokens, own), own


class _Gather(nn.Module):
    """Assign each token to one group, and make a group of the mean of its members."""

    def __init__(self, width: int, num_heads: int, num_tokens: int, num_groups: int) -> None:
        super().__init__()
        self.norm_tokens = nn.LayerNorm(width)
        self.mlp_inter = _MLP(num_tokens, int(TOKEN_RATIO * width), num_groups, over_tokens=True)
        self.norm_post_tokens = nn.LayerNorm(width)
        self.norm_x = nn.LayerNorm(width)
        self.pre_assign_attn = _CrossBlock(width, num_heads)
        self.assign = _Assignment(width)
        self.norm_new_x = nn.LayerNorm(width)
        self.mlp_channels = _MLP(width, MLP_RATIO * width, width)

    def forward(self, tokens: Tensor, group_tokens: Tensor) -> Tensor:
        """(B, N, width), (B, num_tokens, width) -> (B, num_groups, width)."""
        tokens = self.norm_x(tokens)
        mixed = self.mlp_inter(self.norm_tokens(group_tokens))
        queries = self.pre_assign_attn(self.norm_post_tokens(mixed), tokens)
        gathered = queries + self.assign(queries, tokens)
        made: Tensor = gathered + self.mlp_channels(self.norm_new_x(gathered))
        return made


class _Assignment(nn.Module):
    """A hard choice of one group for each token: Gumbel noise in training, the likeliest in use."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.q_proj, self.k_proj, self.v_proj = (nn.Linear(width, width) for _ in range(3))
        self.proj = nn.Linear(width, width)

    def forward(self, groups: Tensor, tokens: Tensor) -> Tensor:
        """(B, G, width), (B, N, width) -> (B, G, width)."""
        affinity = self.q_proj(groups) @ self.k_proj(tokens).transpose(1, 2) * groups.shape[-1] ** -0.5
        if self.training:
            chosen = functional.gumbel_softmax(affinity, hard=True, dim=1)
        else:
            chosen = torch.zeros_like(affinity).scatter_(1, affinity.argmax(dim=1, keepdim=True), 1.0)
        means = chosen / (chosen.sum(dim=-1, keepdim=True) + ASSIGN_EPSILON)
        made: Tensor = self.proj(means @ self.v_proj(tokens))
        return made


class _Block(nn.Module):
    """A pre-norm transformer block."""

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn = _SelfAttention(width, num_heads)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = _MLP(width, MLP_RATIO * width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, N, width) -> (B, N, width)."""
        tokens = tokens + self.attn(self.norm1(tokens))
        made: Tensor = tokens + self.mlp(self.norm2(tokens))
        return made


class _CrossBlock(nn.Module):
    """A block whose queries attend to other tokens, normalised at its end."""

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.attn = _CrossAttention(width, num_heads)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = _MLP(width, MLP_RATIO * width, width)
        self.norm_post = nn.LayerNorm(width)

    def forward(self, queries: Tensor, tokens: Tensor) -> Tensor:
        """(B, G, width), (B, N, width) -> (B, G, width)."""
        queries = queries + self.attn(queries, tokens)
        made: Tensor = self.norm_post(queries + self.mlp(self.norm2(queries)))
        return made


class _SelfAttention(nn.Module):
    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.proj = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, N, width) -> (B, N, width)."""
        queries, keys, values = self.qkv(tokens).chunk(3, dim=-1)
        made: Tensor = self.proj(_attend(queries, keys, values, self.num_heads))
        return made


class _CrossAttention(nn.Module):
    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.q_proj, self.k_proj, self.v_proj = (nn.Linear(width, width) for _ in range(3))
        self.proj = nn.Linear(width, width)

    def forward(self, queries: Tensor, tokens: Tensor) -> Tensor:
        """(B, G, width), (B, N, width) -> (B, G, width)."""
        attended = _attend(self.q_proj(queries), self.k_proj(tokens), self.v_proj(tokens), self.num_heads)
        made: Tensor = self.proj(attended)
        return made


class _MLP(nn.Module):
    """Two layers over the last axis, or over the axis before it, that of the tokens."""

    def __init__(self, in_width: int, hidden: int, out_width: int, *, over_tokens: bool = False) -> None:
        super().__init__()
        self.over_tokens = over_tokens
        self.fc1, self.fc2 = nn.Linear(in_width, hidden), nn.Linear(hidden, out_width)

    def forward(self, values: Tensor) -> Tensor:
        """(B, N, in_width) -> (B, N, out_width), or over tokens (B, in_width, W) -> (B, out_width, W)."""
        values = values.transpose(1, 2) if self.over_tokens else values
        made: Tensor = self.fc2(functional.gelu(self.fc1(values)))
        return made.transpose(1, 2) if self.over_tokens else made


def _attend(queries: Tensor, keys: Tensor, values: Tensor, num_heads: int) -> Tensor:
    """(B, G, width), (B, N, width), (B, N, width) -> (B, G, width)."""
    q, k, v = (rearrange(tensor, "b n (h d) -> b h n d", h=num_heads) for tensor in (queries, keys, values))
    return rearrange(functional.scaled_dot_product_attention(q, k, v), "b h n d -> b n (h d)")

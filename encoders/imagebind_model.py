"""The ImageBind network at any size, with the parameter names of the released one (Girdhar et al. 2023)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import log, prod
from typing import Any

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from encoders.imagebind_config import (
    AudioConfig,
    ImageBindConfig,
    IMUConfig,
    PlaneConfig,
    TextConfig,
    TransformerConfig,
    VisionConfig,
)

BLOCK_EPS = 1e-6  # LayerNorm of blocks, heads and the layer before the blocks; stems keep PyTorch's 1e-5
INIT_STD = 0.02
MLP_RATIO = 4
IMU_HEAD_DROPOUT = 0.5
MAX_SCALE = 100.0
SCALES = {"text": 1 / 0.07, "audio": 20.0, "depth": 5.0, "thermal": 10.0, "imu": 5.0}  # at the start; vision has none


@dataclass(frozen=True, eq=False)
class TowerOutput:
    """What a tower says: tokens (B, clips, N, width) after the head's LayerNorm; pooled (B, out_width), any norm.

    `unscaled` is the mean of the clips' unit vectors, before the scale of `pooled`: of a norm of at most one.
    """

    tokens: Tensor
    pooled: Tensor
    unscaled: Tensor


class ImageBind(nn.Module):
    """Towers for vision, text, audio, depth, thermal and imu that end in one space.

    Inputs: vision (B, 3, H, W) or (B, clips, 3, frames, H, W); text (B, context_length) ids; audio
    (B, 1, mel, frames) or (B, clips, 1, mel, frames); depth and thermal (B, 1, H, W); imu (B, channels, length).
    """

    def __init__(self, config: ImageBindConfig) -> None:
        super().__init__()
        self.config = config
        towers = {name: tower for name in _PREPROCESSORS if (tower := getattr(config, name)) is not None}
        self.modality_preprocessors = nn.ModuleDict(
            {name: _PREPROCESSORS[name](tower) for name, tower in towers.items()}
        )
        self.modality_trunks = nn.ModuleDict(
            {name: Trunk(tower, norm_first=name == "vision", add_bias_kv=name not in ("vision", "text"),
                         is_causal=name == "text") for name, tower in towers.items()}
        )  # fmt: skip
        self.modality_heads = nn.ModuleDict(
            {name: _head(name, tower.width, config.out_width) for name, tower in towers.items()}
        )
        self.modality_postprocessors = nn.ModuleDict({name: _postprocessor(name) for name in towers})

    def forward(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return (B, out_width) for each tower given: scaled as released, averaged over clips, not unit norm."""
        return {name: self.run(name, tensor).pooled for name, tensor in inputs.items()}

    def run(self, tower: str, inputs: Tensor) -> TowerOutput:
        """Return the tokens and the pooled vector of one tower in one pass."""
        if tower not in self.modality_trunks:
            raise ValueError(f"This ImageBind has no tower {tower!r}; it has: {', '.join(self.modality_trunks)}.")
        # As released: five axes or more mean clips, which are merged with the batch and averaged after scaling.
        num_clips = inputs.shape[1] if inputs.ndim >= 5 else 1
        merged = inputs.flatten(0, 1) if inputs.ndim >= 5 else inputs
        states = self.modality_trunks[tower](self.modality_preprocessors[tower](merged))
        end = merged.argmax(dim=-1) if tower == "text" else None
        tokens, embedding = self.modality_heads[tower](states, end)
        pooled = self.modality_postprocessors[tower](embedding)
        unscaled = F.normalize(embedding.float(), dim=-1)
        return TowerOutput(
            tokens=rearrange(tokens, "(b s) n d -> b s n d", s=num_clips),
            pooled=rearrange(pooled, "(b s) d -> b s d", s=num_clips).mean(dim=1),
            unscaled=rearrange(unscaled, "(b s) d -> b s d", s=num_clips).mean(dim=1),
        )


class Trunk(nn.Module):
    """Pre-norm transformer blocks: (B, N, width) -> (B, N, width)."""

    def __init__(self, config: TransformerConfig, *, norm_first: bool, add_bias_kv: bool, is_causal: bool) -> None:
        super().__init__()
        first = nn.LayerNorm(config.width, eps=BLOCK_EPS) if norm_first else nn.Identity()
        self.pre_transformer_layer = nn.Sequential(first)
        last = max(config.num_blocks - 1, 1)
        self.blocks = nn.ModuleList(
            Block(config, drop_path=config.drop_path * i / last, add_bias_kv=add_bias_kv, is_causal=is_causal)
            for i in range(config.num_blocks)
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, N, width) -> (B, N, width)."""
        states: Tensor = self.pre_transformer_layer(tokens)
        for block in self.blocks:
            states = block(states)
        return states


class Block(nn.Module):
    """Attention, then an MLP, each added to what came in."""

    def __init__(self, config: TransformerConfig, *, drop_path: float, add_bias_kv: bool, is_causal: bool) -> None:
        super().__init__()
        self.drop_path = drop_path
        self.attn = Attention(config.width, config.num_heads, add_bias_kv=add_bias_kv, is_causal=is_causal)
        self.norm_1 = nn.LayerNorm(config.width, eps=BLOCK_EPS)
        self.mlp = MLP(config.width)
        self.norm_2 = nn.LayerNorm(config.width, eps=BLOCK_EPS)

    def forward(self, states: Tensor) -> Tensor:
        """(B, N, width) -> (B, N, width)."""
        states = states + self._dropped(self.attn(self.norm_1(states)))
        return states + self._dropped(self.mlp(self.norm_2(states)))

    def _dropped(self, update: Tensor) -> Tensor:
        """Skip the update for a random share of the samples while training (stochastic depth, Huang et al. 2016)."""
        if not self.training or self.drop_path == 0:
            return update
        keep = update.new_empty(update.shape[0], 1, 1).bernoulli_(1 - self.drop_path)
        return update * keep / (1 - self.drop_path)


class Attention(nn.Module):
    """Multi-head attention with the parameters of nn.MultiheadAttention; maybe one learned key and value more."""

    def __init__(self, width: int, num_heads: int, *, add_bias_kv: bool, is_causal: bool) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.is_causal = is_causal
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.bias_k = nn.Parameter(torch.empty(1, 1, width)) if add_bias_kv else None
        self.bias_v = nn.Parameter(torch.empty(1, 1, width)) if add_bias_kv else None
        self.out_proj = _linear(width, width)
        nn.init.xavier_uniform_(self.in_proj_weight)
        for bias in (self.bias_k, self.bias_v):
            if bias is not None:
                nn.init.xavier_normal_(bias)

    def forward(self, states: Tensor) -> Tensor:
        """(B, N, width) -> (B, N, width)."""
        query, key, value = F.linear(states, self.in_proj_weight, self.in_proj_bias).chunk(3, dim=-1)
        if self.bias_k is not None and self.bias_v is not None:
            shape = (key.shape[0], 1, -1)
            key = torch.cat([key, self.bias_k.to(key.dtype).expand(shape)], dim=1)
            value = torch.cat([value, self.bias_v.to(value.dtype).expand(shape)], dim=1)
        heads = [rearrange(x, "b n (h d) -> b h n d", h=self.num_heads) for x in (query, key, value)]
        mixed = F.scaled_dot_product_attention(heads[0], heads[1], heads[2], is_causal=self.is_causal)
        out: Tensor = self.out_proj(rearrange(mixed, "b h n d -> b n (h d)"))
        return out


class MLP(nn.Module):
    """Two layers with an exact GELU between them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = _linear(width, MLP_RATIO * width)
        self.fc2 = _linear(MLP_RATIO * width, width)

    def forward(self, states: Tensor) -> Tensor:
        """(B, N, width) -> (B, N, width)."""
        out: Tensor = self.fc2(F.gelu(self.fc1(states)))
        return out


class VisionPreprocessor(nn.Module):
    """Cut clips into patches in time and space; a still is repeated for one piece of time.

    In a model of longer clips a still has the positions of their first piece, as in the released code.
    """

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self.kernel = config.kernel
        self.num_still_frames = config.num_still_frames
        self.num_positions = prod(config.grid[1:])  # of one piece of time
        self.cls_token = nn.Parameter(torch.zeros(1, 1, config.width))
        self.rgbt_stem = nn.Module()
        conv = nn.Conv3d(3, config.width, kernel_size=config.kernel, stride=config.kernel, bias=False)
        self.rgbt_stem.proj = nn.Sequential(nn.Identity(), conv)
        self.pos_embedding_helper = _positions(prod(config.grid), config.width)
        nn.init.trunc_normal_(conv.weight, std=INIT_STD)

    def forward(self, clips: Tensor) -> Tensor:
        """(B, 3, H, W) or (B, 3, frames, H, W) -> (B, 1 + patches, width)."""
        frames = clips[:, :, None] if clips.ndim == 4 else clips
        clips = frames if frames.shape[2] > 1 else frames.expand(-1, -1, self.num_still_frames, -1, -1)
        time, height, width = self.kernel
        clips = clips[..., : clips.shape[-2] // height * height, : clips.shape[-1] // width * width]
        # The kernel equals the stride, so the convolution is a matrix product over patches, which is faster.
        patches = rearrange(clips, "b c (t kt) (h kh) (w kw) -> b (t h w) (c kt kh kw)", kt=time, kh=height, kw=width)
        weight = self.rgbt_stem.get_parameter("proj.1.weight")
        positions = self.pos_embedding_helper["pos_embed"][:, : 1 + clips.shape[2] // time * self.num_positions]
        return _with_cls(F.linear(patches, weight.flatten(1)), self.cls_token, positions)


class TextPreprocessor(nn.Module):
    """Embed token ids; the saved mask keeps the released file layout, the trunk is causal by itself."""

    mask: Tensor

    def __init__(self, config: TextConfig) -> None:
        super().__init__()
        length = config.context_length
        self.pos_embed = nn.Parameter(torch.empty(1, length, config.width))
        self.token_embedding = nn.Embedding(config.vocab_size, config.width)
        self.register_buffer("mask", torch.full((length, length), -torch.inf).triu(1))
        nn.init.trunc_normal_(self.pos_embed, std=INIT_STD / 2)
        nn.init.trunc_normal_(self.token_embedding.weight, std=INIT_STD)

    def forward(self, ids: Tensor) -> Tensor:
        """(B, context_length) -> (B, context_length, width)."""
        embedded: Tensor = self.token_embedding(ids)
        return embedded + self.pos_embed


class PlanePreprocessor(nn.Module):
    """Cut pictures of one channel (log-mel, depth, thermal) into patches."""

    def __init__(self, config: AudioConfig | PlaneConfig, *, stem: str) -> None:
        super().__init__()
        self.stem = stem
        stride = config.stride if isinstance(config, AudioConfig) else config.kernel
        self.cls_token = nn.Parameter(torch.zeros(1, 1, config.width))
        proj = nn.Conv2d(1, config.width, kernel_size=config.kernel, stride=stride, bias=False)
        nn.init.trunc_normal_(proj.weight, std=INIT_STD)
        self.add_module(stem, nn.ModuleDict({"proj": proj, "norm_layer": nn.LayerNorm(config.width)}))
        self.pos_embedding_helper = _positions(prod(config.grid), config.width)

    def forward(self, planes: Tensor) -> Tensor:
        """(B, 1, H, W) -> (B, 1 + patches, width)."""
        stem = self.get_submodule(self.stem)
        patches = rearrange(stem.get_submodule("proj")(planes), "b d h w -> b (h w) d")
        positions = self.pos_embedding_helper["pos_embed"]
        return _with_cls(stem.get_submodule("norm_layer")(patches), self.cls_token, positions)


class IMUPreprocessor(nn.Module):
    """Cut sensor readings into pieces of time."""

    def __init__(self, config: IMUConfig) -> None:
        super().__init__()
        self.kernel = config.kernel
        self.pos_embed = nn.Parameter(torch.empty(1, 1 + prod(config.grid), config.width))
        self.cls_token = nn.Parameter(torch.zeros(1, 1, config.width))
        self.imu_stem = nn.ModuleDict(
            {"proj": _linear(config.num_channels * config.kernel, config.width, bias=False),
             "norm_layer": nn.LayerNorm(config.width)}
        )  # fmt: skip
        nn.init.trunc_normal_(self.pos_embed, std=INIT_STD)

    def forward(self, readings: Tensor) -> Tensor:
        """(B, channels, length) -> (B, 1 + pieces, width)."""
        readings = readings[..., : readings.shape[-1] // self.kernel * self.kernel]
        pieces = rearrange(readings, "b c (n k) -> b n (c k)", k=self.kernel)
        patches = self.imu_stem["norm_layer"](self.imu_stem["proj"](pieces))
        return torch.cat([self.cls_token.expand(len(patches), -1, -1), patches], dim=1) + self.pos_embed


class Head(nn.ModuleList):
    """LayerNorm, the first token, a linear layer into the shared space; the end of a text does not matter here."""

    def forward(self, states: Tensor, end: Tensor | None) -> tuple[Tensor, Tensor]:
        """(B, N, width) -> (B, N, width) after the LayerNorm, (B, out_width)."""
        tokens = self[0](states)
        return tokens, self.project(tokens[:, 0])

    def project(self, tokens: Tensor) -> Tensor:
        """(..., width) after the LayerNorm -> (..., out_width), each as if it were the first."""
        for layer in self[1:]:
            tokens = layer(tokens)
        return tokens


class TextHead(nn.Module):
    """LayerNorm, the token where the text ends, a linear layer into the shared space."""

    def __init__(self, width: int, out_width: int) -> None:
        super().__init__()
        self.proj = nn.Sequential(nn.LayerNorm(width, eps=BLOCK_EPS), _linear(width, out_width, bias=False))

    def forward(self, states: Tensor, end: Tensor) -> tuple[Tensor, Tensor]:
        """(B, N, width), (B,) positions -> (B, N, width) after the LayerNorm, (B, out_width)."""
        tokens = self.proj[0](states)
        return tokens, self.proj[1](tokens[torch.arange(len(tokens), device=tokens.device), end])


class Normalise(nn.Module):
    """Scale vectors to unit norm."""

    def forward(self, vectors: Tensor) -> Tensor:
        """(B, D) -> (B, D)."""
        return F.normalize(vectors.float(), dim=-1)


class LogitScale(nn.Module):
    """Multiply by a scale kept as its logarithm, learned for text and fixed elsewhere."""

    log_logit_scale: Tensor

    def __init__(self, scale: float, *, learned: bool) -> None:
        super().__init__()
        value = torch.tensor(log(scale))
        if learned:
            self.log_logit_scale = nn.Parameter(value)
        else:
            self.register_buffer("log_logit_scale", value)

    def forward(self, vectors: Tensor) -> Tensor:
        """(B, D) -> (B, D)."""
        return vectors * self.log_logit_scale.exp().clamp(max=MAX_SCALE)


_PREPROCESSORS: dict[str, Callable[[Any], nn.Module]] = {
    "vision": VisionPreprocessor,
    "text": TextPreprocessor,
    "audio": lambda config: PlanePreprocessor(config, stem="rgbt_stem"),
    "depth": lambda config: PlanePreprocessor(config, stem="depth_stem"),
    "thermal": lambda config: PlanePreprocessor(config, stem="rgbt_stem"),
    "imu": IMUPreprocessor,
}


def _head(tower: str, width: int, out_width: int) -> nn.Module:
    if tower == "text":
        return TextHead(width, out_width)
    dropout = [nn.Dropout(IMU_HEAD_DROPOUT)] if tower == "imu" else []
    norm = nn.LayerNorm(width, eps=BLOCK_EPS)
    # The identity stands where the released network selects the first token.
    return Head([norm, nn.Identity(), *dropout, _linear(width, out_width, bias=False)])


def _postprocessor(tower: str) -> nn.Module:
    scale = [LogitScale(SCALES[tower], learned=tower == "text")] if tower in SCALES else []
    return nn.Sequential(Normalise(), *scale)


def _linear(in_width: int, out_width: int, *, bias: bool = True) -> nn.Linear:
    linear = nn.Linear(in_width, out_width, bias=bias)
    nn.init.trunc_normal_(linear.weight, std=INIT_STD)
    if bias:
        nn.init.zeros_(linear.bias)
    return linear


def _positions(num_patches: int, width: int) -> nn.ParameterDict:
    embedding = nn.Parameter(torch.empty(1, 1 + num_patches, width))
    nn.init.trunc_normal_(embedding, std=INIT_STD)
    return nn.ParameterDict({"pos_embed": embedding})


def _with_cls(patches: Tensor, cls_token: Tensor, positions: Tensor) -> Tensor:
    return torch.cat([cls_token.expand(len(patches), -1, -1), patches], dim=1) + positions

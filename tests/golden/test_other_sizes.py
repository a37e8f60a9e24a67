"""Fixtures of the same form with other sizes, seeds and names: the comparison reads them as it reads ours.

open_clip and torch's own transformer compute what is recorded of CLIP and NExT-GPT; ImageBind's towers are computed from
the weights anew, their attention by nn.MultiheadAttention.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import nextgpt_checkpoint as published
import pytest
import torch
from open_clip.model import build_model_from_openai_state_dict
from parity import GOLDEN
from recording import Recorded, assert_compared_whole, write
from torch import Tensor, nn
from torch.nn import functional as F

from encoders.clip_parts import create_clip
from encoders.imagebind_config import CLIP_MEAN, CLIP_STD, ImageBindConfig
from encoders.imagebind_model import ImageBind

TOWERS = {"image": "vision", "video": "vision", **{name: name for name in ("text", "audio", "depth", "thermal", "imu")}}
STEMS = {"audio": "rgbt_stem", "depth": "depth_stem", "thermal": "rgbt_stem", "imu": "imu_stem"}
SMALL = ("norm_layer", "cls_token", "pos_embed", "token_embedding", "stem.proj.1", "pre_transformer", "out_proj", "fc2")
END = 49407  # of a text; the highest id


def nextgpt(folder: Path) -> None:
    """The output projections are made and run by torch's own transformer."""
    heads, sizes = 4, {"image": (5, 6), "video": (9, 10), "audio": (2, 3)}
    outputs, counts = published.projections(24, sizes, hidden=16), {"image": 2, "video": 3, "audio": 1}
    linear = torch.nn.Linear(12, 24)
    weights = {f"llama_proj.{name}": value for name, value in linear.state_dict().items()}
    given = torch.randn(5, 12)
    recorded = {"in.imagebind_embedding": given, "out.llama_proj": linear(given)[:, None]}
    for name, module in outputs.items():
        weights |= {published.LEGACY[name] + key: value for key, value in module.state_dict().items()}
        states, embeddings = torch.randn(3, counts[name], 24), torch.randn(3, counts[name], 24)
        recorded |= {
            f"in.{name}_hidden": states, f"in.{name}_token_embedding": embeddings,
            f"out.{name}": module(states, embeddings),
        }  # fmt: skip
    facts = {
        "llm_hidden": 24, "imagebind_dim": 12, "proj_hidden": 16, "nhead": heads, "extra": "is not minded",
        **{name: {"out": sizes[name][1], "tokens": counts[name]} for name in sizes},
    }  # fmt: skip
    write(folder, facts, weights, recorded)


def clip(folder: Path) -> None:
    vision = {"image_size": 40, "layers": 2, "width": 48, "head_width": 24, "mlp_ratio": 2.0, "patch_size": 8}
    _clip(folder, {"embed_dim": 20, "quick_gelu": True, "vision_cfg": vision})


def clip_resnet(folder: Path) -> None:
    _clip(
        folder,
        {"embed_dim": 24, "vision_cfg": {"image_size": 64, "layers": [1, 2, 1, 3], "width": 16, "patch_size": None}},
    )


def _clip(folder: Path, towers: dict[str, Any]) -> None:
    """open_clip's own class computes what is recorded."""
    config = {**towers, "text_cfg": {"context_length": 11, "vocab_size": 90, "width": 36, "heads": 3, "layers": 4}}
    size = towers["vision_cfg"]["image_size"]
    model: Any = create_clip(config).eval()
    image, text = torch.randn(2, 3, size, size), torch.randint(1, 89, (5, 11))
    text[:, 7] = 89
    logits, _ = model.get_logits(image, text)
    recorded = {
        "in.image": image, "in.text": text, "out.image_features": model.encode_image(image),
        "out.text_features": model.encode_text(text), "out.logits_per_image": logits,
    }  # fmt: skip
    write(folder, config, model.state_dict(), recorded)


def clip_openai(folder: Path) -> None:
    """Three heads and two, pictures that the patches do not fill, and the scalars of the released archives."""
    weights = {"input_resolution": torch.tensor(50), "context_length": torch.tensor(9), "vocab_size": torch.tensor(70)}
    _clip_openai(folder, {"image_size": 50, "layers": 3, "width": 192, "patch_size": 12}, weights)


def clip_openai_resnet(folder: Path) -> None:
    _clip_openai(folder, {"image_size": 96, "layers": [1, 1, 2, 1], "width": 14, "patch_size": None}, {})


def _clip_openai(folder: Path, vision: dict[str, Any], beside: dict[str, Tensor]) -> None:
    """open_clip's own reader of OpenAI's layout computes what is recorded, as it reads the sizes off the weights."""
    text = {"context_length": 9, "vocab_size": 70, "width": 128, "heads": 2, "layers": 2}
    made = create_clip({"embed_dim": 28, "vision_cfg": vision, "text_cfg": text})
    model: Any = build_model_from_openai_state_dict(dict(made.state_dict()), cast_dtype=torch.float32).float()
    for module in model.modules():  # what an untrained ResNet has noughts and ones of
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(module.running_mean)
            torch.nn.init.uniform_(module.running_var, 0.5, 2.0)
            torch.nn.init.uniform_(module.weight, 0.5, 2.0)
    blocks: list[Tensor] = []
    for block in model.transformer.resblocks:
        block.register_forward_hook(lambda _module, _inputs, output: blocks.append(output))
    image, ids = torch.randn(3, 3, *[vision["image_size"]] * 2), torch.randint(1, 69, (4, 9))
    ids[:, 6] = 69
    logits, of_texts = model.get_logits(image, ids)
    recorded = {
        "in.image": image, "in.text": ids, "out.image_features": model.encode_image(image),
        "out.text_features": model.encode_text(ids), "out.logits_per_image": logits, "out.logits_per_text": of_texts,
        **{f"mid.text_block{number}": value[:, :6] for number, value in enumerate(blocks[:2])},
    }  # fmt: skip
    facts = {
        "embed_dim": 28, "image_resolution": vision["image_size"], "vision_layers": vision["layers"],
        "vision_width": vision["width"], "vision_patch_size": vision["patch_size"], "context_length": 9,
        "vocab_size": 70, "transformer_width": 128, "transformer_heads": 2, "transformer_layers": 2,
    }  # fmt: skip
    write(folder, facts, model.state_dict() | beside, recorded)


def random_state(config: ImageBindConfig) -> Recorded:
    """Random weights under the released names: norms and biases too, and scales on either side of their limit.

    What is added up is small, so that an epsilon in a norm makes a difference.
    """
    with torch.device("meta"):
        shapes = {name: value.shape for name, value in ImageBind(config).state_dict().items()}
    state = {}
    for name, shape in shapes.items():
        if name.endswith("log_logit_scale"):
            state[name] = torch.tensor(5.0 if ".text." in name else 1.5)
        elif name.endswith(".mask"):
            state[name] = torch.full(shape, -torch.inf).triu(1)
        else:
            size = 0.05 if any(part in name for part in SMALL) else 1.0
            state[name] = size * torch.randn(shape) / (shape[1:].numel() ** 0.5 if len(shape) > 1 else 2)
    return state


def computed(state: Recorded, facts: dict[str, Any], modality: str, given: Tensor) -> tuple[Recorded, Tensor]:
    """Return what is on the way, and the embedding (B, D) with its scale, averaged over clips."""
    tower = TOWERS[modality]
    clips = given.flatten(0, 1) if given.ndim >= 5 else given
    tokens = embedded(state, facts, tower, clips)
    states = blocks(state, int(facts[f"{tower}_num_heads"]), tower, tokens)
    head = f"modality_heads.{tower}"
    if tower == "text":
        last = norm(state, f"{head}.proj.0", states, 1e-6)[torch.arange(len(clips)), clips.argmax(dim=-1)]
        out = last @ state[f"{head}.proj.1.weight"].T
    else:
        last = norm(state, f"{head}.0", states, 1e-6)[:, 0]
        out = last @ state[f"{head}.{3 if tower == 'imu' else 2}.weight"].T
    final = out / out.norm(dim=-1, keepdim=True)
    if (scale := state.get(f"modality_postprocessors.{tower}.1.log_logit_scale")) is not None:
        final = final * scale.exp().clamp(max=100)
    if given.ndim >= 5:
        final = final.view(*given.shape[:2], -1).mean(dim=1)
    ends = [0, 1, -1]
    seen = {
        "tokens_first2_last": tokens[:, ends], "tokens_mean": tokens.mean(dim=1), "trunk_first2_last": states[:, ends],
        "trunk_mean": states.mean(dim=1), "head": out,
    }  # fmt: skip
    return seen, final


def embedded(state: Recorded, facts: dict[str, Any], tower: str, x: Tensor) -> Tensor:
    """The tokens that the blocks are given."""
    name = f"modality_preprocessors.{tower}"
    if tower == "text":
        return state[f"{name}.token_embedding.weight"][x] + state[f"{name}.pos_embed"]
    if tower == "vision":
        frames = torch.stack([x, x], dim=2) if x.ndim == 4 else x
        frames = frames.repeat(1, 1, 2, 1, 1) if frames.shape[2] == 1 else frames
        kernel = state[f"{name}.rgbt_stem.proj.1.weight"]
        patches = F.conv3d(frames, kernel, stride=kernel.shape[2:]).flatten(2).mT
    elif tower == "imu":
        size = 8  # the original takes a size, and does not use it
        pieces = [x[..., at : at + size].flatten(1) for at in range(0, x.shape[-1] - size + 1, size)]
        patches = torch.stack(pieces, dim=1) @ state[f"{name}.imu_stem.proj.weight"].T
    else:
        kernel = state[f"{name}.{STEMS[tower]}.proj.weight"]
        stride = int(facts["audio_stride"]) if tower == "audio" else kernel.shape[-1]
        patches = F.conv2d(x, kernel, stride=stride).flatten(2).mT
    if tower != "vision":
        patches = norm(state, f"{name}.{STEMS[tower]}.norm_layer", patches, 1e-5)
    positions = state.get(f"{name}.pos_embed", state.get(f"{name}.pos_embedding_helper.pos_embed"))
    assert positions is not None
    positions = positions[:, : 1 + patches.shape[1]]  # a still has those of a video's first piece of time
    return torch.cat([state[f"{name}.cls_token"].expand(len(x), -1, -1), patches], dim=1) + positions


def blocks(state: Recorded, num_heads: int, tower: str, x: Tensor) -> Tensor:
    """The trunk, each block's attention by nn.MultiheadAttention, as in the original."""
    name, number = f"modality_trunks.{tower}", 0
    if f"{name}.pre_transformer_layer.0.weight" in state:
        x = norm(state, f"{name}.pre_transformer_layer.0", x, 1e-6)
    mask = state[f"modality_preprocessors.{tower}.mask"] if tower == "text" else None
    while (at := f"{name}.blocks.{number}") and f"{at}.norm_1.weight" in state:
        start = f"{at}.attn."
        own = {key.removeprefix(start): value for key, value in state.items() if key.startswith(start)}
        attention = nn.MultiheadAttention(x.shape[-1], num_heads, add_bias_kv="bias_k" in own, batch_first=True)
        attention.load_state_dict(own)
        read = norm(state, f"{at}.norm_1", x, 1e-6)
        x = x + attention(read, read, read, need_weights=False, attn_mask=mask)[0]
        inner = F.gelu(linear(state, f"{at}.mlp.fc1", norm(state, f"{at}.norm_2", x, 1e-6)))
        x, number = x + linear(state, f"{at}.mlp.fc2", inner), number + 1
    return x


def norm(state: Recorded, name: str, x: Tensor, eps: float) -> Tensor:
    return F.layer_norm(x, x.shape[-1:], state[f"{name}.weight"], state[f"{name}.bias"], eps)


def linear(state: Recorded, name: str, x: Tensor) -> Tensor:
    return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]


def imagebind(folder: Path, modalities: Sequence[str], **sizes: Any) -> None:
    """Record modalities of a network of these sizes; what they leave open is as in our fixture."""
    facts = json.loads((GOLDEN / "imagebind" / "config.json").read_text()) | sizes
    state = random_state(ImageBindConfig.from_released(facts))
    bins, length = facts["audio_num_mel_bins"], facts["audio_target_len"]
    pixels = torch.randint(0, 256, (3, 3, 224, 224), dtype=torch.uint8)
    ids = torch.randint(1, 49000, (3, 77))
    ids[torch.arange(3), torch.tensor([4, 76, 30])] = END
    inputs = {
        "image": pixels, "video": torch.randn(1, 3, 3, facts["video_frames"], 224, 224), "text": ids,
        "audio": torch.randn(2, 3, 1, bins, length), "depth": torch.rand(2, 1, 224, 224),
        "thermal": torch.randint(0, 256, (1, 1, 224, 224), dtype=torch.uint8), "imu": torch.randn(2, 6, 2000),
    }  # fmt: skip
    recorded: Recorded = {}
    for modality in modalities:
        given = recorded_as = inputs[modality]
        if given.dtype == torch.uint8:
            given = given / 255
            if modality == "image":
                given = (given - torch.tensor(CLIP_MEAN)[:, None, None]) / torch.tensor(CLIP_STD)[:, None, None]
        seen, out = computed(state, facts, modality, given)
        recorded[f"in.{modality}{'_u8' if recorded_as.dtype == torch.uint8 else ''}"] = recorded_as
        recorded |= {f"mid.{modality}.{stage}": value for stage, value in seen.items()} | {f"out.{modality}": out}
    write(folder, {**facts, "seed": 5}, state, recorded)


def all_senses(folder: Path) -> None:
    """Larger patches, other mels, one head and many, a single block and more."""
    imagebind(
        folder, list(TOWERS), kernel_size=[2, 28, 28], out_embed_dim=20, vision_embed_dim=48, vision_num_blocks=1,
        vision_num_heads=3, audio_embed_dim=16, audio_num_heads=1, audio_num_mel_bins=64, audio_target_len=108,
        audio_num_blocks=4, text_embed_dim=8, text_num_heads=8, depth_kernel_size=28, depth_embed_dim=24,
        depth_num_heads=4, thermal_kernel_size=32, imu_num_blocks=3, imu_kernel_size=20, imu_num_heads=1,
    )  # fmt: skip


def overlapping_sounds(folder: Path) -> None:
    """Patches that overlap by more than half, at the end of which some frames are left over."""
    imagebind(folder, ["audio", "text"], audio_kernel_size=12, audio_stride=5, audio_target_len=90, text_num_blocks=1)


def longer_videos(folder: Path) -> None:
    """Clips of six frames, three pieces of time each."""
    imagebind(folder, ["image", "video", "thermal"], video_frames=6, kernel_size=[2, 32, 32], thermal_num_heads=1)


def single_frames(folder: Path) -> None:
    """Clips of one frame, which becomes two; each is a piece of time."""
    imagebind(folder, ["image", "video"], video_frames=1, kernel_size=[1, 56, 56])


def arguments_left_out(folder: Path) -> None:
    """A config that leaves out what is as the constructor has it by default."""
    imagebind(folder, list(TOWERS))
    facts = json.loads((folder / "config.json").read_text())
    defaults = (
        "video_frames", "kernel_size", "audio_kernel_size", "audio_stride", "audio_num_mel_bins", "audio_target_len",
        "audio_drop_path", "depth_kernel_size", "depth_drop_path", "thermal_kernel_size", "thermal_drop_path",
        "imu_kernel_size", "imu_drop_path",
    )  # fmt: skip
    (folder / "config.json").write_text(
        json.dumps({name: value for name, value in facts.items() if name not in defaults})
    )


MAKERS = (
    nextgpt, clip, clip_resnet, clip_openai, clip_openai_resnet, all_senses, overlapping_sounds, longer_videos,
    single_frames, arguments_left_out,
)  # fmt: skip


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
def test_a_fixture_of_other_sizes_is_compared_whole(make: Callable[[Path], None], tmp_path: Path) -> None:
    assert_compared_whole(make, tmp_path)

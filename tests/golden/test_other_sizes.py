"""Fixtures of the same form with other sizes, seeds and names: the comparison reads them as it reads ours."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nextgpt_checkpoint as published
import pytest
import torch
from open_clip.model import build_model_from_openai_state_dict
from parity import GOLDEN
from recording import assert_compared_whole, write
from torch import Tensor

from encoders.clip_parts import create_clip
from encoders.imagebind_config import ImageBindConfig
from encoders.imagebind_model import ImageBind
from pipelines.baselines.stylegan2_config import StyleGAN2Config
from pipelines.baselines.stylegan2_model import StyleGAN2Network, noise_of


def stylegan2(folder: Path) -> None:
    config = StyleGAN2Config(
        (12, 10, 8, 6, 4), z_dim=9, w_dim=11, num_classes=4, num_mapping_layers=3, conv_clamp=0.7, embed_dim=11,
        mapping_dim=11, resample_filter=(0.125, 0.375, 0.375, 0.125),
    )  # fmt: skip
    network = StyleGAN2Network(config).eval()
    network.mapping.w_avg.normal_()
    z, c = torch.randn(2, 9), torch.eye(4)[[0, 3]]
    ws = network.mapping(z, c)
    cut = network.mapping.truncated(ws, -0.4, 5)
    recorded = {
        "in.z": z, "in.c": c, "in.ws_direct": ws + 1, "mid.ws_psi1": ws, "mid.ws_psi-0.4_cutoff5": cut,
        "out.img_none_psi-0.4_cutoff5": network.synthesis(cut, noise_of("none")),
        "out.img_const_psi1_ds3": network.synthesis(ws, noise_of("const"))[..., ::3, ::3],
        "out.img_from_ws": network.synthesis(ws + 1, noise_of("const")),
    }  # fmt: skip
    arguments = {
        "z_dim": 9, "c_dim": 4, "w_dim": 11, "img_resolution": 64, "img_channels": 3,
        "mapping_kwargs": {"num_layers": 3}, "synthesis_kwargs": {"conv_clamp": 0.7},
    }  # fmt: skip
    write(folder, arguments, network.state_dict(), recorded)


def stylegan2_without_classes(folder: Path) -> None:
    """One layer of mapping, no classes, no clamp, grey images, and channels that grow again."""
    config = StyleGAN2Config((6, 8, 5), z_dim=7, w_dim=7, num_mapping_layers=1, image_channels=1)
    network = StyleGAN2Network(config).eval()
    network.mapping.w_avg.normal_()
    z = torch.randn(3, 7)
    ws = network.mapping(z, torch.zeros(3, 0))
    recorded = {
        "in.z": z, "mid.ws_psi0.25": network.mapping.truncated(ws, 0.25),
        "out.img_none_psi1": network.synthesis(ws, noise_of("none")),
    }  # fmt: skip
    arguments = {
        "z_dim": 7, "c_dim": 0, "w_dim": 7, "img_resolution": 16, "img_channels": 1,
        "mapping_kwargs": {"num_layers": 1}, "synthesis_kwargs": {},
    }  # fmt: skip
    write(folder, arguments, network.state_dict(), recorded)


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


def imagebind(folder: Path) -> None:
    released = json.loads((GOLDEN / "imagebind" / "config.json").read_text()) | {
        "video_frames": 4, "kernel_size": [2, 28, 28], "out_embed_dim": 20, "vision_embed_dim": 48,
        "vision_num_blocks": 2, "vision_num_heads": 3, "audio_embed_dim": 16, "audio_num_heads": 4,
        "audio_num_mel_bins": 64, "audio_target_len": 108, "text_embed_dim": 8, "text_num_heads": 4,
        "depth_kernel_size": 28, "imu_num_blocks": 3,
    }  # fmt: skip
    model = ImageBind(ImageBindConfig.from_released(released)).eval()
    recorded = {
        "in.image": torch.randn(1, 3, 224, 224), "in.audio": torch.randn(1, 3, 1, 64, 108),
        "in.depth": torch.rand(1, 1, 224, 224), "in.text": torch.randint(1, 400, (2, 77)),
        "in.imu": torch.randn(1, 6, 2000),
    }  # fmt: skip
    recorded["in.text"][:, 30] = 40000  # where a text ends
    for name in list(recorded):
        modality = name.removeprefix("in.")
        tower = "vision" if modality == "image" else modality
        recorded[f"out.{modality}"] = model({tower: recorded[name]})[tower]
    write(folder, {**released, "seed": 5}, model.state_dict(), recorded)


MAKERS = (
    stylegan2, stylegan2_without_classes, nextgpt, clip, clip_resnet, clip_openai, clip_openai_resnet, imagebind,
)  # fmt: skip


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
def test_a_fixture_of_other_sizes_is_compared_whole(make: Callable[[Path], None], tmp_path: Path) -> None:
    assert_compared_whole(make, tmp_path)

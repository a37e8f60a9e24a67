"""Fixtures of the same form with other sizes, seeds and names: the comparison reads them as it reads ours."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import nextgpt_checkpoint as published
import parts
import pytest
import torch
from diffusers import EulerDiscreteScheduler
from parity import GOLDEN, differences, fixtures, wanted_tensors
from safetensors.torch import load_file, save_file
from torch import Tensor

from encoders.clip_parts import create_clip
from encoders.imagebind_config import ImageBindConfig
from encoders.imagebind_model import ImageBind
from pipelines.baselines.biggan_config import BigGANConfig
from pipelines.baselines.biggan_model import BigGANNetwork
from pipelines.baselines.stylegan2_config import StyleGAN2Config
from pipelines.baselines.stylegan2_model import StyleGAN2Network, noise_of

Recorded = dict[str, Tensor]


def write(folder: Path, config: Mapping[str, Any], weights: Mapping[str, Tensor] | None, recorded: Recorded) -> None:
    """Write a fixture: what it is made of, its weights unless they are in a pipeline's folder, inputs and outputs."""
    (folder / "config.json").write_text(json.dumps(config))
    save_file({name: value.clone().contiguous() for name, value in recorded.items()}, folder / "io.safetensors")
    if weights is not None:
        state = {name: value.clone().contiguous() for name, value in weights.items()}
        save_file(state, folder / "weights.safetensors")


def biggan(folder: Path) -> None:
    layers = ((False, 4, 4), (True, 4, 2), (False, 2, 2), (True, 2, 1), (True, 1, 1))
    config = BigGANConfig(
        layers, num_classes=7, z_dim=10, class_embed_dim=10, channel_width=16, attention_layer_position=3, eps=1e-3,
        n_stats=11, output_dim=32,
    )  # fmt: skip
    network = BigGANNetwork(config).eval()
    torch.nn.init.normal_(network.generator.layers[3].gamma)
    recorded = {"in.z": torch.randn(3, 10), "in.class_vector": torch.eye(7)[[1, 6, 2]]}
    for truncation, step in ((0.3, 1), (0.97, 3)):  # a stride that does not divide the size
        image = network(recorded["in.z"], recorded["in.class_vector"], truncation)
        recorded[f"out.image_trunc{truncation}" + ("" if step == 1 else f"_ds{step}")] = image[..., ::step, ::step]
    ours = ("labels", "class_groups")  # fields that the released configs do not have
    write(folder, {n: v for n, v in asdict(config).items() if n not in ours}, network.state_dict(), recorded)


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


def stable_diffusion(folder: Path) -> None:
    _stable_diffusion(folder, parts.image_pipeline(seed=77))


def stable_diffusion_with_sigmas(folder: Path) -> None:
    """Another kind of scheduler, whose noise begins at its largest sigma and not at one."""
    pipeline: Any = parts.image_pipeline(seed=78)
    pipeline.scheduler = EulerDiscreteScheduler.from_config(pipeline.scheduler.config)
    _stable_diffusion(folder, pipeline)


def stable_diffusion_unguided(folder: Path) -> None:
    """Without guidance there is no negative prompt to record, and of its steps the last alone is."""
    _stable_diffusion(folder, parts.image_pipeline(seed=79), guidance_scale=1.0)
    recorded = load_file(folder / "io.safetensors")
    left_out = {"in.negative_prompt_embeds", "mid.latents_after_step0", "mid.latents_after_step1"}
    save_file({name: value for name, value in recorded.items() if name not in left_out}, folder / "io.safetensors")


def _stable_diffusion(folder: Path, pipeline: Any, guidance_scale: float = 3.0) -> None:
    """The stock pipeline computes what is recorded."""
    pipeline.set_progress_bar_config(disable=True)
    pipeline.save_pretrained(folder / "pipeline")
    facts = {
        "pipeline_class": "StableDiffusionPipeline", "prompt": "a kite", "negative_prompt": "rain", "eta": 0.0,
        "num_inference_steps": 3, "guidance_scale": guidance_scale, "height": 24, "width": 16,
    }  # fmt: skip
    prompts = pipeline.encode_prompt("a kite", "cpu", 1, True, "rain")
    ids = [pipeline.tokenizer(facts[name], padding="max_length").input_ids for name in ("prompt", "negative_prompt")]
    read = pipeline.text_encoder(torch.tensor(ids))
    latents, sample = torch.randn(1, 4, 12, 8), torch.randn(3, 4, 8, 8)
    picture, step = torch.rand(1, 3, 32, 16), torch.tensor(11)
    encoded, steps = pipeline.vae.encode(picture).latent_dist, []

    def keep(_: Any, number: int, timestep: Any, values: dict[str, Tensor]) -> dict[str, Tensor]:
        steps.append(values["latents"].clone())
        return values

    call = {name: value for name, value in facts.items() if name != "pipeline_class"}
    image = pipeline(**call, latents=latents.clone(), output_type="np", callback_on_step_end=keep).images
    recorded = {
        "in.prompt_embeds": prompts[0], "in.negative_prompt_embeds": prompts[1], "in.latents": latents,
        "in.unet_sample": sample, "in.unit_timestep": step, "in.vae_image": picture, "in.vae_latent": latents,
        "mid.token_ids": torch.tensor(ids), "mid.text_last_hidden_state": read.last_hidden_state,
        "mid.text_pooled": read.pooler_output, "mid.timesteps": pipeline.scheduler.timesteps,
        "mid.unet_single": pipeline.unet(sample, step, prompts[0].expand(3, -1, -1)).sample,
        "mid.vae_encode_mean": encoded.mean, "mid.vae_encode_logvar": encoded.logvar,
        "mid.vae_decode": pipeline.vae.decode(latents).sample, "out.image": torch.from_numpy(image),
        **{f"mid.latents_after_step{number}": value for number, value in enumerate(steps)},
    }  # fmt: skip
    write(folder, facts, None, recorded)


MAKERS = (
    biggan, stylegan2, stylegan2_without_classes, nextgpt, clip, clip_resnet, imagebind, stable_diffusion,
    stable_diffusion_with_sigmas, stable_diffusion_unguided,
)  # fmt: skip


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
@torch.no_grad()
def test_a_fixture_of_other_sizes_is_compared_whole(make: Callable[[Path], None], tmp_path: Path) -> None:
    torch.manual_seed(5)
    folder = tmp_path / "case_1"  # a name that tells nothing
    folder.mkdir()
    make(folder)
    family = fixtures(tmp_path)["case_1"]
    assert family is not None
    compared = differences(folder, family)
    assert set(wanted_tensors(folder, family)) <= set(compared)
    assert not [str(row) for row in compared.values() if not row.is_within]

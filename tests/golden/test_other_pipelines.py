"""Fixtures of diffusers pipelines with other sizes, schedulers and calls: diffusers itself computes what is recorded."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import parts
import pytest
import torch
from diffusers import (
    AudioLDMPipeline,
    AutoencoderKL,
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    HeunDiscreteScheduler,
    PNDMScheduler,
    TextToVideoSDPipeline,
    UNet2DConditionModel,
    UNet3DConditionModel,
)
from pipeline_parts import clip_text, roberta_tokenizer
from recording import Recorded, assert_compared_whole, write
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import ClapTextConfig, ClapTextModelWithProjection, SpeechT5HifiGan, SpeechT5HifiGanConfig

DIFFUSION = {"beta_start": 0.0009, "beta_end": 0.015, "beta_schedule": "scaled_linear", "clip_sample": False}
CAPTIONS: dict[str, Any] = {"prompt": "a kite", "negative_prompt": "rain"}
TWO: dict[str, Any] = {"prompt": ["a kite", "two red boats"], "negative_prompt": ["rain", "a grey sky"]}


def autoencoder(widths: tuple[int, ...], **facts: Any) -> AutoencoderKL:
    """One that halves both sides once less often than it has widths."""
    down, up = ["DownEncoderBlock2D"] * len(widths), ["UpDecoderBlock2D"] * len(widths)
    return AutoencoderKL(block_out_channels=widths, down_block_types=down, up_block_types=up, **facts).eval()


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
    _leave_out(folder, "in.negative_prompt_embeds", "mid.latents_after_step0", "mid.latents_after_step1")


def stable_diffusion_by_heun(folder: Path) -> None:
    """Two steps of the scheduler for one, and guidance that is scaled back."""
    pipeline: Any = parts.image_pipeline(seed=80)
    pipeline.scheduler = HeunDiscreteScheduler.from_config(pipeline.scheduler.config)
    _stable_diffusion(folder, pipeline, guidance_rescale=0.7)


def stable_diffusion_warmed_up(folder: Path) -> None:
    """A step more than was asked for, as with the scheduler of the first release."""
    pipeline: Any = parts.image_pipeline(seed=81)
    pipeline.scheduler = PNDMScheduler(beta_schedule="scaled_linear", skip_prk_steps=True, steps_offset=1)
    _stable_diffusion(folder, pipeline)


def stable_diffusion_of_a_batch(folder: Path) -> None:
    """Two prompts, each led away from another one."""
    _stable_diffusion(folder, parts.image_pipeline(seed=82), **TWO)


def stable_diffusion_of_one_prompt_twice(folder: Path) -> None:
    """Three pictures of the first prompt and three of the second, led away from the same."""
    _stable_diffusion(
        folder, parts.image_pipeline(seed=83), **TWO | {"negative_prompt": ["fog"] * 2}, num_images_per_prompt=3
    )


def _stable_diffusion(folder: Path, pipeline: Any, guidance_scale: float = 3.0, **call: Any) -> None:
    facts = {
        **CAPTIONS, "eta": 0.0, "num_inference_steps": 3, "guidance_scale": guidance_scale, "height": 24, "width": 16,
        **call,
    }  # fmt: skip
    embedded, ids = (
        pipeline.encode_prompt(facts["prompt"], "cpu", 1, True, facts["negative_prompt"]),
        _ids(pipeline, facts),
    )
    steps: list[Tensor] = []

    def keep(_: Any, number: int, timestep: Any, values: dict[str, Tensor]) -> dict[str, Tensor]:
        steps.append(values["latents"].clone())
        return values

    latents = torch.randn(len(embedded[0]) * call.get("num_images_per_prompt", 1), 4, 12, 8)
    num_in_call = 3 if len(embedded[0]) == 1 else len(embedded[0])
    recorded = _read(pipeline, ids, embedded) | _networks(
        pipeline, embedded[0], torch.randn(num_in_call, 4, 8, 8), (3, 32, 16)
    )
    recorded["in.latents"] = latents
    image = pipeline(**facts, latents=latents.clone(), output_type="np", callback_on_step_end=keep).images
    _write(folder, pipeline, facts, recorded | {"out.image": torch.from_numpy(image)}, steps)


def text_to_video(folder: Path) -> None:
    """Two latents' channels more, heads of another width, frames that are wider than high, and an odd number of them."""
    _text_to_video(folder, _video_pipeline(DDIMScheduler(**DIFFUSION, steps_offset=1)), 5, 4, 3.5)


def text_to_video_of_velocity(folder: Path) -> None:
    """A scheduler with a memory, whose steps are of a velocity, and a single frame."""
    scheduler = DPMSolverMultistepScheduler(beta_schedule="scaled_linear", prediction_type="v_prediction")
    _text_to_video(folder, _video_pipeline(scheduler), 1, 3, 6.0)


def text_to_video_unguided(folder: Path) -> None:
    _text_to_video(folder, _video_pipeline(DDIMScheduler(**DIFFUSION)), 2, 2, 1.0)
    _leave_out(folder, "in.negative_prompt_embeds", "mid.latents_after_step0")


def text_to_video_by_heun(folder: Path) -> None:
    """Two steps of the scheduler for one, of which the callback tells the second."""
    _text_to_video(folder, _video_pipeline(HeunDiscreteScheduler(beta_schedule="scaled_linear")), 2, 3, 5.0)


def text_to_video_of_a_batch(folder: Path) -> None:
    _text_to_video(folder, _video_pipeline(DDIMScheduler(**DIFFUSION, steps_offset=1)), 3, 2, 4.0, **TWO)


def _video_pipeline(scheduler: Any) -> Any:
    unet = UNet3DConditionModel(
        sample_size=8, in_channels=6, out_channels=6, block_out_channels=(12, 24, 36), layers_per_block=2,
        attention_head_dim=6, cross_attention_dim=20, norm_num_groups=3,
        down_block_types=("CrossAttnDownBlock3D", "CrossAttnDownBlock3D", "DownBlock3D"),
        up_block_types=("UpBlock3D", "CrossAttnUpBlock3D", "CrossAttnUpBlock3D"),
    )  # fmt: skip
    vae = autoencoder((6, 12, 18), latent_channels=6, norm_num_groups=3, scaling_factor=0.4)
    return TextToVideoSDPipeline(vae, clip_text(width=20), parts.text_tokenizer(6), unet.eval(), scheduler)


def _text_to_video(
    folder: Path, pipeline: Any, num_frames: int, num_steps: int, guidance_scale: float, **call: Any
) -> None:
    facts = {
        **CAPTIONS, "eta": 0.0, "num_inference_steps": num_steps, "guidance_scale": guidance_scale, "height": 16,
        "width": 32, "num_frames": num_frames, **call,
    }  # fmt: skip
    embedded, ids = (
        pipeline.encode_prompt(facts["prompt"], "cpu", 1, True, facts["negative_prompt"]),
        _ids(pipeline, facts),
    )
    latents, steps = torch.randn(len(embedded[0]), 6, num_frames, 4, 8), []
    recorded = _read(pipeline, ids, embedded)
    recorded |= _networks(pipeline, embedded[0], torch.randn(2, 6, num_frames, 8, 4), (3, 16, 24))
    recorded["in.latents"] = latents
    told = {"callback": lambda number, timestep, made: steps.append(made.clone())}
    video = pipeline(**facts, **told, latents=latents.clone(), output_type="np").frames
    _write(folder, pipeline, facts, recorded | {"out.video": torch.from_numpy(video)}, steps)


def audioldm(folder: Path) -> None:
    """Three blocks instead of four, two halvings, another rate, and a length that is cut and rounded."""
    _audioldm(folder, _audio_pipeline(DDIMScheduler(**DIFFUSION, steps_offset=1), (8, 8, 16)), 0.0731, 4, 3.5)


def audioldm_with_a_memory(folder: Path) -> None:
    """A scheduler of another kind, and an autoencoder that halves once."""
    scheduler = DPMSolverMultistepScheduler(beta_schedule="scaled_linear", steps_offset=1)
    _audioldm(folder, _audio_pipeline(scheduler, (8, 16)), 0.05, 3, 2.0)


def audioldm_warmed_up(folder: Path) -> None:
    """A step more than was asked for, of which the callback does not tell."""
    scheduler = PNDMScheduler(beta_schedule="scaled_linear", skip_prk_steps=True)
    _audioldm(folder, _audio_pipeline(scheduler, (8, 16)), 0.05, 3, 2.5)


def audioldm_unguided(folder: Path) -> None:
    """No caption to lead away from is told at all."""
    _audioldm(folder, _audio_pipeline(DDIMScheduler(**DIFFUSION), (8, 8, 16)), 0.06, 2, 1.0, negative_prompt=None)
    _leave_out(folder, "in.negative_prompt_embeds", "mid.latents_after_step0")


def audioldm_of_a_batch(folder: Path) -> None:
    _audioldm(folder, _audio_pipeline(DDIMScheduler(**DIFFUSION), (8, 8, 16)), 0.05, 2, 3.0, **TWO)


def _audio_pipeline(scheduler: Any, vae_widths: tuple[int, ...]) -> Any:
    tokenizer = roberta_tokenizer(12)
    text = ClapTextConfig(
        vocab_size=len(tokenizer), hidden_size=18, intermediate_size=30, num_hidden_layers=3, num_attention_heads=3,
        projection_dim=10, max_position_embeddings=14,
    )  # fmt: skip
    unet = UNet2DConditionModel(
        sample_size=8, in_channels=5, out_channels=5, block_out_channels=(12, 18, 24), layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"), cross_attention_dim=(12, 18, 24),
        attention_head_dim=3, norm_num_groups=3, class_embed_type="simple_projection",
        projection_class_embeddings_input_dim=10, class_embeddings_concat=True,
    )  # fmt: skip
    vocoder = SpeechT5HifiGanConfig(
        model_in_dim=24, sampling_rate=8000, upsample_initial_channel=16, upsample_rates=[4, 3], initializer_range=0.15,
        upsample_kernel_sizes=[8, 7], resblock_kernel_sizes=[3, 5], resblock_dilation_sizes=[[1, 3], [1, 2]],
        normalize_before=False,
    )  # fmt: skip
    vae = autoencoder(
        vae_widths, in_channels=1, out_channels=1, latent_channels=5, norm_num_groups=4, scaling_factor=0.7
    )
    encoder = ClapTextModelWithProjection(text).eval()
    return AudioLDMPipeline(vae, encoder, tokenizer, unet.eval(), scheduler, SpeechT5HifiGan(vocoder).eval())


def _audioldm(folder: Path, pipeline: Any, seconds: float, num_steps: int, guidance_scale: float, **call: Any) -> None:
    facts = {
        **CAPTIONS, "eta": 0.0, "num_inference_steps": num_steps, "guidance_scale": guidance_scale,
        "audio_length_in_s": seconds, **call,
    }  # fmt: skip
    tokens = pipeline.tokenizer(_captions(facts), padding="max_length", truncation=True, return_tensors="pt")
    raw = pipeline.text_encoder(**tokens).text_embeds
    embedded = torch.nn.functional.normalize(raw, dim=-1).chunk(2)
    smaller, length = pipeline.vae_scale_factor, int(seconds * 8000 / 12)
    length = -(-length // smaller)
    latents, steps, mel = torch.randn(len(embedded[0]), 5, length, 24 // smaller), [], torch.randn(2, 9, 24)
    recorded = {
        "in.prompt_embeds": embedded[0], "in.negative_prompt_embeds": embedded[1], "in.latents": latents, "in.mel": mel,
        "mid.token_ids": tokens.input_ids, "mid.attention_mask": tokens.attention_mask, "mid.text_embeds_raw": raw,
        "mid.vocoder_from_mel": pipeline.vocoder(mel),
    }  # fmt: skip
    recorded |= _networks(pipeline, embedded[0], torch.randn(len(embedded[0]), 5, 12, 8), (1, 24, 16))
    given = {**facts, "prompt": None, "negative_prompt": None, "prompt_embeds": embedded[0]}
    if guidance_scale > 1:
        given["negative_prompt_embeds"] = embedded[1]
    callback = {"callback": lambda number, timestep, made: steps.append(made.clone())}
    audio = pipeline(**given, **callback, latents=latents.clone()).audios
    _write(folder, pipeline, facts, recorded | {"out.audio": torch.from_numpy(audio)}, steps)


def _ids(pipeline: Any, facts: dict[str, Any]) -> Tensor:
    return torch.tensor(
        [pipeline.tokenizer(text, padding="max_length", truncation=True).input_ids for text in _captions(facts)]
    )


def _captions(facts: dict[str, Any]) -> list[str]:
    """The prompts, then what they are led away from."""
    given = [facts["prompt"], facts["negative_prompt"] or ""]
    return [caption for texts in given for caption in ([texts] if isinstance(texts, str) else texts)]


def _read(pipeline: Any, ids: Tensor, embedded: tuple[Tensor, Tensor]) -> Recorded:
    """What the text encoder makes of prompt and negative prompt."""
    read = pipeline.text_encoder(ids)
    return {
        "in.prompt_embeds": embedded[0], "in.negative_prompt_embeds": embedded[1], "mid.token_ids": ids,
        "mid.text_last_hidden_state": read.last_hidden_state, "mid.text_pooled": read.pooler_output,
    }  # fmt: skip


def _networks(pipeline: Any, prompt: Tensor, sample: Tensor, picture: tuple[int, ...]) -> Recorded:
    """One call of the denoising network, and the autoencoder's both ways."""
    expanded, step = prompt.expand(len(sample), *prompt.shape[1:]), torch.tensor(11)
    is_label = pipeline.unet.config.get("class_embed_type") is not None
    given = (
        {"encoder_hidden_states": None, "class_labels": expanded} if is_label else {"encoder_hidden_states": expanded}
    )
    latent, image = torch.randn(1, pipeline.vae.config.latent_channels, 4, 6), torch.rand(1, *picture)
    encoded = pipeline.vae.encode(image).latent_dist
    return {
        "in.unet_sample": sample, "in.unit_timestep": step, "in.vae_image": image, "in.vae_latent": latent,
        "mid.unet_single": pipeline.unet(sample, step, **given).sample, "mid.vae_encode_mean": encoded.mean,
        "mid.vae_encode_logvar": encoded.logvar, "mid.vae_decode": pipeline.vae.decode(latent).sample,
    }  # fmt: skip


def _write(folder: Path, pipeline: Any, facts: dict[str, Any], recorded: Recorded, steps: list[Tensor]) -> None:
    pipeline.save_pretrained(folder / "pipeline")
    recorded |= {f"mid.latents_after_step{number}": value for number, value in enumerate(steps)}
    recorded["mid.timesteps"] = pipeline.scheduler.timesteps
    write(folder, {"pipeline_class": type(pipeline).__name__, **facts}, None, recorded)


def _leave_out(folder: Path, *names: str) -> None:
    recorded = load_file(folder / "io.safetensors")
    save_file({name: value for name, value in recorded.items() if name not in names}, folder / "io.safetensors")


MAKERS = (
    stable_diffusion, stable_diffusion_with_sigmas, stable_diffusion_unguided, stable_diffusion_by_heun,
    stable_diffusion_warmed_up, stable_diffusion_of_a_batch, stable_diffusion_of_one_prompt_twice, text_to_video,
    text_to_video_by_heun, text_to_video_of_velocity, text_to_video_unguided, text_to_video_of_a_batch, audioldm,
    audioldm_with_a_memory, audioldm_warmed_up, audioldm_unguided, audioldm_of_a_batch,
)  # fmt: skip


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
def test_a_pipeline_of_other_sizes_is_compared_whole(make: Callable[[Path], None], tmp_path: Path) -> None:
    assert_compared_whole(make, tmp_path)

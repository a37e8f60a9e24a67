"""Tiny random AuraFlow and ACE-Step pipelines, the decoders of the permissively licensed preset."""

import warnings

import parts
import pipeline_parts
import torch
from diffusers import (
    AceStepPipeline,
    AceStepTransformer1DModel,
    AuraFlowPipeline,
    AuraFlowTransformer2DModel,
    AutoencoderOobleck,
    FlowMatchEulerDiscreteScheduler,
)
from diffusers.pipelines.ace_step import AceStepConditionEncoder
from transformers import Qwen3Config, Qwen3Model

from pipelines.quiet import quiet


def ace_step(*, is_turbo: bool = False) -> AceStepPipeline:
    """An ACE-Step of a few hundred samples a second."""
    torch.manual_seed(0)
    tokenizer = parts.text_tokenizer(64)
    heads = {"num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 8, "hidden_size": 16}
    text_encoder = Qwen3Model(
        Qwen3Config(vocab_size=len(tokenizer), num_hidden_layers=1, intermediate_size=24, **heads)
    )
    with warnings.catch_warnings(action="ignore", category=FutureWarning):  # it uses torch's older weight norm
        vae = AutoencoderOobleck(
            encoder_hidden_size=4, downsampling_ratios=[2, 4], decoder_channels=4, decoder_input_channels=4,
            audio_channels=2, channel_multiples=[1, 2], sampling_rate=200,
        )  # fmt: skip
    condition = AceStepConditionEncoder(
        intermediate_size=24, text_hidden_dim=16, timbre_hidden_dim=4, num_lyric_encoder_hidden_layers=1,
        num_timbre_encoder_hidden_layers=1, **heads,
    )  # fmt: skip
    torch.nn.init.normal_(condition.silence_latent)
    transformer = AceStepTransformer1DModel(
        intermediate_size=24,
        num_hidden_layers=2,
        in_channels=12,
        audio_acoustic_hidden_dim=4,
        is_turbo=is_turbo,
        **heads,
    )
    with quiet():
        return AceStepPipeline(
            vae=vae.eval(), text_encoder=text_encoder.eval(), tokenizer=tokenizer, transformer=transformer.eval(),
            condition_encoder=condition.eval(),
            scheduler=FlowMatchEulerDiscreteScheduler(num_train_timesteps=1, shift=1.0),
        )  # fmt: skip


def aura_flow() -> AuraFlowPipeline:
    """An AuraFlow of 16 x 16 pixels."""
    torch.manual_seed(0)
    transformer = AuraFlowTransformer2DModel(
        sample_size=8, patch_size=2, in_channels=4, out_channels=4, num_mmdit_layers=1, num_single_dit_layers=1,
        attention_head_dim=8, num_attention_heads=2, joint_attention_dim=pipeline_parts.WIDTH, caption_projection_dim=16,
        pos_embed_max_size=64,
    )  # fmt: skip
    return AuraFlowPipeline(
        tokenizer=pipeline_parts.t5_tokenizer(32), text_encoder=pipeline_parts.t5_text(),
        vae=parts._vae(channels=3, latents=4), transformer=transformer.eval(),
        scheduler=FlowMatchEulerDiscreteScheduler(),
    )  # fmt: skip

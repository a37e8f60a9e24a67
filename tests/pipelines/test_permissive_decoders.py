"""The decoders of the permissively licensed preset: AuraFlow and ACE-Step, small and random, against diffusers itself."""

import warnings
from pathlib import Path
from typing import Any

import parts
import pipeline_parts
import pytest
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

from encoders.media import Audio, Image
from encoders.modality import Modality
from pipelines.decoders import load_decoder
from pipelines.decoders.base import DecodeOptions, DecoderConfig, DecodeStep
from pipelines.quiet import quiet

SECONDS = 0.5


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


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("music")
    with quiet():
        ace_step().save_pretrained(folder)
    config = DecoderConfig(2, 3.0, condition_length=40, call={"audio_duration": SECONDS})
    return load_decoder("ace_step", folder, Modality.AUDIO, config)


def test_music_is_what_the_pipeline_itself_makes_of_the_caption(music: Any) -> None:
    assert music.condition_shapes == {"prompt_embeds": (40, 16)}
    (made,) = music.decode(music.condition(["a slow bell"]), DecodeOptions(seed=5))
    stock = music.pipeline(
        "a slow bell", "", audio_duration=SECONDS, num_inference_steps=2, guidance_scale=3.0, max_text_length=40,
        generator=torch.Generator().manual_seed(5), output_type="np",
    ).audios[0]  # fmt: skip
    assert isinstance(made, Audio)
    assert made.rate == 200
    torch.testing.assert_close(made.waveform, torch.from_numpy(stock).float().clamp(-1, 1))


def test_music_depends_on_the_caption_and_reports_its_steps(music: Any) -> None:
    steps: list[DecodeStep] = []
    one, other = music.decode(music.condition(["a", "b, faster"]), DecodeOptions(seed=5), steps.append)
    assert one.content_hash != other.content_hash
    assert [(step.sample, step.step, step.num_steps) for step in steps] == [(0, 1, 2), (0, 2, 2), (1, 1, 2), (1, 2, 2)]


def test_music_from_a_projection_needs_no_text_encoder_and_leaves_the_pipeline_as_it_was(music: Any) -> None:
    projected = {"prompt_embeds": torch.randn(1, 40, 16, generator=torch.Generator().manual_seed(0))}
    before = music.decode(projected, DecodeOptions(seed=1))[0]
    assert "encode_prompt" not in vars(music.pipeline)
    text_encoder = music.pipeline.text_encoder
    music.drop_text_encoder()
    assert music.decode(projected, DecodeOptions(seed=1))[0].content_hash == before.content_hash
    with pytest.raises(ValueError, match="text encoder was dropped"):
        music.condition(["a"])
    music.pipeline.text_encoder = text_encoder


def test_a_cancelled_piece_leaves_the_pipeline_as_it_was(music: Any) -> None:
    def cancel(step: DecodeStep) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        music.decode(music.condition(["a"]), DecodeOptions(seed=1), cancel)
    assert "encode_prompt" not in vars(music.pipeline)


def test_auraflow_is_what_the_pipeline_itself_makes_of_the_caption(tmp_path: Path) -> None:
    aura_flow().save_pretrained(tmp_path)
    config = DecoderConfig(2, 3.5, condition_length=12, call={"height": 16, "width": 16})
    decoder = load_decoder("prompt_embeds", tmp_path, Modality.IMAGE, config)
    assert decoder.condition_shapes == {"prompt_embeds": (12, pipeline_parts.WIDTH)}
    (made,) = decoder.decode(decoder.condition(["a red bell"]), DecodeOptions(seed=5))
    stock = decoder.pipeline(  # type: ignore[attr-defined]
        "a red bell", negative_prompt="", height=16, width=16, num_inference_steps=2, guidance_scale=3.5,
        max_sequence_length=12, generator=torch.Generator().manual_seed(5), output_type="np",
    ).images[0]  # fmt: skip
    assert isinstance(made, Image)
    torch.testing.assert_close(made.pixels, torch.from_numpy(stock).permute(2, 0, 1))

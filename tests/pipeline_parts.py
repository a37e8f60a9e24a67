"""Tiny random diffusers pipelines of every family that a decoder is made around, for tests of the plumbing.

`PIPELINES` has one of each: how it is built, what it makes, and the config that it is called with.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import parts
import torch
from diffusers import (
    AnimateDiffPipeline,
    AudioLDM2Pipeline,
    AudioLDM2ProjectionModel,
    AudioLDM2UNet2DConditionModel,
    AutoencoderKLWan,
    AutoencoderOobleck,
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EDMDPMSolverMultistepScheduler,
    FlowMatchEulerDiscreteScheduler,
    MotionAdapter,
    PixArtAlphaPipeline,
    PixArtSigmaPipeline,
    PixArtTransformer2DModel,
    StableAudioDiTModel,
    StableAudioPipeline,
    StableAudioProjectionModel,
    StableDiffusionXLPipeline,
    TextToVideoSDPipeline,
    UNet2DConditionModel,
    UNet3DConditionModel,
    WanPipeline,
    WanTransformer3DModel,
)
from transformers import (
    ClapAudioConfig,
    ClapConfig,
    ClapFeatureExtractor,
    ClapModel,
    ClapTextConfig,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    GPT2Config,
    GPT2LMHeadModel,
    RobertaTokenizer,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
    UMT5Config,
    UMT5EncoderModel,
)

from encoders.modality import Modality
from pipelines.decoders.audioldm import ClassLabelsDecoder
from pipelines.decoders.base import Decoder, DecoderConfig
from pipelines.decoders.diffusion import PromptEmbedsDecoder

WIDTH = 16
LETTERS = "abcdefghijklmnopqrstuvwxyz"
UNET = {
    "sample_size": 8, "block_out_channels": (16, 16), "layers_per_block": 1, "attention_head_dim": 2,
    "norm_num_groups": 4,
}  # fmt: skip
BLOCKS = {
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"), "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
}  # fmt: skip


def clip_text(kind: type = CLIPTextModel, width: int = WIDTH) -> Any:
    """A CLIP text encoder that takes six tokens."""
    config = CLIPTextConfig(
        vocab_size=len(parts.text_tokenizer(6)), hidden_size=width, intermediate_size=32, num_hidden_layers=2,
        num_attention_heads=2, max_position_embeddings=6, projection_dim=12, bos_token_id=0, eos_token_id=1,
        pad_token_id=2,
    )  # fmt: skip
    return kind(config).eval()


def t5_text(vocab_size: int = 300, kind: type = T5EncoderModel, config: type = T5Config) -> Any:
    """A T5 encoder."""
    sizes = {"d_model": WIDTH, "d_kv": 8, "d_ff": 32, "num_layers": 1, "num_heads": 2, "vocab_size": vocab_size}
    return kind(config(**sizes)).eval()


def t5_tokenizer(length: int) -> T5Tokenizer:
    """A T5 tokenizer that knows letters."""
    pieces = ["<pad>", "</s>", "<unk>", "▁", *LETTERS]
    return T5Tokenizer(
        vocab=[(piece, -float(at)) for at, piece in enumerate(pieces)], extra_ids=0, model_max_length=length
    )


def roberta_tokenizer(length: int) -> RobertaTokenizer:
    """A RoBERTa tokenizer that knows letters."""
    pieces = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", "Ġ", *LETTERS]
    return RobertaTokenizer(vocab={piece: at for at, piece in enumerate(pieces)}, merges=[], model_max_length=length)


def vae(channels: int = 3) -> Any:
    """The autoencoder of `parts`: twice smaller on either side."""
    return parts._vae(channels=channels, latents=4)


def stable_diffusion_xl() -> StableDiffusionXLPipeline:
    unet = UNet2DConditionModel(
        **UNET, **BLOCKS, cross_attention_dim=2 * WIDTH, addition_embed_type="text_time", addition_time_embed_dim=4,
        projection_class_embeddings_input_dim=12 + 6 * 4,
    )  # fmt: skip
    return StableDiffusionXLPipeline(
        vae(), clip_text(), clip_text(CLIPTextModelWithProjection), parts.text_tokenizer(6), parts.text_tokenizer(6),
        unet, DPMSolverMultistepScheduler(steps_offset=1),
    )  # fmt: skip


def _pixart_transformer() -> PixArtTransformer2DModel:
    return PixArtTransformer2DModel(
        num_attention_heads=2, attention_head_dim=8, in_channels=4, out_channels=8, num_layers=1,
        cross_attention_dim=WIDTH, sample_size=8, patch_size=2, caption_channels=WIDTH, use_additional_conditions=False,
    )  # fmt: skip


def pixart_alpha() -> PixArtAlphaPipeline:
    return PixArtAlphaPipeline(
        t5_tokenizer(120), t5_text(), vae(), _pixart_transformer(), DPMSolverMultistepScheduler()
    )


def pixart_sigma() -> PixArtSigmaPipeline:
    return PixArtSigmaPipeline(
        t5_tokenizer(300), t5_text(), vae(), _pixart_transformer(), DPMSolverMultistepScheduler()
    )


def text_to_video() -> TextToVideoSDPipeline:
    unet = UNet3DConditionModel(
        **{**UNET, "attention_head_dim": 4}, cross_attention_dim=WIDTH,
        down_block_types=("CrossAttnDownBlock3D", "DownBlock3D"), up_block_types=("UpBlock3D", "CrossAttnUpBlock3D"),
    )  # fmt: skip
    return TextToVideoSDPipeline(vae(), clip_text(), parts.text_tokenizer(6), unet, DDIMScheduler())


def animate_diff() -> AnimateDiffPipeline:
    motion = MotionAdapter(
        block_out_channels=(16, 16), motion_layers_per_block=1, motion_norm_num_groups=2, motion_num_attention_heads=2,
        motion_max_seq_length=8, use_motion_mid_block=False,
    )  # fmt: skip
    unet = UNet2DConditionModel(**UNET, **BLOCKS, cross_attention_dim=WIDTH)
    return AnimateDiffPipeline(vae(), clip_text(), parts.text_tokenizer(6), unet, motion, DDIMScheduler())


def wan() -> WanPipeline:
    autoencoder = AutoencoderKLWan(
        base_dim=8, z_dim=4, dim_mult=[1, 1, 1, 1], num_res_blocks=1, temperal_downsample=[False, True, True],
        latents_mean=[0.1, -0.2, 0.0, 0.3], latents_std=[1.0, 2.0, 0.5, 1.5],
    )  # fmt: skip
    transformer = WanTransformer3DModel(
        patch_size=(1, 2, 2), num_attention_heads=2, attention_head_dim=12, in_channels=4, out_channels=4,
        text_dim=WIDTH, freq_dim=16, ffn_dim=32, num_layers=1, rope_max_seq_len=32,
    )  # fmt: skip
    text_encoder = t5_text(kind=UMT5EncoderModel, config=UMT5Config)
    return WanPipeline(
        t5_tokenizer(512), text_encoder, autoencoder.eval(), FlowMatchEulerDiscreteScheduler(), transformer
    )


def audioldm2() -> AudioLDM2Pipeline:
    tokenizer = roberta_tokenizer(16)
    text_config = ClapTextConfig(
        vocab_size=len(tokenizer), hidden_size=WIDTH, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        projection_dim=8, max_position_embeddings=32,
    )  # fmt: skip
    audio_config = ClapAudioConfig(
        spec_size=64, window_size=4, num_mel_bins=64, patch_embeds_hidden_size=8, depths=[1, 1],
        num_attention_heads=[1, 1], num_hidden_layers=2, hidden_size=16, projection_dim=8, patch_size=2, patch_stride=2,
        patch_embed_input_channels=4,
    )  # fmt: skip
    clap = ClapModel(ClapConfig(text_config=text_config, audio_config=audio_config, projection_dim=8)).eval()
    writer = GPT2Config(n_embd=16, n_head=2, n_layer=1, n_positions=64, vocab_size=20, bos_token_id=0, eos_token_id=0)
    writer.max_new_tokens = 4
    unet = AudioLDM2UNet2DConditionModel(
        **UNET, **BLOCKS, in_channels=4, out_channels=4, cross_attention_dim=((None, 16, WIDTH), (None, 16, WIDTH)),
    )  # fmt: skip
    audioldm = parts.audio_pipeline()
    return AudioLDM2Pipeline(
        vae(channels=1), clap, t5_text(len(t5_tokenizer(10))),
        AudioLDM2ProjectionModel(text_encoder_dim=8, text_encoder_1_dim=WIDTH, langauge_model_dim=16),
        GPT2LMHeadModel(writer).eval(), tokenizer, t5_tokenizer(10), ClapFeatureExtractor(), unet, DDIMScheduler(),
        audioldm.vocoder,
    )  # fmt: skip


def stable_audio() -> StableAudioPipeline:
    with warnings.catch_warnings(action="ignore", category=FutureWarning):  # it uses torch's older weight norm
        autoencoder = AutoencoderOobleck(
            encoder_hidden_size=4, downsampling_ratios=[2, 4], decoder_channels=4, decoder_input_channels=4,
            audio_channels=2, channel_multiples=[1, 2], sampling_rate=800,
        )  # fmt: skip
    transformer = StableAudioDiTModel(
        sample_size=32, in_channels=4, num_layers=1, attention_head_dim=8, num_attention_heads=2,
        num_key_value_attention_heads=1, out_channels=4, cross_attention_dim=12, time_proj_dim=8,
        global_states_input_dim=24, cross_attention_input_dim=12,
    )  # fmt: skip
    projection = StableAudioProjectionModel(text_encoder_dim=WIDTH, conditioning_dim=12, min_value=0, max_value=32)
    return StableAudioPipeline(
        autoencoder.eval(), t5_text(), projection, t5_tokenizer(10), transformer,
        EDMDPMSolverMultistepScheduler(solver_order=2, prediction_type="v_prediction", sigma_data=1.0),
    )  # fmt: skip


@dataclass(frozen=True)
class Sample:
    """A pipeline to build, what it makes, how it is called, and the shapes of its condition."""

    build: Callable[[], Any]
    modality: Modality
    shapes: dict[str, tuple[int, ...]]
    call: dict[str, Any] = field(default_factory=dict)
    masks: Sequence[str] = ()
    kind: str = "prompt_embeds"


PIPELINES = {
    "StableDiffusion": Sample(parts.image_pipeline, Modality.IMAGE, {"prompt_embeds": (6, WIDTH)}),
    "StableDiffusionXL": Sample(
        stable_diffusion_xl, Modality.IMAGE, {"prompt_embeds": (6, 2 * WIDTH), "pooled_prompt_embeds": (12,)}
    ),
    "PixArtAlpha": Sample(
        pixart_alpha, Modality.IMAGE, {"prompt_embeds": (120, WIDTH)},
        {"height": 16, "width": 16, "use_resolution_binning": False}, ("prompt_attention_mask",),
    ),
    "PixArtSigma": Sample(
        pixart_sigma, Modality.IMAGE, {"prompt_embeds": (300, WIDTH)},
        {"height": 16, "width": 16, "use_resolution_binning": False}, ("prompt_attention_mask",),
    ),
    "Latte": Sample(
        parts.video_pipeline, Modality.VIDEO, {"prompt_embeds": (120, WIDTH)},
        {"height": 16, "width": 16, "video_length": 4},
    ),
    "TextToVideoSD": Sample(text_to_video, Modality.VIDEO, {"prompt_embeds": (6, WIDTH)}, {"num_frames": 3}),
    "AnimateDiff": Sample(animate_diff, Modality.VIDEO, {"prompt_embeds": (6, WIDTH)}, {"num_frames": 3}),
    "Wan": Sample(
        wan, Modality.VIDEO, {"prompt_embeds": (512, WIDTH)}, {"height": 16, "width": 16, "num_frames": 5}
    ),
    "AudioLDM": Sample(parts.audio_pipeline, Modality.AUDIO, {"prompt_embeds": (8,)}, kind="class_labels"),
    "AudioLDM2": Sample(
        audioldm2, Modality.AUDIO, {"prompt_embeds": (10, WIDTH), "generated_prompt_embeds": (4, 16)},
        masks=("attention_mask",),
    ),
    "StableAudio": Sample(
        stable_audio, Modality.AUDIO, {"prompt_embeds": (10, WIDTH)}, {"audio_end_in_s": 0.2}, ("attention_mask",)
    ),
}  # fmt: skip


def build(name: str, seed: int = 0) -> Any:
    """Build one of `PIPELINES`, the same every time."""
    torch.manual_seed(seed)
    return PIPELINES[name].build()


def config(name: str, **changes: Any) -> DecoderConfig:
    """Two steps of one of `PIPELINES`, as little as a scheduler can be asked for."""
    return DecoderConfig(2, 2.0, rate=4.0, call=PIPELINES[name].call, **changes)


def decoder(name: str, pipeline: Any = None) -> Decoder:
    """Make a decoder of one of `PIPELINES`."""
    sample = PIPELINES[name]
    make = ClassLabelsDecoder if sample.kind == "class_labels" else PromptEmbedsDecoder
    return make(build(name) if pipeline is None else pipeline, sample.modality, config(name))

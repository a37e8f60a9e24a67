"""Tiny random-weight parts, each in its own ecosystem's format, for tests of the plumbing."""

from pathlib import Path

import torch
from diffusers import (
    AudioLDMPipeline,
    AutoencoderKL,
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    LattePipeline,
    LatteTransformer3DModel,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    ClapTextConfig,
    ClapTextModelWithProjection,
    CLIPTextConfig,
    CLIPTextModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    SpeechT5HifiGan,
    SpeechT5HifiGanConfig,
    T5Config,
    T5EncoderModel,
)

from encoders.imagebind import ImageBind, ImageBindConfig, save_imagebind
from encoders.imagebind_config import AudioConfig, TextConfig, VisionConfig
from encoders.modality import Modality
from pipelines.any_to_any import AnyToAnyPipeline
from pipelines.checkpoint import DecoderEntry, EncoderEntry, PipelineConfig, Reference
from pipelines.decoders.base import DecoderConfig
from pipelines.projections import InputProjectionConfig, OutputProjectionConfig
from pipelines.signals import SignalTokens

CHAT_TEMPLATE = (
    "<|begin|>{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
CONTROL = ("<|begin|>", "<|end|>", "<|pad|>", "<|system|>", "<|user|>", "<|assistant|>")
CONDITION_LENGTH = 6
COUNTS = {Modality.IMAGE: 4, Modality.AUDIO: 3, Modality.VIDEO: 5}


def signal_tokens() -> SignalTokens:
    return SignalTokens(COUNTS)


def core_tokenizer() -> PreTrainedTokenizerFast:
    """A byte-level tokenizer with control tokens and a chat template."""
    tokenizer = byte_tokenizer(CONTROL, merges=[("h", "e"), ("l", "l"), ("he", "ll"), ("e", "d"), ("b", "e")])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<|begin|>",
        eos_token="<|end|>",
        pad_token="<|pad|>",
        additional_special_tokens=["<|system|>", "<|user|>", "<|assistant|>"],
    )
    fast.chat_template = CHAT_TEMPLATE
    return fast


def core_model(vocab_size: int, *, max_positions: int = 1024, seed: int = 0, tied: bool = False) -> LlamaForCausalLM:
    """A two-layer Llama whose weights are large enough that its replies vary."""
    config = LlamaConfig(
        vocab_size=vocab_size,
        hidden_size=48,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=max_positions,
        initializer_range=0.2,
        tie_word_embeddings=tied,
    )
    torch.manual_seed(seed)
    return LlamaForCausalLM(config).eval()


def byte_tokenizer(special: tuple[str, ...], merges: list[tuple[str, str]] | None = None) -> Tokenizer:
    """A byte-level BPE over all bytes."""
    merges = merges or []
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    names = [*special, *alphabet, *("".join(pair) for pair in merges)]
    tokenizer = Tokenizer(models.BPE(vocab={name: at for at, name in enumerate(names)}, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def text_tokenizer(length: int) -> PreTrainedTokenizerFast:
    """A tokenizer for a decoder's text encoder, padding to a fixed length."""
    return PreTrainedTokenizerFast(
        tokenizer_object=byte_tokenizer(("<s>", "</s>", "<pad>", "<unk>")),
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        model_max_length=length,
    )


def image_pipeline(seed: int = 1) -> StableDiffusionPipeline:
    """A Stable Diffusion of 16 x 16 pixels."""
    torch.manual_seed(seed)
    tokenizer = text_tokenizer(CONDITION_LENGTH)
    text_encoder = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            max_position_embeddings=CONDITION_LENGTH,
            bos_token_id=0,
            eos_token_id=1,
            pad_token_id=2,
        )
    )
    unet = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(16, 16),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=16,
        attention_head_dim=2,
        norm_num_groups=4,
    )
    return StableDiffusionPipeline(
        vae=_vae(channels=3, latents=4),
        text_encoder=text_encoder.eval(),
        tokenizer=tokenizer,
        unet=unet,
        scheduler=DPMSolverMultistepScheduler(steps_offset=1),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def audio_pipeline(seed: int = 2) -> AudioLDMPipeline:
    """An AudioLDM of a few hundredths of a second."""
    torch.manual_seed(seed)
    tokenizer = text_tokenizer(16)
    text_encoder = ClapTextModelWithProjection(
        ClapTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            projection_dim=8,
            max_position_embeddings=32,
            pad_token_id=2,
        )
    )
    unet = UNet2DConditionModel(
        sample_size=8,
        in_channels=4,
        out_channels=4,
        block_out_channels=(16, 16),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=(16, 16),
        attention_head_dim=2,
        norm_num_groups=4,
        class_embed_type="simple_projection",
        projection_class_embeddings_input_dim=8,
        class_embeddings_concat=True,
    )
    vocoder = SpeechT5HifiGan(
        SpeechT5HifiGanConfig(
            model_in_dim=16,
            sampling_rate=16000,
            upsample_initial_channel=16,
            upsample_rates=[4, 4],
            upsample_kernel_sizes=[8, 8],
            resblock_kernel_sizes=[3],
            resblock_dilation_sizes=[[1, 3]],
            normalize_before=False,
            initializer_range=0.3,
        )
    )
    return AudioLDMPipeline(
        vae=_vae(channels=1, latents=4),
        text_encoder=text_encoder.eval(),
        tokenizer=tokenizer,
        unet=unet,
        scheduler=DDIMScheduler(),
        vocoder=vocoder.eval(),
    )


def video_pipeline(seed: int = 3) -> LattePipeline:
    """A Latte of 16 x 16 pixels."""
    torch.manual_seed(seed)
    tokenizer = text_tokenizer(120)
    text_encoder = T5EncoderModel(
        T5Config(
            vocab_size=len(tokenizer),
            d_model=16,
            d_kv=8,
            d_ff=32,
            num_layers=1,
            num_heads=2,
            pad_token_id=2,
            eos_token_id=1,
        )
    )
    transformer = LatteTransformer3DModel(
        num_attention_heads=2,
        attention_head_dim=8,
        in_channels=4,
        out_channels=8,
        num_layers=1,
        cross_attention_dim=16,
        attention_bias=True,
        sample_size=8,
        patch_size=2,
        activation_fn="gelu-approximate",
        num_embeds_ada_norm=1000,
        norm_type="ada_norm_single",
        norm_elementwise_affine=False,
        caption_channels=16,
        video_length=4,
    )
    return LattePipeline(
        tokenizer=tokenizer,
        text_encoder=text_encoder.eval(),
        vae=_vae(channels=3, latents=4),
        transformer=transformer.eval(),
        scheduler=DDIMScheduler(),
    )


def _vae(channels: int, latents: int) -> AutoencoderKL:
    return AutoencoderKL(
        in_channels=channels,
        out_channels=channels,
        latent_channels=latents,
        block_out_channels=(8, 8),
        down_block_types=("DownEncoderBlock2D", "DownEncoderBlock2D"),
        up_block_types=("UpDecoderBlock2D", "UpDecoderBlock2D"),
        norm_num_groups=4,
        sample_size=16,
    ).eval()


def imagebind_folder(folder: Path, seed: int = 4) -> Path:
    """Write a small ImageBind with its tokenizer."""
    tokenizer = byte_tokenizer(())
    torch.manual_seed(seed)
    config = ImageBindConfig(
        out_width=16,
        vision=VisionConfig(
            width=24, num_blocks=1, num_heads=2, image_size=16, kernel=(2, 4, 4), num_frames=2, num_clips=2
        ),
        text=TextConfig(
            width=24, num_blocks=1, num_heads=2, vocab_size=tokenizer.get_vocab_size() + 2, context_length=12
        ),
        audio=AudioConfig(
            width=24,
            num_blocks=1,
            num_heads=2,
            kernel=8,
            stride=8,
            num_mel_bins=16,
            target_length=24,
            num_clips=1,
            clip_seconds=0.25,
        ),
        token_kind="patches",
        image_grid=2,
        video_grid=1,
    )
    save_imagebind(ImageBind(config), folder, dtype=torch.float32)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def decoder_config(modality: Modality) -> DecoderConfig:
    """Two steps, as little as a scheduler can be asked for."""
    if modality is Modality.VIDEO:
        call = {"height": 16, "width": 16, "video_length": 4}
        return DecoderConfig(2, 2.0, rate=4.0, condition_length=CONDITION_LENGTH, call=call)
    return DecoderConfig(2, 2.0)


def pipeline_config() -> PipelineConfig:
    """The config of a model with all modalities, its parts beside it."""

    def output(modality: Modality, out_width: int, num_queries: int) -> DecoderEntry:
        return DecoderEntry(
            kind="class_labels" if modality is Modality.AUDIO else "prompt_embeds",
            reference=Reference(path=modality.value),
            config=decoder_config(modality),
            num_signals=COUNTS[modality],
            projections={"prompt_embeds": OutputProjectionConfig(48, out_width, num_queries, hidden=16, layers=1)},
        )

    inputs = (Modality.IMAGE, Modality.AUDIO, Modality.VIDEO)
    return PipelineConfig(
        core=Reference(path="core"),
        encoders={
            "imagebind": EncoderEntry(
                "imagebind", Reference(path="imagebind"), {m: InputProjectionConfig(24, 48) for m in inputs}
            )
        },
        decoders={
            Modality.IMAGE: output(Modality.IMAGE, 16, CONDITION_LENGTH),
            Modality.AUDIO: output(Modality.AUDIO, 8, 1),
            Modality.VIDEO: output(Modality.VIDEO, 16, CONDITION_LENGTH),
        },
    )


def save_parts(folder: Path, *, max_positions: int = 1024) -> Path:
    """Write the frozen parts of a random model into a folder."""
    tokenizer = core_tokenizer()
    core_model(len(tokenizer), max_positions=max_positions).save_pretrained(folder / "core")
    tokenizer.save_pretrained(folder / "core")
    image_pipeline().save_pretrained(folder / "image")
    audio_pipeline().save_pretrained(folder / "audio")
    video_pipeline().save_pretrained(folder / "video")
    imagebind_folder(folder / "imagebind")
    return folder


def save_model(folder: Path, *, max_positions: int = 1024) -> Path:
    """Write a whole random model that `AnyToAnyPipeline.from_pretrained` loads."""
    save_parts(folder, max_positions=max_positions)
    AnyToAnyPipeline.from_config(pipeline_config(), folder).save_pretrained(folder)
    return folder

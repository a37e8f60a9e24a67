"""Published parts that the presets are made of. Licences and files were read on the hub's pages, sizes counted.

Where a page could not be read, `source` says who else records what stands here of that very revision, and `unconfirmed`
what rests on that alone.
A count that comes from a config is checked on the meta device by the tests; `pipelines.facts` says what each field means.
"""

from pipelines.facts import Network, Part, shards

HUB = "https://huggingface.co"
LLM = ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json")
TOKENIZER = ("tokenizer/*",)
UNET, VAE = (f"{part}/diffusion_pytorch_model.safetensors" for part in ("unet", "vae"))
TEXT = "text_encoder/model.safetensors"
PIPELINE = ("model_index.json", "scheduler/*.json", *TOKENIZER)

VICUNA_7B_V0 = Part(
    title="Vicuna 7B v0 (LLaMA 7B with the delta lmsys/vicuna-7b-delta-v0 added)",
    role="core",
    repository="huggyllama/llama-7b",
    licence="LLaMA licence of 2023 (research); the delta's card: Apache-2.0",
    commercial_use="no",
    source=f"{HUB}/lmsys/vicuna-7b-delta-v0/blob/211c96f022e17534684d19672deddd4d00806011/README.md",
    unconfirmed="which commit to take of it, and its bytes, which are reckoned from LLaMA's parameters",
    note="Published only as a delta: add it with FastChat 0.1.10 (python -m fastchat.model.apply_delta).",
    others=("config.json", "tokenizer.model", "tokenizer_config.json"),
    networks=(
        Network(
            "model", "transformers:LlamaForCausalLM", 6_738_415_616, ("model*.safetensors",), stored="float16",
            config={"vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32,
                    "num_attention_heads": 32, "max_position_embeddings": 2048},
        ),
    ),
)  # fmt: skip
QWEN3_4B = Part(
    title="Qwen3 4B Instruct 2507",
    role="core",
    repository="Qwen/Qwen3-4B-Instruct-2507",
    revision="cdbee75f17c01a7cc42f958dc650907174af0554",
    licence="Apache-2.0",
    commercial_use="yes",
    source="https://github.com/QwenLM/Qwen3 (its README: all of the open weights, this one named among them)",
    unconfirmed="its commit, which other projects' pins record",
    others=LLM,
    networks=(
        Network(
            "model", "transformers:Qwen3ForCausalLM", 4_022_468_096, shards("model", 3), stored="bfloat16",
            config={"vocab_size": 151936, "hidden_size": 2560, "intermediate_size": 9728, "num_hidden_layers": 36,
                    "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128, "tie_word_embeddings": True},
        ),
    ),
)  # fmt: skip
QWEN25_1B = Part(
    title="Qwen2.5 1.5B Instruct",
    role="core",
    repository="Qwen/Qwen2.5-1.5B-Instruct",
    revision="989aa7980e4cf806f80c7fef2b1adb7bc71aa306",
    licence="Apache-2.0",
    commercial_use="yes",
    source="https://qwenlm.github.io/blog/qwen2.5/ (all but 3B and 72B; several record this file: sha256 dd924a11...)",
    unconfirmed="its commit and its exact bytes, which other projects' pins record",
    others=LLM,
    networks=(
        Network(
            "model", "transformers:Qwen2ForCausalLM", 1_543_714_304, ("model.safetensors",), stored="bfloat16",
            num_bytes=3_087_467_144, is_exact=True,
            config={"vocab_size": 151936, "hidden_size": 1536, "intermediate_size": 8960, "num_hidden_layers": 28,
                    "num_attention_heads": 12, "num_key_value_heads": 2, "tie_word_embeddings": True},
        ),
    ),
)  # fmt: skip
IMAGEBIND_HUGE = Part(
    title="ImageBind huge",
    role="encoder",
    repository="https://dl.fbaipublicfiles.com/imagebind/imagebind_huge.pth",
    licence="CC-BY-NC 4.0 (its README; CC-BY-NC-SA 4.0 in its model card)",
    commercial_use="no",
    source=f"{HUB}/DAMO-NLP-SG/Video-LLaMA-2-7B-Finetuned/commit/9d9519ff (a copy: its size and its sha256 d6f6c22b...)",
    unconfirmed="its bytes, which are those of a copy",
    networks=(
        Network(
            "imagebind", "imagebind", 1_200_781_057, ("imagebind_huge.pth",), num_bytes=4_803_584_173, is_exact=True
        ),
    ),
)
CLIP_VIT_L = Part(
    title="open_clip ViT-L/14, LAION-2B",
    role="encoder",
    repository="laion/CLIP-ViT-L-14-laion2B-s32B-b82K",
    revision="1627032197142fbe2a7cfec626f4ced3ae60d07a",
    licence="MIT",
    commercial_use="yes",
    source=f"{HUB}/laion/CLIP-ViT-L-14-laion2B-s32B-b82K (others record this revision's file: sha256 7d129ed7...)",
    unconfirmed="its commit, which other projects' pins record",
    others=("open_clip_config.json",),
    networks=(
        Network(
            "clip",
            "open_clip:ViT-L-14",
            427_616_513,
            ("open_clip_pytorch_model.safetensors",),
            num_bytes=1_710_517_748,
            is_exact=True,
        ),
    ),
)
CLAP_LARGER = Part(
    title="CLAP, larger, general audio",
    role="encoder",
    repository="laion/larger_clap_general",
    revision="16c8cc3159a3c8a31e8ff5ef1f66b0d9ab3667db",
    licence="Apache-2.0",
    commercial_use="yes",
    source=f"{HUB}/laion/larger_clap_general/tree/16c8cc3159a3c8a31e8ff5ef1f66b0d9ab3667db",
    note="This revision, proposed by the hub itself, is the one that has safetensors.",
    others=("config.json", "preprocessor_config.json", "tokenizer.json", "tokenizer_config.json"),
    networks=(
        Network(
            "clap", "transformers:ClapModel", 193_913_882, ("model.safetensors",), num_bytes=776_000_000,
            config={"projection_dim": 512, "text_config": {},
                    "audio_config": {"depths": [2, 2, 12, 2], "hidden_size": 1024, "patch_embeds_hidden_size": 128}},
        ),
    ),
)  # fmt: skip
_CLIP_TEXT_L = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12}
_CLIP_TEXT_H = {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 23, "num_attention_heads": 16}
_VAE = {
    "block_out_channels": [128, 256, 512, 512], "layers_per_block": 2, "latent_channels": 4,
    "down_block_types": ["DownEncoderBlock2D"] * 4, "up_block_types": ["UpDecoderBlock2D"] * 4,
}  # fmt: skip
SD15 = Part(
    title="Stable Diffusion 1.5",
    role="decoder",
    repository="stable-diffusion-v1-5/stable-diffusion-v1-5",
    revision="451f4fe16113bff5a5d2269ed5ad43b0592e9a14",
    licence="CreativeML OpenRAIL-M (some uses are ruled out)",
    commercial_use="with conditions",
    source=f"{HUB}/stable-diffusion-v1-5/stable-diffusion-v1-5/tree/main/unet",
    others=(*PIPELINE, "unet/config.json", "vae/config.json", "text_encoder/config.json", "feature_extractor/*.json",
            "safety_checker/config.json"),
    networks=(
        Network("unet", "diffusers:UNet2DConditionModel", 859_520_964, (UNET,), num_bytes=3_440_000_000,
                config={"sample_size": 64, "cross_attention_dim": 768, "attention_head_dim": 8}),
        Network("vae", "diffusers:AutoencoderKL", 83_653_863, (VAE,), _VAE),
        Network("text_encoder", "transformers:CLIPTextModel", 123_060_480, (TEXT,), _CLIP_TEXT_L),
        Network("safety_checker", "stable_diffusion:StableDiffusionSafetyChecker", 303_981_588,
                ("safety_checker/model.safetensors",),
                config={"projection_dim": 768, "vision_config": {
                    "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16,
                    "patch_size": 14}}),
    ),
)  # fmt: skip


def _audioldm(title: str, repository: str, width: int, num_parameters: int, **facts: str) -> Part:
    """AudioLDM in one of its three widths; all else is the same."""
    channels = [width * factor for factor in (1, 2, 3, 5)]
    unet = {
        "sample_size": 128, "in_channels": 8, "out_channels": 8, "block_out_channels": channels,
        "cross_attention_dim": channels, "attention_head_dim": 8, "class_embed_type": "simple_projection",
        "class_embeddings_concat": True, "projection_class_embeddings_input_dim": 512,
        "down_block_types": ["DownBlock2D", *["CrossAttnDownBlock2D"] * 3],
        "up_block_types": [*["CrossAttnUpBlock2D"] * 3, "UpBlock2D"],
    }  # fmt: skip
    vae = {
        "in_channels": 1, "out_channels": 1, "block_out_channels": [128, 256, 512], "layers_per_block": 2,
        "latent_channels": 8, "down_block_types": ["DownEncoderBlock2D"] * 3,
        "up_block_types": ["UpDecoderBlock2D"] * 3,
    }  # fmt: skip
    vocoder = {
        "model_in_dim": 64, "sampling_rate": 16000, "upsample_initial_channel": 1024,
        "upsample_rates": [5, 4, 2, 2, 2], "upsample_kernel_sizes": [16, 16, 8, 4, 4], "normalize_before": False,
    }  # fmt: skip
    return Part(
        title=title,
        role="decoder",
        repository=repository,
        licence="CC-BY-NC-SA-4.0",
        commercial_use="no",
        others=(*PIPELINE, *(f"{part}/config.json" for part in ("unet", "vae", "text_encoder", "vocoder"))),
        networks=(
            Network("unet", "diffusers:UNet2DConditionModel", num_parameters, (UNET,), unet),
            Network("vae", "diffusers:AutoencoderKL", 55_376_873, (VAE,), vae),
            Network("text_encoder", "transformers:ClapTextModelWithProjection", 125_302_016, (TEXT,)),
            Network("vocoder", "transformers:SpeechT5HifiGan", 55_264_897, ("vocoder/model.safetensors",), vocoder),
        ),
        **facts,
    )


AUDIOLDM_L = _audioldm(
    "AudioLDM l-full", "cvssp/audioldm-l-full", 256, 739_139_080,
    revision="9707fa44eb3fb539e293ebc682209d0895042aa0",
    source=f"{HUB}/cvssp/audioldm-l-full/commits/9707fa44eb3fb539e293ebc682209d0895042aa0",
    note="This revision, proposed by the hub itself, is the one that has safetensors.",
)  # fmt: skip
AUDIOLDM_S = _audioldm(
    "AudioLDM s-full v2", "cvssp/audioldm-s-full-v2", 128, 185_036_552,
    revision="bef13a486a2a536162324de2d506c0c2d3db2ff0",
    source=f"{HUB}/cvssp/audioldm-s-full-v2/tree/bef13a486a2a536162324de2d506c0c2d3db2ff0",
)  # fmt: skip
ZEROSCOPE = Part(
    title="ZeroScope v2 576w",
    role="decoder",
    repository="cerspense/zeroscope_v2_576w",
    revision="1f35e3dc3350d649f342bb7618fe34ac8fae5c9e",
    licence="CC-BY-NC-4.0",
    commercial_use="no",
    source=f"{HUB}/cerspense/zeroscope_v2_576w/tree/1f35e3dc3350d649f342bb7618fe34ac8fae5c9e",
    note="This revision, proposed by the hub itself, is the one that has safetensors.",
    others=(*PIPELINE, "unet/config.json", "vae/config.json", "text_encoder/config.json"),
    networks=(
        Network("unet", "diffusers:UNet3DConditionModel", 1_411_233_860, (UNET,), stored="float16",
                config={"sample_size": 32, "cross_attention_dim": 1024, "attention_head_dim": 64}),
        Network("vae", "diffusers:AutoencoderKL", 83_653_863, (VAE,), _VAE, stored="float16"),
        Network("text_encoder", "transformers:CLIPTextModel", 340_387_840, (TEXT,), _CLIP_TEXT_H, stored="float16",
                num_bytes=681_000_000),
    ),
)  # fmt: skip
NEXTGPT_WEIGHTS = Part(
    title="NExT-GPT 7B tiva v0: projections, token rows, embeddings, LoRA",
    role="projections",
    repository="ChocoWu/nextgpt_7b_tiva_v0",
    revision="f28bea33714c810ef6cb9b9e440edcddb93297a4",
    licence="CC-BY-NC-SA-4.0",
    commercial_use="no",
    source=f"{HUB}/ChocoWu/nextgpt_7b_tiva_v0/tree/f28bea33714c810ef6cb9b9e440edcddb93297a4",
    others=("added_tokens.json", "config.json", "special_tokens_map.json", "tokenizer.model", "tokenizer_config.json"),
    networks=(
        # 95,837,440 of output projections, 4,198,400 of llama_proj, 33,554,432 of LoRA, 262,455,296 of word embeddings.
        Network("projections", "file", 396_045_568, ("pytorch_model.pt",), stored="float16", num_bytes=792_000_000),
    ),
)
AURAFLOW = Part(
    title="AuraFlow v0.3",
    role="decoder",
    repository="fal/AuraFlow-v0.3",
    revision="b1e504e6d0462bb3d30c3f0aa8aa05b64dd6d3c2",
    licence="Apache-2.0",
    commercial_use="yes",
    source=f"{HUB}/fal/AuraFlow-v0.3/tree/b1e504e6d0462bb3d30c3f0aa8aa05b64dd6d3c2/transformer",
    note="Its variant fp16, half the bytes; the text encoder's output layers are float32 in it.",
    others=(*PIPELINE, "transformer/config.json", "vae/config.json", "text_encoder/config.json"),
    networks=(
        Network("transformer", "diffusers:AuraFlowTransformer2DModel", 6_858_605_568,
                tuple(f"transformer/{file}" for file in shards("diffusion_pytorch_model", 2, "fp16")),
                config={"pos_embed_max_size": 9216}, stored="float16", num_bytes=13_710_000_000),
        Network("vae", "diffusers:AutoencoderKL", 83_653_863, ("vae/diffusion_pytorch_model.fp16.safetensors",), _VAE,
                stored="float16", num_bytes=167_000_000),
        Network("text_encoder", "transformers:UMT5EncoderModel", 1_223_550_976, ("text_encoder/model.fp16.safetensors",),
                stored="float16", num_float32=24 * 5120 * 2048, num_bytes=2_950_000_000,
                config={"vocab_size": 32128, "d_model": 2048, "d_kv": 64, "d_ff": 5120, "num_layers": 24,
                        "num_heads": 32, "feed_forward_proj": "gated-gelu"}),
    ),
)  # fmt: skip
WAN_1B = Part(
    title="Wan 2.1 T2V 1.3B",
    role="decoder",
    repository="Wan-AI/Wan2.1-T2V-1.3B-Diffusers",
    revision="0fad780a534b6463e45facd96134c9f345acfa5b",
    licence="Apache-2.0",
    commercial_use="yes",
    source=f"{HUB}/Wan-AI/Wan2.1-T2V-1.3B-Diffusers/tree/main/transformer; the licence: https://github.com/Wan-Video/Wan2.1",
    unconfirmed="its commit, which other projects' pins record",
    others=(*PIPELINE, "transformer/config.json", "vae/config.json", "text_encoder/config.json"),
    networks=(
        Network("transformer", "diffusers:WanTransformer3DModel", 1_418_996_800,
                tuple(f"transformer/{file}" for file in shards("diffusion_pytorch_model", 2)),
                config={"num_attention_heads": 12, "attention_head_dim": 128, "ffn_dim": 8960, "num_layers": 30},
                num_bytes=5_680_000_000),
        Network("vae", "diffusers:AutoencoderKLWan", 126_892_531, (VAE,), num_bytes=508_000_000),
        Network("text_encoder", "transformers:UMT5EncoderModel", 5_680_910_336,
                tuple(f"text_encoder/{file}" for file in shards("model", 5)), num_bytes=22_730_000_000,
                config={"vocab_size": 256384, "d_model": 4096, "d_kv": 64, "d_ff": 10240, "num_layers": 24,
                        "num_heads": 64, "feed_forward_proj": "gated-gelu"}),
    ),
)  # fmt: skip
ACE_STEP = Part(
    title="ACE-Step 1.5 XL turbo (music)",
    role="decoder",
    repository="ACE-Step/acestep-v15-xl-turbo-diffusers",
    revision="200ba991ae448051e14b0183157e35c2d27c9fb0",
    licence="MIT (its text encoder, Qwen3: Apache-2.0)",
    commercial_use="yes",
    source="https://github.com/ace-step/ACE-Step-1.5 (the licence of the whole); counts, 4.17, 0.61, 0.60 and 0.17 billion: "
           "several that pin this revision; parts: DanielMarius/dms-ace-step-v1-5-vae, TensorStack/TextEncoder",
    unconfirmed="its commit and sizes, which other projects that pin it record, and that its own card says MIT as the project "
                "does (a mirror of it says Apache-2.0)",
    note="Music rather than sounds: no Apache or MIT decoder of sounds in general was found among diffusers' pipelines.",
    others=(*PIPELINE, *(f"{part}/config.json" for part in ("transformer", "condition_encoder", "vae", "text_encoder"))),
    networks=(
        Network("transformer", "diffusers:AceStepTransformer1DModel", 4_168_897_088,
                tuple(f"transformer/{file}" for file in shards("diffusion_pytorch_model", 2)), stored="bfloat16",
                config={"hidden_size": 2560, "intermediate_size": 9728, "num_hidden_layers": 32,
                        "num_attention_heads": 32, "encoder_hidden_size": 2048,
                        "layer_types": ["sliding_attention", "full_attention"] * 16}),
        Network("condition_encoder", "ace_step:AceStepConditionEncoder", 608_369_664,
                ("condition_encoder/diffusion_pytorch_model.safetensors",), stored="bfloat16",
                num_bytes=1_218_676_312, is_exact=True),
        Network("vae", "diffusers:AutoencoderOobleck", 168_695_426, (VAE,), stored="float16", num_bytes=337_431_388,
                is_exact=True, config={"audio_channels": 2, "channel_multiples": [1, 2, 4, 8, 16], "decoder_channels": 128,
                    "decoder_input_channels": 64, "downsampling_ratios": [2, 4, 4, 6, 10], "encoder_hidden_size": 128,
                    "sampling_rate": 48000}),
        Network("text_encoder", "transformers:Qwen3Model", 595_776_512, (TEXT,), stored="bfloat16",
                num_bytes=1_190_000_000,
                config={"vocab_size": 151669, "hidden_size": 1024, "intermediate_size": 3072, "num_hidden_layers": 28,
                        "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 128}),
    ),
)  # fmt: skip

"""Train the audio decoder: a stock AudioLDMPipeline, asked through one sentence vector.

    python -m training.foundation.audio --vae runs/mel_vae/vae --vocoder runs/vocoder/vocoder --sounds runs/sounds \\
        --output runs/audio

AudioLDM (Liu 2023): the UNet reads the caption's unit vector beside the time embedding; the text encoder trains along.
"""

import random
from pathlib import Path

import numpy as np
import soundfile
import torch
from diffusers import AudioLDMPipeline, AutoencoderTiny, DDIMScheduler, DDPMScheduler, UNet2DConditionModel
from tokenizers import ByteLevelBPETokenizer
from torch import Tensor, nn
from torch.nn.functional import normalize
from transformers import ClapTextConfig, ClapTextModelWithProjection, RobertaTokenizer, SpeechT5HifiGan

from training.foundation.command import options_of, parser, run, save_grid
from training.foundation.mel import log_mel, picture, sound_pool, sound_scene
from training.foundation.mel_vae import mels_of
from training.foundation.tokenizers import CAPTION_LENGTH, captions
from training.foundation.velocity import DROPPED_CAPTIONS, SCHEDULE, add_freezing, freeze, velocity_loss
from training.loop import Batch, LoopOptions
from training.world.captions import canonical_caption, caption
from training.world.scene import SOUNDING_THINGS
from training.world.sounds import SAMPLE_RATE

WIDTH = 128  # of the caption's vector
LOOP = LoopOptions(steps=0, learning_rate=6e-4, warmup_steps=200, precision="bf16", ema_decay=0.999)


def roberta_tokenizer() -> RobertaTokenizer:
    """Train RoBERTa's byte-level BPE on the world's captions."""
    trained = ByteLevelBPETokenizer(add_prefix_space=False, lowercase=False)
    specials = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trained.train_from_iterator(captions(20000), vocab_size=640, special_tokens=specials, show_progress=False)
    vocab, merges = _vocab_and_merges(trained)
    return RobertaTokenizer(vocab=vocab, merges=merges, model_max_length=CAPTION_LENGTH)


def _vocab_and_merges(trained: ByteLevelBPETokenizer) -> tuple[dict[str, int], list[tuple[str, str]]]:
    import json

    model = json.loads(trained.to_str())["model"]
    return model["vocab"], [
        (left, right) for left, right in (m if isinstance(m, list) else m.split(" ") for m in model["merges"])
    ]


class ConditionedUNet(nn.Module):
    """The text encoder and the UNet as one forward pass."""

    def __init__(self, text_encoder: ClapTextModelWithProjection, unet: UNet2DConditionModel) -> None:
        super().__init__()
        self.text_encoder, self.unet = text_encoder, unet

    def forward(self, noisy: Tensor, timesteps: Tensor, ids: Tensor, mask: Tensor) -> Tensor:
        """(B, 8, 16, 8), (B,), (B, 24), (B, 24) -> the predicted velocity (B, 8, 16, 8)."""
        vectors = normalize(self.text_encoder(ids, attention_mask=mask).text_embeds.float(), dim=-1)
        predicted: Tensor = self.unet(noisy, timesteps, encoder_hidden_states=None, class_labels=vectors).sample
        return predicted


def build(tokenizer: RobertaTokenizer) -> ConditionedUNet:
    """Make both networks with random weights (about 6M parameters)."""
    text_encoder = ClapTextModelWithProjection(
        ClapTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=128,
            intermediate_size=512,
            num_hidden_layers=2,
            num_attention_heads=4,
            # The pipeline pads its own empty prompt to WIDTH tokens; RoBERTa's positions start after the padding id.
            max_position_embeddings=WIDTH + 4,
            projection_dim=WIDTH,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    channels = (64, 128)
    unet = UNet2DConditionModel(
        sample_size=16,
        in_channels=8,
        out_channels=8,
        block_out_channels=channels,
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=channels,
        attention_head_dim=4,
        norm_num_groups=16,
        class_embed_type="simple_projection",
        class_embeddings_concat=True,
        projection_class_embeddings_input_dim=WIDTH,
    )
    return ConditionedUNet(text_encoder, unet)


def pipeline_of(
    model: ConditionedUNet, vae: AutoencoderTiny, vocoder: SpeechT5HifiGan, tokenizer: RobertaTokenizer
) -> AudioLDMPipeline:
    """Put the parts into the stock pipeline."""
    pipeline = AudioLDMPipeline(
        vae=vae,
        text_encoder=model.text_encoder,
        tokenizer=tokenizer,
        unet=model.unet,
        scheduler=DDIMScheduler(**SCHEDULE, clip_sample=False, set_alpha_to_one=False, steps_offset=1),
        vocoder=vocoder,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def main() -> None:
    """Train, and save `<output>/audio` in diffusers' format."""
    made = parser(__doc__ or "", steps=6000, batch_size=32)
    made.add_argument("--vae", type=Path, required=True, help="folder of the trained sound autoencoder")
    made.add_argument("--vocoder", type=Path, required=True, help="folder of the trained vocoder")
    made.add_argument("--sounds", type=Path, required=True, help="folder that keeps the pool of sounds")
    made.add_argument("--pool", type=int, default=1800, help="sounds rendered once")
    add_freezing(made)
    arguments = made.parse_args()
    torch.manual_seed(arguments.seed)
    vae = AutoencoderTiny.from_pretrained(arguments.vae).float().eval()
    vocoder = SpeechT5HifiGan.from_pretrained(arguments.vocoder).float().eval()
    if arguments.init_from:
        tokenizer = RobertaTokenizer.from_pretrained(arguments.init_from / "tokenizer")
        text_encoder = ClapTextModelWithProjection.from_pretrained(arguments.init_from / "text_encoder")
        model = ConditionedUNet(text_encoder, UNet2DConditionModel.from_pretrained(arguments.init_from / "unet"))
    else:
        tokenizer = roberta_tokenizer()
        model = build(tokenizer)
    model.float()
    mels = mels_of(sound_pool(arguments.sounds, size=arguments.pool, seed=0, workers=arguments.workers))
    with torch.no_grad():
        chunks = [vae.encode(chunk.float()[:, None]).latents for chunk in mels.split(64)]
    latents = torch.cat(chunks) * vae.config.scaling_factor
    freeze(model.text_encoder, arguments)
    scheduler = DDPMScheduler(**SCHEDULE)

    def batch(step: int) -> Batch:
        rng = random.Random(f"audio {arguments.seed} {step}")
        places = [rng.randrange(len(latents)) for _ in range(arguments.batch_size)]
        texts = [_text(place, rng) for place in places]
        tokens = tokenizer(texts, padding="max_length", truncation=True, return_tensors="pt")
        return {"latents": latents[places], "ids": tokens.input_ids, "mask": tokens.attention_mask}

    def preview(path: Path) -> None:
        pipeline = pipeline_of(model, vae, vocoder, tokenizer)
        prompts = [f"the sound of a {name}" for name in SOUNDING_THINGS]
        generators = [torch.Generator().manual_seed(seed) for seed in range(len(prompts))]
        sounds: np.ndarray = pipeline(
            prompts, audio_length_in_s=2.0, num_inference_steps=20, guidance_scale=2.5, generator=generators
        ).audios
        save_grid(picture(log_mel(torch.from_numpy(np.asarray(sounds)))), path, columns=6, scale=2)
        soundfile.write(path.with_suffix(".wav"), np.asarray(sounds).flatten(), SAMPLE_RATE)

    def loss(network: nn.Module, given: Batch) -> dict[str, Tensor]:
        return velocity_loss(scheduler, network, given)

    run(model, batch, loss, options_of(arguments, LOOP), arguments, preview)
    pipeline_of(model, vae, vocoder, tokenizer).to(torch.float16).save_pretrained(arguments.output / "audio")


def _text(place: int, rng: random.Random) -> str:
    scene, _ = sound_scene(0, place)
    if rng.random() < DROPPED_CAPTIONS:
        return ""
    if rng.random() < 0.4:
        return canonical_caption(scene, kind="audio")
    return caption(scene, rng.getrandbits(31), kind="audio")


if __name__ == "__main__":
    main()

"""Train the image decoder: a stock StableDiffusionPipeline with a small UNet and a text encoder trained along with it.

    python -m training.foundation.image --vae runs/vae/vae --output runs/image

Latent diffusion (Rombach 2022) with v-prediction (Salimans and Ho 2022); a tenth of the captions is dropped for
classifier-free guidance (Ho and Salimans 2022).
"""

import random
from pathlib import Path

import numpy as np
import torch
from diffusers import (
    AutoencoderTiny,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from training.foundation.command import options_of, parser, run, save_grid
from training.foundation.latents import latent_pool, pool_caption
from training.foundation.tokenizers import CAPTION_LENGTH, caption_clip_tokenizer
from training.foundation.velocity import DROPPED_CAPTIONS, SCHEDULE, add_freezing, freeze, velocity_loss
from training.loop import Batch, LoopOptions
from training.world.scene import Kind

KINDS: tuple[Kind, ...] = ("one", "two", "two")
LOOP = LoopOptions(steps=0, learning_rate=6e-4, warmup_steps=300, precision="bf16", ema_decay=0.9995)


class ConditionedUNet(nn.Module):
    """The text encoder and the UNet as one forward pass."""

    def __init__(self, text_encoder: CLIPTextModel, unet: UNet2DConditionModel) -> None:
        super().__init__()
        self.text_encoder, self.unet = text_encoder, unet

    def forward(self, noisy: Tensor, timesteps: Tensor, ids: Tensor) -> Tensor:
        """(B, 8, 8, 8), (B,), (B, 24) -> the predicted velocity (B, 8, 8, 8)."""
        condition = self.text_encoder(input_ids=ids).last_hidden_state
        predicted: Tensor = self.unet(noisy, timesteps, encoder_hidden_states=condition).sample
        return predicted


def build(tokenizer: CLIPTokenizer) -> ConditionedUNet:
    """Make both networks with random weights (about 10M parameters)."""
    width = 128
    text_encoder = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=width,
            intermediate_size=4 * width,
            num_hidden_layers=3,
            num_attention_heads=4,
            max_position_embeddings=CAPTION_LENGTH,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
            projection_dim=width,
        )
    )
    unet = UNet2DConditionModel(
        sample_size=8,
        in_channels=8,
        out_channels=8,
        block_out_channels=(96, 192),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D",) * 2,
        up_block_types=("CrossAttnUpBlock2D",) * 2,
        cross_attention_dim=width,
        attention_head_dim=4,
        norm_num_groups=16,
    )
    return ConditionedUNet(text_encoder, unet)


def batch_of(latents: np.ndarray, tokenizer: CLIPTokenizer, batch_size: int, seed: int, step: int) -> Batch:
    """Draw latents with fresh wordings of their captions: {"latents": (B, 8, 8, 8), "ids": (B, 24)}."""
    rng = random.Random(f"image {seed} {step}")
    places = [rng.randrange(len(latents)) for _ in range(batch_size)]
    texts = ["" if rng.random() < DROPPED_CAPTIONS else pool_caption(seed, place, KINDS, rng) for place in places]
    ids = tokenizer(texts, padding="max_length", truncation=True, return_tensors="pt").input_ids
    return {"latents": torch.from_numpy(latents[places]).float(), "ids": ids}


def pipeline_of(model: ConditionedUNet, vae: AutoencoderTiny, tokenizer: CLIPTokenizer) -> StableDiffusionPipeline:
    """Put the parts into the stock pipeline."""
    pipeline = StableDiffusionPipeline(
        vae=vae,
        text_encoder=model.text_encoder,
        tokenizer=tokenizer,
        unet=model.unet,
        scheduler=DPMSolverMultistepScheduler(**SCHEDULE, steps_offset=1),
        safety_checker=None,
        feature_extractor=None,
        image_encoder=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


SHOWN = (
    "a big red bell in a meadow", "a small blue boat in the sky", "a big yellow cat on a beach", "a big green train at night",
    "a red bell above a blue boat at night", "a purple bird to the left of an orange tree in a meadow",
    "a yellow star below a green house in the sky", "a blue frog to the right of a red drum on a beach",
)  # fmt: skip


def main() -> None:
    """Train, and save `<output>/image` in diffusers' format."""
    made = parser(__doc__ or "", steps=12000, batch_size=48)
    made.add_argument("--vae", type=Path, required=True, help="folder of the trained autoencoder")
    made.add_argument("--pool", type=int, default=40000, help="scenes whose latents are computed once")
    add_freezing(made)
    arguments = made.parse_args()
    torch.manual_seed(arguments.seed)
    vae = AutoencoderTiny.from_pretrained(arguments.vae).eval()
    if arguments.init_from:
        tokenizer = CLIPTokenizer.from_pretrained(arguments.init_from / "tokenizer")
        model = ConditionedUNet(
            CLIPTextModel.from_pretrained(arguments.init_from / "text_encoder"),
            UNet2DConditionModel.from_pretrained(arguments.init_from / "unet"),
        )
    else:
        tokenizer = caption_clip_tokenizer()
        model = build(tokenizer)
    model.float().to(memory_format=torch.channels_last)
    latents = latent_pool(
        vae, arguments.output, size=arguments.pool, seed=arguments.seed, kinds=KINDS, workers=arguments.workers
    )
    freeze(model.text_encoder, arguments)
    scheduler = DDPMScheduler(**SCHEDULE)

    def preview(path: Path) -> None:
        pipeline = pipeline_of(model, vae, tokenizer)
        generators = [torch.Generator().manual_seed(seed) for seed in range(len(SHOWN))]
        images = pipeline(
            list(SHOWN), generator=generators, num_inference_steps=20, guidance_scale=3.0, output_type="np"
        ).images
        save_grid((images * 255).round().astype(np.uint8), path, columns=4, scale=3)

    def batch(step: int) -> Batch:
        return batch_of(latents, tokenizer, arguments.batch_size, arguments.seed, step)

    def loss(network: nn.Module, given: Batch) -> dict[str, Tensor]:
        return velocity_loss(scheduler, network, given)

    run(model, batch, loss, options_of(arguments, LOOP), arguments, preview)
    pipeline_of(model, vae, tokenizer).to(torch.float16).save_pretrained(arguments.output / "image")


if __name__ == "__main__":
    main()

"""Train the video decoder: a stock LattePipeline of 8 frames, over the picture autoencoder's latents.

    python -m training.foundation.video --vae runs/vae/vae --output runs/video

Latte (Ma 2024): blocks over the patches of a frame take turns with blocks over time. A T5 text encoder trains along.
"""

import random
from pathlib import Path

import numpy as np
import torch
from diffusers import (
    AutoencoderTiny,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    LattePipeline,
    LatteTransformer3DModel,
)
from einops import repeat
from torch import Tensor, nn
from transformers import T5Config, T5EncoderModel, T5Tokenizer

from training.foundation.command import options_of, parser, run, save_grid
from training.foundation.latents import latent_pool, pool_caption
from training.foundation.tokenizers import t5_tokenizer
from training.foundation.velocity import DROPPED_CAPTIONS, SCHEDULE, add_freezing, freeze, velocity_loss
from training.loop import Batch, LoopOptions
from training.world.pictures import NUM_FRAMES
from training.world.scene import Kind

KINDS: tuple[Kind, ...] = ("video",)
# A patch holds as many numbers as the transformer is wide: too many to carry the noise of, so it predicts the clean video.
CLEAN_SCHEDULE = {**SCHEDULE, "prediction_type": "sample"}
LENGTH = 16  # tokens of a video's condition; what the caption leaves over is zero, as the pipeline's own masking does
WIDTH = 128
CUT_SHARE = 0.5
LOOP = LoopOptions(steps=0, learning_rate=6e-4, warmup_steps=300, precision="bf16", ema_decay=0.9995)


class ConditionedTransformer(nn.Module):
    """The text encoder and the transformer as one forward pass."""

    def __init__(self, text_encoder: T5EncoderModel, transformer: LatteTransformer3DModel) -> None:
        super().__init__()
        self.text_encoder, self.transformer = text_encoder, transformer

    def forward(self, noisy: Tensor, timesteps: Tensor, ids: Tensor, mask: Tensor, empty: Tensor) -> Tensor:
        """(B, 8, frames, 8, 8), (B,), (B, 16), (B, 16), (B,) bool -> the predicted latents, shaped like the first.

        The pipeline zeroes what lies beyond a caption in a batch, and cuts it off from a single one, but not beyond the
        empty one (`empty`); so does this, in turn at random.
        """
        condition = self.text_encoder(ids, attention_mask=mask).last_hidden_state
        kept = mask.bool() | empty[:, None]
        condition = torch.where(kept[..., None], condition, torch.zeros_like(condition))
        cut = None
        if torch.rand(()) < CUT_SHARE:
            cut = repeat(torch.where(kept, 0.0, -1e4).to(noisy), "b t -> (b f) 1 t", f=noisy.shape[2])
        predicted, _ = self.transformer(
            noisy, timesteps, encoder_hidden_states=condition, encoder_attention_mask=cut
        ).sample.chunk(2, dim=1)
        clean: Tensor = predicted
        return clean


def build(tokenizer: T5Tokenizer) -> ConditionedTransformer:
    """Make both networks with random weights (about 6M parameters)."""
    text_encoder = T5EncoderModel(
        T5Config(
            vocab_size=len(tokenizer),
            d_model=WIDTH,
            d_kv=32,
            num_heads=4,
            d_ff=4 * WIDTH,
            num_layers=3,
            dropout_rate=0.0,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
            decoder_start_token_id=tokenizer.pad_token_id,
        )
    )
    heads = 4
    transformer = LatteTransformer3DModel(
        num_attention_heads=heads,
        attention_head_dim=192 // heads,
        in_channels=8,
        out_channels=16,  # the pipeline expects a second half for a learned variance, and drops it
        num_layers=4,
        sample_size=8,
        patch_size=4,
        cross_attention_dim=192,
        caption_channels=WIDTH,
        video_length=NUM_FRAMES,
        norm_type="ada_norm_single",
        attention_bias=True,
        activation_fn="gelu-approximate",
        norm_elementwise_affine=False,
        num_embeds_ada_norm=1000,
    )
    return ConditionedTransformer(text_encoder, transformer)


def pipeline_of(model: ConditionedTransformer, vae: AutoencoderTiny, tokenizer: T5Tokenizer) -> LattePipeline:
    """Put the parts into the stock pipeline."""
    pipeline = LattePipeline(
        vae=vae,
        text_encoder=model.text_encoder,
        tokenizer=tokenizer,
        transformer=model.transformer,
        scheduler=DPMSolverMultistepScheduler(**CLEAN_SCHEDULE, steps_offset=1),
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


SHOWN = (
    "a red bell moving right on a beach", "a blue boat bouncing at night",
    "a yellow cat spinning in a meadow", "a green train growing in the sky",
)  # fmt: skip


def main() -> None:
    """Train, and save `<output>/video` in diffusers' format."""
    made = parser(__doc__ or "", steps=6000, batch_size=24)
    made.add_argument("--vae", type=Path, required=True, help="folder of the trained picture autoencoder")
    made.add_argument("--pool", type=int, default=8000, help="videos whose latents are computed once")
    add_freezing(made)
    arguments = made.parse_args()
    torch.manual_seed(arguments.seed)
    vae = AutoencoderTiny.from_pretrained(arguments.vae).float().eval()
    if arguments.init_from:
        tokenizer = T5Tokenizer.from_pretrained(arguments.init_from / "tokenizer")
        model = ConditionedTransformer(
            T5EncoderModel.from_pretrained(arguments.init_from / "text_encoder"),
            LatteTransformer3DModel.from_pretrained(arguments.init_from / "transformer"),
        )
    else:
        tokenizer = t5_tokenizer()
        model = build(tokenizer)
    model.float()
    latents = latent_pool(
        vae, arguments.output, size=arguments.pool, seed=arguments.seed, kinds=KINDS, workers=arguments.workers
    )
    freeze(model.text_encoder, arguments)
    scheduler = DDPMScheduler(**CLEAN_SCHEDULE)

    def batch(step: int) -> Batch:
        rng = random.Random(f"video {arguments.seed} {step}")
        places = [rng.randrange(len(latents)) for _ in range(arguments.batch_size)]
        seed = arguments.seed
        texts = ["" if rng.random() < DROPPED_CAPTIONS else pool_caption(seed, place, KINDS, rng) for place in places]
        tokens = tokenizer(texts, padding="max_length", max_length=LENGTH, truncation=True, return_tensors="pt")
        return {
            "latents": torch.from_numpy(latents[places]).float().transpose(1, 2).contiguous(),
            "ids": tokens.input_ids,
            "mask": tokens.attention_mask,
            "empty": torch.tensor([not text for text in texts]),
        }

    def preview(path: Path) -> None:
        pipeline = pipeline_of(model, vae, tokenizer)
        rows = []
        for seed, prompt in enumerate(SHOWN):
            frames = pipeline(
                prompt, height=64, width=64, video_length=NUM_FRAMES, num_inference_steps=20, guidance_scale=3.0,
                clean_caption=False, generator=torch.Generator().manual_seed(seed), output_type="pt",
            ).frames  # fmt: skip
            rows.append((frames[0].float().clamp(0, 1) * 255).round().byte().movedim(-3, -1).cpu().numpy())
        save_grid(np.concatenate(rows), path, columns=NUM_FRAMES, scale=2)

    def loss(network: nn.Module, given: Batch) -> dict[str, Tensor]:
        return velocity_loss(scheduler, network, given)

    run(model, batch, loss, options_of(arguments, LOOP), arguments, preview)
    pipeline_of(model, vae, tokenizer).to(torch.float16).save_pretrained(arguments.output / "video")


if __name__ == "__main__":
    main()

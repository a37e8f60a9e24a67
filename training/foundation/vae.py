"""Train the picture autoencoder (64x64 pixels to 8x8 latents) that the image and the video decoder share.

    python -m training.foundation.vae --output runs/vae

An AutoencoderTiny (the architecture of TAESD: no normalisation, so it trains on crops) with losses of pixels and edges.
Latents are kept near unit size and decoded with a little noise on them, so that small errors of the denoiser do not show.
"""

import random
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderTiny
from torch import Tensor, nn

from training.foundation.command import options_of, parser, run, save_grid
from training.foundation.isolation import strange_palette
from training.loop import Batch, LoopOptions
from training.world.pictures import COLOUR_RGB, NUM_FRAMES, render_background, render_image, render_video
from training.world.scene import Kind
from training.world.split import draw

LATENT_WEIGHT, LATENT_NOISE, CROP = 2e-3, 0.04, 40
THINGS_WEIGHT = 6.0  # how much more a pixel of a thing counts than one of the background, mostly the larger part
SQUARE_WEIGHT = 2.0  # of squared errors: absolute ones alone seek the median, which lacks what is small and bright
STRANGE_EVERY = 4  # one in so many pictures has things in colours of no name, so that no detail is tied to a colour
LOOP = LoopOptions(steps=0, learning_rate=1e-3, warmup_steps=200, weight_decay=0.0, clip_norm=1.0, precision="bf16")


def build() -> AutoencoderTiny:
    """Make the network with random weights: (B, 3, 64, 64) <-> (B, 8, 8, 8)."""
    return AutoencoderTiny(
        encoder_block_out_channels=(32,) * 4,
        decoder_block_out_channels=(32,) * 4,
        num_encoder_blocks=(0, 1, 2, 2),
        num_decoder_blocks=(2, 2, 1, 1),
        latent_channels=8,
    )


def batch_of(batch_size: int, seed: int, step: int, crop: int = CROP) -> Batch:
    """Render crops of pictures of one and two things and of frames of videos.

    {"pixels": uint8 (B, crop, crop, 3), "things": bool (B, 1, crop, crop), where things cover their background}.
    """
    rng = random.Random(f"vae {seed} {step}")
    images, covered = [], []
    kinds: tuple[Kind, ...] = ("one", "two", "video")
    for index in range(batch_size):
        kind = kinds[index % 3]
        scene = draw(rng, kind, "train")
        number = rng.getrandbits(31)
        if kind == "video":
            image = render_video(scene, number)[rng.randrange(NUM_FRAMES)]
        else:
            palette = strange_palette(scene, rng) if index % STRANGE_EVERY == 0 else COLOUR_RGB
            image = render_image(scene, number, palette=palette)
        top, left = (rng.randrange(image.shape[0] - crop + 1) for _ in range(2))
        cut = (slice(top, top + crop), slice(left, left + crop))
        images.append(image[cut])
        covered.append((image != render_background(scene, number)).any(-1)[cut])
    return {"pixels": torch.from_numpy(np.stack(images)), "things": torch.from_numpy(np.stack(covered))[:, None]}


def to_signed(pixels: Tensor) -> Tensor:
    """uint8 (..., H, W, 3) -> float (..., 3, H, W) in [-1, 1], the range that diffusers' autoencoders work in."""
    return pixels.movedim(-1, -3).float() / 127.5 - 1


def to_uint8(signed: Tensor) -> np.ndarray:
    """float (..., 3, H, W) in [-1, 1] -> uint8 (..., H, W, 3)."""
    array: np.ndarray = ((signed.float().clamp(-1, 1) + 1) * 127.5).round().byte().movedim(-3, -1).cpu().numpy()
    return array


def _edges(x: Tensor) -> tuple[Tensor, Tensor]:
    return x[..., 1:, :] - x[..., :-1, :], x[..., 1:] - x[..., :-1]


class Reconstruction(nn.Module):
    """The autoencoder as one forward pass, so that accelerate can wrap it."""

    def __init__(self, vae: AutoencoderTiny) -> None:
        super().__init__()
        self.vae = vae

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, H, W) -> the reconstruction and the latents (B, 8, H / 8, W / 8)."""
        latents = self.vae.encode(x).latents
        return self.vae.decode(latents + LATENT_NOISE * torch.randn_like(latents)).sample, latents


def loss_of(model: nn.Module, batch: Batch) -> dict[str, Tensor]:
    """L1 and squared errors of pixels, L1 of edges, all more where things are, plus a pull of the latents towards zero."""
    x = to_signed(batch["pixels"])
    y, latents = model(x)
    y = y.float()
    weight = 1 + THINGS_WEIGHT * batch["things"].float()
    l1 = (weight * (x - y).abs()).mean()
    square = (weight * (x - y).pow(2)).mean()
    pairs = zip((weight[..., 1:, :], weight[..., 1:]), _edges(x), _edges(y), strict=True)
    edge = sum(((w * (a - b).abs()).mean() for w, a, b in pairs), start=x.new_zeros(()))
    size = latents.float().pow(2).mean()
    psnr = 10 * torch.log10(4 / (x - y).pow(2).mean())
    return {"loss": l1 + SQUARE_WEIGHT * square + edge + LATENT_WEIGHT * size, "l1": l1, "size": size, "psnr": psnr}


def main() -> None:
    """Train, set the latents' scale, and save `<output>/vae` in diffusers' format."""
    made = parser(__doc__ or "", steps=12000, batch_size=24)
    made.add_argument(
        "--freeze-encoder",
        action="store_true",
        help="train the decoder of --init-from alone, so that denoisers of its latents stay right",
    )
    made.add_argument("--crop", type=int, default=CROP, help="side of the square pieces of pictures, in pixels")
    arguments = made.parse_args()
    if arguments.freeze_encoder and not arguments.init_from:
        raise ValueError("--freeze-encoder keeps a trained encoder: name its autoencoder with --init-from.")
    torch.manual_seed(arguments.seed)
    vae = (AutoencoderTiny.from_pretrained(arguments.init_from) if arguments.init_from else build()).float()
    vae.encoder.requires_grad_(not arguments.freeze_encoder)
    model = Reconstruction(vae)
    shown = batch_of(8, -1, 0, crop=64)["pixels"]

    def preview(path: Path) -> None:
        device = next(model.parameters()).device
        x = to_signed(shown).to(device)
        save_grid(np.concatenate([shown.numpy(), to_uint8(vae.decode(vae.encode(x).latents).sample)]), path, columns=8)

    def batch(step: int) -> Batch:
        return batch_of(arguments.batch_size, arguments.seed, step, arguments.crop)

    run(model, batch, loss_of, options_of(arguments, LOOP), arguments, preview)
    if not arguments.freeze_encoder:
        with torch.no_grad():
            x = to_signed(batch_of(256, -2, 0, crop=64)["pixels"]).to(next(model.parameters()).device)
            vae.register_to_config(scaling_factor=round(1 / float(vae.encode(x).latents.std()), 5))
    vae.to(torch.float16).save_pretrained(arguments.output / "vae")


if __name__ == "__main__":
    main()

"""Train a VAE or beta-VAE: `python -m training.baselines.vae --data world --output runs/vae`.

The loss is the negative evidence lower bound of Kingma and Welling (2013), in nats: how unlikely the picture is under a
normal distribution around what came back, and beta times (Higgins et al. 2017) the divergence of the latents.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from pipelines.baselines.vae import VAE
from pipelines.baselines.vae_config import LAST_SIZE, VAEConfig
from pipelines.baselines.vae_model import VAENetwork, VAEPass
from training.baselines.pictures import PicturePool, signed
from training.baselines.trainer import (
    PREVIEW_COLUMNS,
    PREVIEW_ROWS,
    TrainOptions,
    command,
    open_data,
    record,
    shown_classes,
    train_parser,
    write_recipe,
)
from training.baselines.vae_prior import calibrate, fit_flow, posteriors
from training.features import Progress, no_progress
from training.loop import Batch, LoopOptions, Step, fit

CHANNELS = (32, 64, 128, 128, 128, 128)  # at a half, a quarter... of the size: as many as lead to 4x4
MEASURED = 512  # pictures by which the dimensions of the latents are measured


@dataclass(frozen=True)
class VAEOptions(TrainOptions):
    """What a training of a VAE is told besides; `unlabelled` is the share of pictures whose classes it is not told."""

    beta: float = 1.0
    pixel_deviation: float = 0.1  # of the normal distribution around what came back, on the scale [-1, 1]
    z_dim: int = 64
    unlabelled: float = 0.1
    flow_layers: int = 0
    flow_steps: int = 4000
    learning_rate: float = 1e-3
    batch_size: int = 64

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.beta < 0:
            raise ValueError(f"--beta is at least 0, not {self.beta}.")
        if self.pixel_deviation <= 0:
            raise ValueError(f"--pixel-deviation is more than 0, not {self.pixel_deviation}.")
        if self.flow_layers < 0 or self.flow_steps < 0:
            raise ValueError(
                f"--flow-layers and --flow-steps are at least 0, not {self.flow_layers} and {self.flow_steps}."
            )
        if not 0 <= self.unlabelled <= 1:
            raise ValueError(f"--unlabelled is a share from 0 to 1, not {self.unlabelled}.")

    @property
    def loop(self) -> LoopOptions:
        """The training loop's options."""
        return LoopOptions(
            steps=self.steps,
            learning_rate=self.learning_rate,
            warmup_steps=max(1, min(100, self.steps // 20)),
            weight_decay=0.0,
            clip_norm=100.0,
            seed=self.seed,
            checkpoint_every=self.checkpoint_every,
            minutes=self.minutes,
            precision=self.precision,
        )


def config_of(options: VAEOptions, pool: PicturePool) -> VAEConfig:
    """The sizes for these pictures. Raises ValueError if their size is not 8, 16, 32... up to 256."""
    sizes = [LAST_SIZE << levels for levels in range(1, len(CHANNELS) + 1)]
    if options.size not in sizes:
        raise ValueError(f"--size is one of {', '.join(map(str, sizes))}, not {options.size}.")
    channels = CHANNELS[: sizes.index(options.size) + 1]
    return VAEConfig(channels, options.z_dim, len(pool.labels), pool.groups, pool.labels)


def run(options: VAEOptions, progress: Progress = no_progress) -> Iterator[Step]:
    """Train step by step; when the iterator ends, the output folder is a model to load."""
    pool = open_data(options, progress)
    torch.manual_seed(options.seed)
    network = VAENetwork(config_of(options, pool))

    def batch_of(step: int) -> Batch:
        return pool.batch(options.batch_size, options.seed, step)

    def save() -> None:
        torch.manual_seed(options.seed)
        finished = VAENetwork(
            replace(network.config, flow_layers=options.flow_layers)
        )  # the training's own stays as it is
        finished.load_state_dict(finished.state_dict() | network.state_dict())
        calibrate(finished, pool)
        fit_flow(finished, pool, options.flow_steps)
        measure_latents(finished, pool)
        VAE(finished).save_pretrained(options.output, dtype=torch.float16)
        write_recipe("VAE", options, pool)

    loss = partial(loss_of, options=options)
    steps = fit(network, batch_of, loss, options.loop, options.checkpoints, resume=options.resume)
    yield from record(steps, options, partial(show, network, pool), save)


def loss_of(network: nn.Module, batch: Batch, options: VAEOptions) -> Mapping[str, Tensor]:
    """Return "loss" by pixel value, and "reconstruction" and "kl" by picture, in nats."""
    images = batch["images"]
    told = torch.rand(len(images), 1, device=images.device) >= options.unlabelled
    came: VAEPass = network(images, batch["classes"] * told)
    reconstruction, kl = lower_bound(came, images, options.pixel_deviation)
    loss = (reconstruction + options.beta * kl) / images[0].numel()
    return {"loss": loss, "reconstruction": reconstruction, "kl": kl}


def lower_bound(came: VAEPass, images: Tensor, deviation: float) -> tuple[Tensor, Tensor]:
    """The two terms by picture, in nats: -log N(image; what came back, deviation) without its constant, and the KL."""
    squares = (came.reconstruction.float() - images).square().sum(dim=(1, 2, 3))
    return (squares / (2 * deviation**2)).mean(), came.divergence.sum(dim=1).mean()


@torch.no_grad()
def measure_latents(network: VAENetwork, pool: PicturePool) -> None:
    """Keep what each dimension of the latents, as they are drawn, tells about a picture, so that people can turn those.

    In nats: the divergence of a normal distribution with the posterior's second moments, from two draws of each.
    """
    chosen = torch.randperm(len(pool), generator=torch.Generator().manual_seed(0))[:MEASURED]
    classes = pool.classes[chosen].to(network.latent_kl.device)
    means, variances = posteriors(network, pool, chosen, classes)
    first, second = (
        network.flow.inverse(means + variances.sqrt() * torch.randn_like(means), classes)[0] for _ in range(2)
    )
    noise, told = (first - second).square().mean(dim=0) / 2, (first * second).mean(dim=0)
    network.latent_kl.copy_((told + noise - 1 - noise.log()) / 2)


@torch.no_grad()
def show(network: VAENetwork, pool: PicturePool) -> Tensor:
    """Pictures, what comes back of them below, then samples of their classes: (N, 3, H, W)."""
    network.eval()
    device = network.latent_kl.device
    classes = shown_classes(pool).to(device)
    half = PREVIEW_ROWS // 2 * PREVIEW_COLUMNS
    places = torch.arange(half // 2) % len(pool)
    images = signed(pool.pixels[places]).to(device)
    again = network(images, pool.classes[places].to(device)).reconstruction
    z = torch.randn(half, network.config.z_dim, generator=torch.Generator().manual_seed(0)).to(device)
    return torch.cat([images, again, network.decoder(z, classes[:half])])


def main(argv: list[str] | None = None) -> None:
    """Read the command line and train."""
    defaults = VAEOptions(output=Path("."))
    parser = train_parser(str(__doc__), defaults)
    add = parser.add_argument
    add("--beta", type=float, default=defaults.beta, help="weight of the divergence; above 1: a beta-VAE")
    add("--pixel-deviation", type=float, default=defaults.pixel_deviation)
    add("--z-dim", type=int, default=defaults.z_dim, help="width of the latents")
    add("--unlabelled", type=float, default=defaults.unlabelled, help="share of pictures shown without their classes")
    add("--flow-layers", type=int, default=defaults.flow_layers,
        help="of a flow fitted to the latents at the end, so that samples belong to their classes (0: none)")  # fmt: skip
    add("--flow-steps", type=int, default=defaults.flow_steps, metavar="STEPS")
    add("--learning-rate", type=float, default=defaults.learning_rate)
    command(parser, VAEOptions, run, argv)


if __name__ == "__main__":
    main()

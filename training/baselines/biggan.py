"""Train a BigGAN: `python -m training.baselines.biggan --data world --output runs/biggan`.

As in Brock et al. (2018): hinge loss, spectral normalisation, class-conditional batch norm, skip-z, a projection
discriminator that may take several steps to one of the generator, orthogonal regularisation, an average of the weights, and
at the end standing statistics for each truncation. Besides, an auxiliary classifier (Odena et al. 2017) in the
discriminator, which learns the classes before the game begins: in short trainings on small batches neither side comes
to tell one small shape from another while they play.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from pipelines.baselines.batch_norm import set_standing_statistics
from pipelines.baselines.biggan import BigGAN, truncated_normal
from pipelines.baselines.biggan_config import BigGANConfig
from pipelines.baselines.biggan_model import BigGANNetwork
from pipelines.baselines.labels import ClassLabels
from pipelines.baselines.spectral_norm import SpectralNormed
from training.baselines.adversarial import (
    AdamOptions,
    AdversarialOptions,
    Batch,
    Game,
    GameOptions,
    Phase,
    check_classifier_steps,
    play,
)
from training.baselines.biggan_discriminator import BigGANDiscriminator
from training.baselines.gan_losses import auxiliary, hinge_discriminator, hinge_generator, orthogonality
from training.baselines.pictures import PicturePool
from training.baselines.trainer import command, open_data, record, shown_classes, train_parser, write_recipe
from training.features import Progress, no_progress
from training.loop import Step

_TO_16 = ((False, 16, 16), (True, 16, 8), (False, 8, 8), (True, 8, 4))
# By the size of the pictures: the generator's layers, as BigGANConfig has them, and before which one is the attention.
LAYERS: Mapping[int, tuple[tuple[tuple[bool, int, int], ...], int]] = {
    16: (_TO_16, 2),
    32: ((*_TO_16, (False, 4, 4), (True, 4, 1)), 4),
    64: ((*_TO_16, (False, 4, 4), (True, 4, 2), (True, 2, 1)), 4),
}
EMBEDDING_STD = 0.5  # classes then weigh about as much as the latent from the first step on: trainings here are short
NUM_STATS = 11  # truncations 0, 0.1 ... 1 have statistics of their own
STATISTICS_BATCHES, STATISTICS_BATCH_SIZE = 16, 64
CLASSIFIER_PACE = 5.0  # there is no game yet that a high rate could upset
POWER_ITERATIONS = 15  # until the averaged weights' singular vectors are their own


@dataclass(frozen=True)
class BigGANOptions(AdversarialOptions):
    """What a training of a BigGAN is told besides; `channel_width` is the unit of the layers' channels."""

    channel_width: int = 16
    z_dim: int = 96
    generator_rate: float = 2e-4
    discriminator_rate: float = 4e-4
    discriminator_steps: int = 1
    discriminator_width: int = 16
    orthogonal: float = 1e-4
    auxiliary: float = 0.5
    classifier_steps: int = 1500  # of all steps the first, in which the discriminator learns the classes alone

    def __post_init__(self) -> None:
        super().__post_init__()
        check_classifier_steps(self.classifier_steps, self.steps)
        if self.discriminator_steps < 1:
            raise ValueError(f"--discriminator-steps is at least 1, not {self.discriminator_steps}.")

    @property
    def game(self) -> GameOptions:
        """The loop's options."""
        generator, discriminator = (
            AdamOptions(rate, 0.0, 0.999) for rate in (self.generator_rate, self.discriminator_rate)
        )
        return self.game_of(generator, discriminator)


def config_of(options: BigGANOptions, pool: PicturePool) -> BigGANConfig:
    """The sizes for these pictures. Raises ValueError for a size that there are no layers for."""
    if options.size not in LAYERS:
        raise ValueError(f"--size is one of {', '.join(map(str, LAYERS))}, not {options.size}.")
    layers, attention = LAYERS[options.size]
    return BigGANConfig(
        layers,
        num_classes=len(pool.labels),
        z_dim=options.z_dim,
        class_embed_dim=options.z_dim,
        channel_width=options.channel_width,
        attention_layer_position=attention,
        n_stats=NUM_STATS,
        output_dim=options.size,
        labels=pool.labels,
        class_groups=pool.groups,
    )


def run(options: BigGANOptions, progress: Progress = no_progress) -> Iterator[Step]:
    """Train step by step; when the iterator ends, the output folder is a model to load."""
    pool = open_data(options, progress)
    torch.manual_seed(options.seed)
    game = biggan_game(config_of(options, pool), options)
    turns = len(game.phases)

    def batch_of(step: int, phase: int) -> Batch:
        return pool.batch(options.batch_size, options.seed, step * turns + phase)

    average = game.average
    assert isinstance(average, BigGANNetwork)

    def save() -> None:
        settle(average, pool)
        BigGAN(average).save_pretrained(options.output, dtype=torch.float16)
        write_recipe("BigGAN", options, pool)

    steps = play(game, batch_of, options.game, options.checkpoints, resume=options.resume)
    yield from record(steps, options, partial(show, average, pool), save)


def biggan_game(config: BigGANConfig, options: BigGANOptions) -> Game:
    """Make the two networks, with random weights, and their phases."""
    generator = BigGANNetwork(config)
    nn.init.normal_(generator.embeddings.weight, std=EMBEDDING_STD)
    discriminator = BigGANDiscriminator(replace(config, channel_width=options.discriminator_width))
    for network in (generator, discriminator):
        network.to(memory_format=torch.channels_last)  # convolutions run a quarter faster so
    groups = ClassLabels(config.num_classes, config.labels, config.class_groups).groups
    weights = [m.weight_orig for m in generator.modules() if isinstance(m, SpectralNormed)]

    def discriminate(batch: Batch) -> Mapping[str, Tensor]:
        images, classes = batch["images"], batch["classes"]
        with torch.no_grad():
            fake = generator(_latents(images, config), classes, 1.0)
        scores, logits = discriminator(torch.cat([images, fake]), torch.cat([classes, classes]))
        real_scores, fake_scores = scores.chunk(2)
        told = auxiliary(logits[: len(images)], classes, groups)
        loss = hinge_discriminator(real_scores, fake_scores) + options.auxiliary * told
        return {"loss": loss, "real": real_scores.mean(), "fake": fake_scores.mean(), "auxiliary": told}

    def generate(batch: Batch) -> Mapping[str, Tensor]:
        fake = generator(_latents(batch["images"], config), batch["classes"], 1.0)
        scores, logits = discriminator(fake, batch["classes"])
        told = auxiliary(logits, batch["classes"], groups)
        penalty = options.orthogonal * orthogonality(weights) if options.orthogonal else torch.zeros(())
        loss = hinge_generator(scores) + options.auxiliary * told + penalty
        return {"loss": loss, "orthogonal": penalty, "auxiliary": told}

    def classify(batch: Batch) -> Mapping[str, Tensor]:
        return {"loss": auxiliary(discriminator(batch["images"], batch["classes"])[1], batch["classes"], groups)}

    start = options.classifier_steps if options.auxiliary and config.num_classes > 1 else 0
    phases = [Phase(f"discriminator{i or ''}", "discriminator", discriminate, first=start)
              for i in range(options.discriminator_steps)]  # fmt: skip
    phases.append(Phase("generator", "generator", generate, first=start))
    if start:
        phases.append(Phase("classifier", "discriminator", classify, end=start, pace=CLASSIFIER_PACE))
    return Game(generator, discriminator, tuple(phases))


def settle(network: BigGANNetwork, pool: PicturePool, *, batches: int = STATISTICS_BATCHES) -> None:
    """Make averaged weights a model: singular vectors of their own, and standing statistics for every truncation."""
    _settle_vectors(network)
    for row in range(network.config.n_stats):
        _stand(network, pool, row, batches)


@torch.no_grad()
def show(network: BigGANNetwork, pool: PicturePool) -> Tensor:
    """Samples (N, 3, H, W) of the pool's classes."""
    _settle_vectors(network)
    _stand(network, pool, network.config.n_stats - 1, 2)
    network.eval()
    classes = shown_classes(pool)
    z = torch.randn(len(classes), network.config.z_dim, generator=torch.Generator().manual_seed(0))
    device = network.embeddings.weight.device
    made: Tensor = network(z.to(device), classes.to(device), 1.0)
    return made


def _latents(images: Tensor, config: BigGANConfig) -> Tensor:
    return torch.randn(len(images), config.z_dim, device=images.device)


@torch.no_grad()
def _settle_vectors(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, SpectralNormed):
            mode = module.training
            module.training = True
            for _ in range(POWER_ITERATIONS):
                module.normed_weight()
            module.training = mode


def _stand(network: BigGANNetwork, pool: PicturePool, row: int, batches: int) -> None:
    """Fill the statistics of a row: many latents of its truncation, with the pool's classes."""
    truncation = max(row / (network.config.n_stats - 1), 1e-3)
    generator = torch.Generator().manual_seed(row)
    device = network.embeddings.weight.device

    def run_batches() -> None:
        for number in range(batches):
            classes = pool.classes[(torch.arange(STATISTICS_BATCH_SIZE) + number * STATISTICS_BATCH_SIZE) % len(pool)]
            drawn = [truncated_normal(network.config.z_dim, truncation, generator) for _ in classes]
            network(torch.cat(drawn).to(device), classes.to(device), 1.0)

    set_standing_statistics(network, row, run_batches)


def main(argv: list[str] | None = None) -> None:
    """Read the command line and train."""
    defaults = BigGANOptions(output=Path("."))
    parser = train_parser(str(__doc__), defaults)
    add = parser.add_argument
    add("--channel-width", type=int, default=defaults.channel_width, help="channels in the narrowest unit of a layer")
    add("--z-dim", type=int, default=defaults.z_dim, help="width of the latents")
    add("--generator-rate", type=float, default=defaults.generator_rate)
    add("--discriminator-rate", type=float, default=defaults.discriminator_rate)
    add("--discriminator-steps", type=int, default=defaults.discriminator_steps, help="to one of the generator")
    add("--discriminator-width", type=int, default=defaults.discriminator_width, help="its own --channel-width")
    add("--orthogonal", type=float, default=defaults.orthogonal, help="weight of the orthogonal regularisation")
    add(
        "--auxiliary",
        type=float,
        default=defaults.auxiliary,
        help="weight of the auxiliary classifier; 0 leaves it out",
    )
    add("--classifier-steps", type=int, default=defaults.classifier_steps, metavar="STEPS",
        help="the first of all steps, in which the discriminator learns the classes alone")  # fmt: skip
    add("--ema-decay", type=float, default=defaults.ema_decay)
    command(parser, BigGANOptions, run, argv)


if __name__ == "__main__":
    main()

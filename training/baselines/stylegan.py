"""Train a StyleGAN2: `python -m training.baselines.stylegan --data world --output runs/stylegan`.

As in Karras et al. (2020): logistic loss, R1 and path-length regularisation in lazy steps of their own, style mixing, an
average of the weights and of the styles; adaptive discriminator augmentation (Karras et al. 2020b). For short trainings
both sides know something before the game: the discriminator's auxiliary classifier the classes (Odena et al. 2017), the
generator what pictures look like, as the decoder of a VAE, which it remains besides (after Larsen et al. 2016); and
what the discriminator sees is blurred at first (Karras et al. 2021), so that the game begins where the decoder ended, and
noisy all the time (Sønderby et al. 2017), so that no faint pattern deceives it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from pipelines.baselines.labels import ClassLabels
from pipelines.baselines.stylegan2 import StyleGAN2
from pipelines.baselines.stylegan2_config import StyleGAN2Config
from pipelines.baselines.stylegan2_model import StyleGAN2Network, noise_of
from pipelines.baselines.vae_config import VAEConfig
from pipelines.baselines.vae_model import VAEEncoder, VAEPass
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
from training.baselines.augment import Augmentation, FadingBlur
from training.baselines.gan_losses import (
    PathLength,
    auxiliary,
    gradient_penalty,
    likelihood,
    logistic_discriminator,
    logistic_generator,
)
from training.baselines.pictures import PicturePool
from training.baselines.stylegan2_discriminator import GROUP, StyleGAN2Discriminator
from training.baselines.trainer import command, open_data, record, shown_classes, train_parser, write_recipe
from training.baselines.vae import CHANNELS as ENCODER_CHANNELS
from training.baselines.vae import lower_bound
from training.features import Progress, no_progress
from training.loop import Step

CHANNELS = {16: (160, 128, 48), 32: (160, 128, 48, 16), 64: (160, 128, 64, 32, 16)}  # at 4, 8, 16... pixels
PIXEL_DEVIATION = 0.2  # of what the decoder gives back in the warm-up, on the scale [-1, 1]
PATH_SHRINK = 2  # path lengths are measured on a share of a batch, as in the paper's code


@dataclass(frozen=True)
class StyleGANOptions(AdversarialOptions):
    """What a training of a StyleGAN2 is told besides; a weight of 0 leaves its regulariser out."""

    z_dim: int = 64
    w_dim: int = 256
    mapping_layers: int = 4
    mapping_rate: float = 0.1  # of the others' rate; the paper's 0.01 is for trainings a thousand times as long
    learning_rate: float = 2e-3
    r1: float = 0.5  # pictures of 32x32 want less than faces of 1024x1024
    r1_every: int = 16
    path_length: float = 2.0
    path_every: int = 16
    mixing: float = 0.3
    noise: bool = False  # at each pixel; few steps teach it to stand in for outlines
    instance_noise: float = 0.15  # added to all that the discriminator sees, on the scale [-1, 1]
    augment: float = 0.0
    auxiliary: float = 3.0
    classifier_steps: int = 1500  # of all steps the first, in which the discriminator learns the classes alone
    decoder_steps: int = 1500  # of all steps the first, in which the generator learns as the decoder of a VAE
    reconstruction: float = 10.0  # weight of the VAE's bound in the game, per value of a picture; 0 leaves it out
    blur: float = 1.5  # pixels, of all that the discriminator sees at first
    blur_steps: int = 1500  # of the game, over which it fades

    def __post_init__(self) -> None:
        super().__post_init__()
        check_classifier_steps(self.classifier_steps, self.steps)
        if not 0 <= self.decoder_steps < self.steps:
            raise ValueError(f"--decoder-steps is from 0 to below --steps, {self.steps}, not {self.decoder_steps}.")
        if self.reconstruction < 0:
            raise ValueError(f"--reconstruction is at least 0, not {self.reconstruction}.")
        if self.batch_size % GROUP:
            raise ValueError(f"--batch-size is a multiple of {GROUP}, not {self.batch_size}.")
        if self.blur < 0 or self.blur_steps < 0 or self.blur > self.size / 8:
            most = f"{self.size / 8:g}"
            raise ValueError(
                f"--blur is from 0 to {most} pixels and --blur-steps at least 0, not {self.blur} and {self.blur_steps}."
            )
        if self.instance_noise < 0:
            raise ValueError(f"--instance-noise is at least 0, not {self.instance_noise}.")
        if not 0 <= self.mixing <= 1:
            raise ValueError(f"--mixing is a share from 0 to 1, not {self.mixing}.")

    @property
    def game(self) -> GameOptions:
        """The loop's options."""
        generator = discriminator = AdamOptions(self.learning_rate)
        if self.path_length:
            generator = generator.beside(self.path_every)
        if self.r1:
            discriminator = discriminator.beside(self.r1_every)
        return self.game_of(generator, discriminator)


def config_of(options: StyleGANOptions, pool: PicturePool) -> StyleGAN2Config:
    """The sizes for these pictures. Raises ValueError for a size that there are no channels for."""
    if options.size not in CHANNELS:
        raise ValueError(f"--size is one of {', '.join(map(str, CHANNELS))}, not {options.size}.")
    return StyleGAN2Config(
        CHANNELS[options.size],
        z_dim=options.z_dim,
        w_dim=options.w_dim,
        num_classes=len(pool.labels),
        num_mapping_layers=options.mapping_layers,
        mapping_multiplier=options.mapping_rate,
        labels=pool.labels,
        class_groups=pool.groups,
    )


def run(options: StyleGANOptions, progress: Progress = no_progress) -> Iterator[Step]:
    """Train step by step; when the iterator ends, the output folder is a model to load."""
    pool = open_data(options, progress)
    torch.manual_seed(options.seed)
    game = stylegan_game(config_of(options, pool), options)
    turns = len(game.phases)

    def batch_of(step: int, phase: int) -> Batch:
        return pool.batch(options.batch_size, options.seed, step * turns + phase)

    average = game.average.get_submodule("network")
    assert isinstance(average, StyleGAN2Network)

    def save() -> None:
        StyleGAN2(average).save_pretrained(options.output, dtype=torch.float16)
        write_recipe("StyleGAN2", options, pool)

    steps = play(game, batch_of, options.game, options.checkpoints, resume=options.resume)
    yield from record(steps, options, partial(show, average, pool), save)


class Drawer(nn.Module):
    """The generator, and the encoder that it learns with before the game, if it does."""

    def __init__(self, config: StyleGAN2Config, *, has_encoder: bool, has_noise: bool) -> None:
        super().__init__()
        self.has_noise = has_noise
        self.network = StyleGAN2Network(config)
        self.encoder: VAEEncoder | None = None
        if has_encoder:
            channels = ENCODER_CHANNELS[: len(CHANNELS[config.image_size]) - 1]
            self.encoder = VAEEncoder(VAEConfig(channels, config.z_dim, config.num_classes))

    def forward(self, images: Tensor, classes: Tensor) -> VAEPass:
        """(B, 3, H, W) in [-1, 1], (B, num_classes) -> a pass through drawn latents."""
        assert self.encoder is not None
        mean, log_variance = self.encoder(images, classes)
        latents = mean + torch.randn_like(mean) * (log_variance / 2).exp()
        return VAEPass(self.draw(self.network.mapping(latents, classes)), mean, log_variance)

    def draw(self, ws: Tensor) -> Tensor:
        """Styles (B, num_ws, w_dim) -> pictures (B, 3, H, W), with noise if that is learned."""
        images: Tensor = self.network.synthesis(ws, noise_of("random", len(ws)) if self.has_noise else noise_of("none"))
        return images


def stylegan_game(config: StyleGAN2Config, options: StyleGANOptions) -> Game:
    """Make the two networks, with random weights, and their phases."""
    drawer = Drawer(
        config, has_encoder=options.decoder_steps > 0 or options.reconstruction > 0, has_noise=options.noise
    )
    discriminator = StyleGAN2Discriminator(config)
    generator = drawer.network
    for network in (generator, discriminator):
        network.to(memory_format=torch.channels_last)  # convolutions run a seventh faster so
    groups = ClassLabels(config.num_classes, config.labels, config.class_groups).groups
    taught = options.classifier_steps if options.auxiliary and config.num_classes > 1 else 0
    start = max(taught, options.decoder_steps)
    augment, lengths = Augmentation(options.augment), PathLength()
    blur = FadingBlur(options.blur, start, options.blur_steps)

    def styles(classes: Tensor) -> Tensor:
        ws: Tensor = generator.mapping(_latents(classes, config), classes)
        generator.mapping.track_average(ws[:, 0].detach().float(), 0.998)
        if options.mixing and float(torch.rand(())) < options.mixing:
            crossover = int(torch.randint(1, config.num_ws, ()))
            others: Tensor = generator.mapping(_latents(classes, config), classes)
            ws = torch.cat([ws[:, :crossover], others[:, crossover:]], dim=1)
        return ws

    def seen(images: Tensor) -> Tensor:
        changed: Tensor = augment(blur(images))
        return changed + options.instance_noise * torch.randn_like(changed)

    def discriminate(batch: Batch) -> Mapping[str, Tensor]:
        images, classes = batch["images"], batch["classes"]
        with torch.no_grad():
            fake = drawer.draw(styles(classes))
        real_scores, logits = discriminator(seen(images), classes)
        fake_scores, _ = discriminator(seen(fake), classes)
        augment.watch(real_scores)
        told = auxiliary(logits, classes, groups)
        loss = logistic_discriminator(real_scores, fake_scores) + options.auxiliary * told
        return {"loss": loss, "real": real_scores.mean(), "fake": fake_scores.mean(), "auxiliary": told}

    def penalise(batch: Batch) -> Mapping[str, Tensor]:
        images = seen(batch["images"]).detach().requires_grad_()
        scores, logits = discriminator(images, batch["classes"])
        told = likelihood(logits, batch["classes"], groups)  # else it is this that the generator learns to deceive
        penalty = gradient_penalty(scores + options.auxiliary * told, images)
        return {"loss": penalty * options.r1 / 2 * options.r1_every, "r1": penalty}

    def generate(batch: Batch) -> Mapping[str, Tensor]:
        fake = drawer.draw(styles(batch["classes"]))
        scores, logits = discriminator(seen(fake), batch["classes"])
        told = auxiliary(logits, batch["classes"], groups)
        losses = {"loss": logistic_generator(scores) + options.auxiliary * told, "auxiliary": told}
        if not options.reconstruction:
            return losses
        back = decode(batch)
        losses["loss"] = losses["loss"] + options.reconstruction * back["loss"]
        return losses | {"reconstruction": back["reconstruction"], "kl": back["kl"]}

    def straighten(batch: Batch) -> Mapping[str, Tensor]:
        classes = batch["classes"][: max(1, options.batch_size // PATH_SHRINK)]
        ws = styles(classes)
        penalty = lengths(drawer.draw(ws), ws)
        return {"loss": penalty * options.path_length * options.path_every, "path": penalty}

    def classify(batch: Batch) -> Mapping[str, Tensor]:
        _, logits = discriminator(seen(batch["images"]), batch["classes"])
        return {"loss": auxiliary(logits, batch["classes"], groups)}

    def decode(batch: Batch) -> Mapping[str, Tensor]:
        came: VAEPass = drawer(batch["images"], batch["classes"])
        reconstruction, kl = lower_bound(came, batch["images"], PIXEL_DEVIATION)
        loss = (reconstruction + kl) / batch["images"][0].numel()
        return {"loss": loss, "reconstruction": reconstruction, "kl": kl}

    phases = [Phase("discriminator", "discriminator", discriminate, first=start)]
    if options.r1:
        phases.append(Phase("r1", "discriminator", penalise, every=options.r1_every, is_exact=True, first=start))
    phases.append(Phase("generator", "generator", generate, first=start))
    if options.path_length:
        phases.append(Phase("path", "generator", straighten, every=options.path_every, is_exact=True, first=start))
    if taught:
        phases.append(Phase("classifier", "discriminator", classify, end=taught))
    if options.decoder_steps:
        phases.append(Phase("decoder", "generator", decode, end=options.decoder_steps))

    def after(step: int) -> Mapping[str, float]:
        if step % options.path_every == 0:
            augment.adapt()
        blur.fade(step)
        return {"augmentation": float(augment.strength)}

    memory = nn.ModuleDict({"augment": augment, "blur": blur, "lengths": lengths})
    return Game(drawer, discriminator, tuple(phases), memory, after)


@torch.no_grad()
def show(network: StyleGAN2Network, pool: PicturePool) -> Tensor:
    """Samples (N, 3, H, W) of the pool's classes."""
    classes = shown_classes(pool)
    z = torch.randn(len(classes), network.config.z_dim, generator=torch.Generator().manual_seed(0))
    device = network.mapping.w_avg.device
    made: Tensor = network(z.to(device), classes.to(device), noise_of("const"))
    return made


def _latents(classes: Tensor, config: StyleGAN2Config) -> Tensor:
    return torch.randn(len(classes), config.z_dim, device=classes.device)


def main(argv: list[str] | None = None) -> None:
    """Read the command line and train."""
    defaults = StyleGANOptions(output=Path("."))
    parser = train_parser(str(__doc__), defaults)
    add = parser.add_argument
    add("--z-dim", type=int, default=defaults.z_dim, help="width of latents")
    add("--w-dim", type=int, default=defaults.w_dim, help="width of styles")
    add("--mapping-layers", type=int, default=defaults.mapping_layers)
    add(
        "--mapping-rate", type=float, default=defaults.mapping_rate, help="its learning rate, as a share of the others'"
    )
    add("--learning-rate", type=float, default=defaults.learning_rate)
    add("--r1", type=float, default=defaults.r1, help="weight of R1; 0 leaves it out")
    add("--r1-every", type=int, default=defaults.r1_every, metavar="STEPS")
    add("--path-length", type=float, default=defaults.path_length, help="weight of the path length; 0 leaves it out")
    add("--path-every", type=int, default=defaults.path_every, metavar="STEPS")
    add("--mixing", type=float, default=defaults.mixing, help="share of batches with the styles of two latents")
    add("--noise", action="store_true", help="learn noise at each pixel: wants a long training, and rough pictures")
    add("--instance-noise", type=float, default=defaults.instance_noise, metavar="DEVIATION",
        help="added to all that the discriminator sees, on the scale [-1, 1]; 0 leaves it out")  # fmt: skip
    add("--augment", type=float, default=defaults.augment,
        help="target of the adaptive augmentation, as 0.6 where pictures are few; 0 turns it off")  # fmt: skip
    add(
        "--auxiliary",
        type=float,
        default=defaults.auxiliary,
        help="weight of the auxiliary classifier; 0 leaves it out",
    )
    add("--classifier-steps", type=int, default=defaults.classifier_steps, metavar="STEPS",
        help="the first of all steps, in which the discriminator learns the classes alone")  # fmt: skip
    add("--decoder-steps", type=int, default=defaults.decoder_steps, metavar="STEPS",
        help="the first of all steps, in which the generator learns to give pictures back, as a VAE's decoder")  # fmt: skip
    add("--reconstruction", type=float, default=defaults.reconstruction, metavar="WEIGHT",
        help="of giving pictures back in the game too; 0 leaves it to the first steps")  # fmt: skip
    add("--blur", type=float, default=defaults.blur, metavar="PIXELS",
        help="of all that the discriminator sees when the game begins; 0 leaves it out")  # fmt: skip
    add("--blur-steps", type=int, default=defaults.blur_steps, metavar="STEPS", help="over which it fades")
    add("--ema-decay", type=float, default=defaults.ema_decay)
    command(parser, StyleGANOptions, run, argv)


if __name__ == "__main__":
    main()

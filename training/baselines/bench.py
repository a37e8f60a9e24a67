"""Measure the trainings beside a plain loop over the same networks: `python -m training.baselines.bench`.

Both take the same steps on the same batches, by turns in one run, so that whatever else the machine does falls on both.
The plain loop has no accelerate, no seeds by step, no figures and no checkpoints; it averages weights, as any of these do.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from pipelines.baselines.vae_model import VAENetwork
from training.baselines import biggan, stylegan, vae
from training.baselines.adversarial import SIDES, Game, GameOptions, play
from training.baselines.pictures import PicturePool, world_pictures
from training.loop import fit

FAMILIES = ("vae", "biggan", "stylegan")
WANTED = 0.95  # of the plain loop's speed


@dataclass(frozen=True)
class Speeds:
    """Pictures a second of a family's training, ours and the plain loop's."""

    family: str
    ours: float
    plain: float

    @property
    def share(self) -> float:
        """Return ours as a share of the plain loop's."""
        return self.ours / self.plain


def measure(
    family: str, folder: Path, *, size: int = 32, batch_size: int = 32, steps: int = 10, rounds: int = 5
) -> Speeds:
    """Take `rounds` turns of `steps` steps each; the first turn of both warms up and is not counted."""
    pool = world_pictures(size, 4 * batch_size, 0)
    total = steps * (rounds + 1)
    loops = _vae(pool, total, batch_size, folder) if family == "vae" else _gan(family, pool, total, batch_size, folder)
    spent = [0.0, 0.0]
    for turn in range(rounds + 1):
        for which, loop in enumerate(loops):
            began = time.perf_counter()
            for _ in range(steps):
                next(loop)
            spent[which] += (time.perf_counter() - began) if turn else 0.0
    pictures = rounds * steps * batch_size
    return Speeds(family, pictures / spent[0], pictures / spent[1])


Loops = tuple[Iterator[object], Iterator[object]]


def _vae(pool: PicturePool, total: int, batch_size: int, folder: Path) -> Loops:
    options = vae.VAEOptions(folder, size=pool.size, steps=total + 1, batch_size=batch_size, checkpoint_every=total + 2)
    networks = [VAENetwork(vae.config_of(options, pool)) for _ in range(2)]
    loss_of = partial(vae.loss_of, options=options)

    def plain(network: VAENetwork) -> Iterator[None]:
        parameters = list(network.parameters())
        optimizer = torch.optim.AdamW(parameters, lr=1e-3, betas=(0.9, 0.99), weight_decay=0.0)
        average = [parameter.detach().clone() for parameter in parameters]
        network.train()
        for number in range(total):
            loss_of(network, pool.batch(batch_size, 0, number))["loss"].backward()
            torch.nn.utils.clip_grad_norm_(parameters, 100.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            _average(average, parameters)
            yield None

    ours = fit(networks[0], lambda step: pool.batch(batch_size, 0, step), loss_of, options.loop, folder / "vae")
    return ours, plain(networks[1])


def _gan(family: str, pool: PicturePool, total: int, batch_size: int, folder: Path) -> Loops:
    def make() -> tuple[Game, GameOptions]:
        if family == "biggan":
            big = biggan.BigGANOptions(folder, size=pool.size, steps=total + 1, batch_size=batch_size,
                                       checkpoint_every=total + 2, classifier_steps=0)  # fmt: skip
            return biggan.biggan_game(biggan.config_of(big, pool), big), big.game
        style = stylegan.StyleGANOptions(folder, size=pool.size, steps=total + 1, batch_size=batch_size,
                                         checkpoint_every=total + 2, classifier_steps=0, decoder_steps=0)  # fmt: skip
        return stylegan.stylegan_game(stylegan.config_of(style, pool), style), style.game

    (ours, options), (other, _) = make(), make()
    turns = len(ours.phases)

    def plain(game: Game) -> Iterator[None]:
        adams = {"generator": options.generator, "discriminator": options.discriminator}
        optimizers = {
            side: torch.optim.Adam(
                game.side(side).parameters(), lr=adams[side].learning_rate, betas=(adams[side].beta1, adams[side].beta2)
            )
            for side in SIDES
        }
        average: list[torch.Tensor] = list(game.average.parameters())
        parameters = list(game.generator.parameters())
        for number in range(total):
            for index, phase in enumerate(game.phases):
                if phase.is_due(number):
                    for side in SIDES:
                        game.side(side).requires_grad_(side == phase.side)
                    phase.losses(pool.batch(batch_size, 0, number * turns + index))["loss"].backward()
                    optimizers[phase.side].step()
                    optimizers[phase.side].zero_grad(set_to_none=True)
            _average(average, parameters)
            game.after(number + 1)
            yield None

    def batch_of(step: int, phase: int) -> dict[str, torch.Tensor]:
        return pool.batch(batch_size, 0, step * turns + phase)

    return play(ours, batch_of, options, folder / family), plain(other)


@torch.no_grad()
def _average(average: list[torch.Tensor], parameters: list[torch.nn.Parameter]) -> None:
    torch._foreach_lerp_(average, [parameter.detach() for parameter in parameters], 0.001)


def line_of(speeds: Speeds) -> str:
    """A line of the table."""
    verdict = "reached" if speeds.share >= WANTED else "missed"
    return (
        f"{speeds.family}: {speeds.ours:.1f} pictures/s, the plain loop {speeds.plain:.1f}, share {speeds.share:.3f} "
        f"(wanted {WANTED}: {verdict})"
    )


def main(argv: list[str] | None = None, *, say: Callable[[str], None] = print) -> None:
    """Measure the families one after another."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--family", choices=FAMILIES, action="append", help="may be repeated; left out: all")
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--steps", type=int, default=10, help="steps of a turn")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each loop")
    asked = parser.parse_args(argv)
    for family in asked.family or FAMILIES:
        with tempfile.TemporaryDirectory() as folder:
            speeds = measure(
                family,
                Path(folder),
                size=asked.size,
                batch_size=asked.batch_size,
                steps=asked.steps,
                rounds=asked.rounds,
            )
        say(line_of(speeds))


if __name__ == "__main__":
    main()

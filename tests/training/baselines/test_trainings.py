"""The three trainings on tiny pictures: losses fall, a resume changes no bit, and the folder is a model to load."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from encoders.files import write_media
from encoders.media import Image
from pipelines.baselines.registry import load_baseline
from pipelines.baselines.vae import VAE
from pipelines.baselines.vae_config import VAEConfig
from pipelines.baselines.vae_model import VAENetwork
from training.baselines import biggan, stylegan, vae, vae_prior
from training.baselines.pictures import world_pictures
from training.loop import Step

COMMON: dict[str, Any] = {
    "size": 16, "steps": 6, "batch_size": 4, "num_pictures": 12, "checkpoint_every": 3, "preview_every": 4, "log_every": 2,
}  # fmt: skip
RUNS = {"vae": vae.run, "biggan": biggan.run, "stylegan": stylegan.run}


def options_of(family: str, output: Path, **others: Any) -> Any:
    given = COMMON | others
    if family == "vae":
        return vae.VAEOptions(output, z_dim=6, flow_layers=2, flow_steps=2, **given)
    given = {"classifier_steps": min(2, given["steps"] - 1)} | given
    if family == "biggan":
        return biggan.BigGANOptions(output, channel_width=4, discriminator_width=8, z_dim=8, ema_decay=0.9, **given)
    given = {"augment": 0.1, "decoder_steps": 0, "reconstruction": 0.0, "blur": 0.0} | given
    return stylegan.StyleGANOptions(
        output, z_dim=8, w_dim=8, mapping_layers=2, r1_every=2, path_every=2, ema_decay=0.9, **given
    )


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vae, "CHANNELS", (8, 16, 16))
    monkeypatch.setattr(stylegan, "CHANNELS", {16: (16, 12, 8)})
    monkeypatch.setattr(biggan, "NUM_STATS", 3)
    monkeypatch.setattr(biggan, "STATISTICS_BATCHES", 1)
    monkeypatch.setattr(biggan, "STATISTICS_BATCH_SIZE", 8)


def train(family: str, output: Path, *, stop: int | None = None, **others: Any) -> list[Step]:
    taken: list[Step] = []
    run: Iterator[Step] = RUNS[family](options_of(family, output, **others))
    for step in run:
        taken.append(step)
        if step.number == stop:
            break
    run.close()  # type: ignore[attr-defined]
    return taken


@pytest.mark.parametrize("family", RUNS)
def test_a_resumed_training_leaves_the_same_files_and_the_folder_is_a_model(family: str, tmp_path: Path) -> None:
    steps = train(family, tmp_path / "whole")
    assert [step.number for step in steps] == list(range(1, 7))
    train(family, tmp_path / "broken", stop=5)
    train(family, tmp_path / "broken", resume=True)
    files = ("model.safetensors", "samples-000006.png", "config.json")
    for name in files:
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "broken" / name).read_bytes()
    assert next(iter(load_file(tmp_path / "whole" / "model.safetensors").values())).dtype == torch.float16
    if family == "biggan":
        table = load_file(tmp_path / "whole" / "model.safetensors")["generator.bn.running_vars"].float()
        assert table.shape[0] == 3 and not (table == 1).any()  # each truncation's, of the averaged weights
    model = load_baseline(tmp_path / "whole")
    (image,) = model.sample(label=["bell", "red"], generator=torch.Generator().manual_seed(0)).images
    assert image.pixels.shape == (3, 16, 16)
    recipe = json.loads((tmp_path / "whole" / "recipe.json").read_text())
    assert (
        recipe["steps"] == 6
        and recipe["options"]["seed"] == 0
        and torch.__version__.startswith(recipe["versions"]["torch"])
    )
    assert recipe["data"]["sha256"] == world_pictures(16, 12, 0).fingerprint
    lines = [json.loads(line) for line in (tmp_path / "broken" / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "step" in line] == [2, 4, 6]  # what was behind the checkpoint is cut off
    assert list((tmp_path / "whole" / "tensorboard").iterdir())
    with pytest.raises(FileExistsError, match="--resume"):
        train(family, tmp_path / "whole")
    with pytest.raises(ValueError, match="trained on other pictures"):
        train(family, tmp_path / "whole", resume=True, num_pictures=13)
    (tmp_path / "whole" / "data.json").unlink()
    with pytest.raises(ValueError, match="put it back"):
        train(family, tmp_path / "whole", resume=True)


@pytest.mark.parametrize("family", RUNS)
def test_a_folder_of_pictures_trains_and_its_bad_files_are_counted(
    family: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(4):
        place = tmp_path / "mine" / ("dark" if number < 2 else "light")
        place.mkdir(parents=True, exist_ok=True)
        write_media(place / f"{number}.png", Image(torch.full((3, 20, 24), number / 4)))
    (tmp_path / "mine" / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    train(family, tmp_path / "out", data=str(tmp_path / "mine"), steps=2)
    said = capsys.readouterr().err
    assert "1 files were left out, 4 pictures are used" in said and "bad.png" in said
    model = load_baseline(tmp_path / "out")
    assert model.labels.index("light") == 1
    recipe = json.loads((tmp_path / "out" / "recipe.json").read_text())
    assert [each["name"] for each in recipe["data"]["refused"]] == ["bad.png"]


def test_the_vae_learns_and_reports_its_two_terms_apart(tmp_path: Path) -> None:
    steps = train("vae", tmp_path, steps=60, batch_size=12, learning_rate=3e-3, preview_every=100, checkpoint_every=100)
    first, last = steps[0].losses, steps[-1].losses
    assert last["reconstruction"] < 0.7 * first["reconstruction"]
    values = 3 * 16 * 16
    assert last["loss"] == pytest.approx((last["reconstruction"] + last["kl"]) / values, rel=1e-3)
    model = load_baseline(tmp_path)
    assert isinstance(model, VAE)
    assert model.network.latent_kl.sum() > 0.1


def test_calibrated_latents_are_standard_normal_for_a_class_and_bring_back_the_same_picture() -> None:
    pool = world_pictures(16, 300, 0)
    torch.manual_seed(0)
    network = VAENetwork(VAEConfig((8, 8), 5, len(pool.labels), pool.groups, pool.labels)).eval()
    batch = pool.batch(300, 0, 0)
    with torch.no_grad():
        network.encoder.last.weight.mul_(3)
        before = network(batch["images"], batch["classes"])
        vae_prior.calibrate(network, pool)
        after = network(batch["images"], batch["classes"])
        untold = network(batch["images"], torch.zeros_like(batch["classes"]))
    torch.testing.assert_close(after.reconstruction, before.reconstruction, rtol=1e-3, atol=1e-4)
    assert (before.mean.T.cov() + before.log_variance.exp().mean(0).diag() - torch.eye(5)).abs().max() > 0.3
    whole = after.mean.T.cov() + after.log_variance.exp().mean(0).diag()
    assert (whole - torch.eye(5)).abs().max() < 0.2
    assert after.mean.mean(dim=0).abs().max() < 0.1 and untold.mean.mean(dim=0).abs().max() < 0.6


def test_a_fitted_flow_makes_the_latents_likelier_than_a_normal_distribution_does() -> None:
    pool = world_pictures(16, 300, 0)
    torch.manual_seed(0)
    network = VAENetwork(VAEConfig((8, 8), 6, len(pool.labels), pool.groups, pool.labels, flow_layers=4)).eval()
    with torch.no_grad():
        network.encoder.last.weight.mul_(3)
        network.encoder.last.bias[6:] -= 8  # little noise: the pictures decide
        vae_prior.calibrate(network, pool)
    means, _ = vae_prior.posteriors(network, pool, torch.arange(300), pool.classes)

    def unlikeliness() -> float:
        with torch.no_grad():
            normal, stretched = network.flow.inverse(means, pool.classes)
        return float((normal.square().sum(dim=1) / 2 - stretched).mean())

    before = unlikeliness()
    vae_prior.fit_flow(network, pool, 120)
    assert unlikeliness() < before - 0.5


def test_a_heavier_beta_leaves_less_in_the_latents(tmp_path: Path) -> None:
    kl = {}
    for beta in (0.1, 100.0):
        steps = train("vae", tmp_path / str(beta), steps=40, batch_size=12, beta=beta, preview_every=99)
        kl[beta] = steps[-1].losses["kl"]
    assert kl[100.0] < 0.5 * kl[0.1]


@pytest.mark.parametrize("family", ["biggan", "stylegan"])
def test_the_discriminator_learns_to_tell_real_pictures(family: str, tmp_path: Path) -> None:
    others = {"classifier_steps": 0} | ({"generator_rate": 0.0} if family == "biggan" else {"augment": 0.0})
    steps = train(family, tmp_path, steps=20, preview_every=99, checkpoint_every=99, **others)
    first = sum(step.losses["discriminator_loss"] for step in steps[:3])
    last = sum(step.losses["discriminator_loss"] for step in steps[-3:])
    assert last < first
    assert steps[-1].losses["discriminator_real"] > steps[-1].losses["discriminator_fake"]


@pytest.mark.parametrize("family", ["biggan", "stylegan"])
def test_the_discriminator_learns_the_classes_before_the_game(family: str, tmp_path: Path) -> None:
    steps = train(family, tmp_path / "run", steps=42, classifier_steps=40, preview_every=99, checkpoint_every=99)
    told = [step.losses["classifier_loss"] for step in steps[:40]]
    assert sum(told[-5:]) < sum(told[:5])
    assert all(set(step.losses) <= {"classifier_loss", "augmentation", "loss"} for step in steps[:40])
    assert "generator_loss" in steps[40].losses and "classifier_loss" not in steps[40].losses
    train(family, tmp_path / "broken", steps=42, classifier_steps=40, stop=39, preview_every=99, checkpoint_every=39)
    again = train(family, tmp_path / "broken", steps=42, classifier_steps=40, resume=True, preview_every=99)
    assert again[-1].losses == steps[-1].losses


def test_the_generator_learns_to_give_pictures_back_before_the_game(tmp_path: Path) -> None:
    options: dict[str, Any] = {"steps": 62, "decoder_steps": 60, "preview_every": 99, "blur": 1.0, "blur_steps": 2}
    steps = train("stylegan", tmp_path / "run", checkpoint_every=99, **options)
    lost = [step.losses["decoder_reconstruction"] for step in steps[:60]]
    assert sum(lost[-5:]) < 0.7 * sum(lost[:5])
    assert all("generator_loss" not in step.losses for step in steps[:60])
    assert "generator_loss" in steps[60].losses and "decoder_loss" not in steps[60].losses
    train("stylegan", tmp_path / "broken", stop=59, checkpoint_every=59, **options)
    again = train("stylegan", tmp_path / "broken", resume=True, **options)
    assert again[-1].losses == steps[-1].losses
    files = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("run", "broken")]
    assert files[0] == files[1]
    assert not any("encoder" in name for name in load_file(tmp_path / "run" / "model.safetensors"))


def test_the_generator_goes_on_giving_pictures_back_in_the_game(tmp_path: Path) -> None:
    options: dict[str, Any] = {"steps": 40, "classifier_steps": 0, "preview_every": 99, "checkpoint_every": 20}
    steps = train("stylegan", tmp_path / "run", reconstruction=10.0, **options)
    lost = [step.losses["generator_reconstruction"] for step in steps]
    assert sum(lost[-5:]) < 0.8 * sum(lost[:5])
    train("stylegan", tmp_path / "broken", reconstruction=10.0, stop=20, **options)
    train("stylegan", tmp_path / "broken", reconstruction=10.0, resume=True, **options)
    train("stylegan", tmp_path / "without", **options)
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("run", "broken", "without")]
    assert weights[0] == weights[1] != weights[2]


@pytest.mark.parametrize("noise", [False, True])
def test_noise_is_learned_only_where_it_is_wanted(noise: bool, tmp_path: Path) -> None:
    train("stylegan", tmp_path, noise=noise, classifier_steps=0)
    weights = load_file(tmp_path / "model.safetensors")
    strengths = [value for name, value in weights.items() if name.endswith("noise_strength")]
    assert strengths and any(map(bool, strengths)) == noise


@pytest.mark.parametrize("family", RUNS)
def test_half_precision_trains_and_resumes_exactly(family: str, tmp_path: Path) -> None:
    whole = train(family, tmp_path / "whole", precision="bf16", steps=4, preview_every=99)
    train(family, tmp_path / "broken", precision="bf16", steps=4, stop=3, preview_every=99)
    train(family, tmp_path / "broken", precision="bf16", steps=4, resume=True, preview_every=99)
    assert all(math.isfinite(value) for step in whole for value in step.losses.values())
    files = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "broken")]
    assert files[0] == files[1]
    exact = train(family, tmp_path / "exact", steps=1, preview_every=99)
    assert exact[0].losses["loss"] != whole[0].losses["loss"]


@pytest.mark.parametrize(
    ("family", "changed", "message"),
    [
        ("vae", {"beta": -1.0}, "--beta is at least 0"),
        ("vae", {"size": 20}, "--size is one of 8, 16, 32"),
        ("biggan", {"size": 20}, "--size is one of 16, 32, 64, not 20"),
        ("stylegan", {"batch_size": 6}, "--batch-size is a multiple of 4, not 6"),
        ("stylegan", {"size": 20}, "--size is one of 16"),
        ("biggan", {"classifier_steps": -1}, "--classifier-steps is from 0 to below --steps, 6, not -1"),
        ("stylegan", {"classifier_steps": 6}, "not 6: the game needs some too"),
        ("stylegan", {"decoder_steps": 6}, "--decoder-steps is from 0 to below --steps, 6, not 6"),
        ("stylegan", {"reconstruction": -1.0}, "--reconstruction is at least 0, not -1"),
        ("stylegan", {"blur": 3.0}, "--blur is from 0 to 2 pixels"),
        ("stylegan", {"instance_noise": -0.1}, "--instance-noise is at least 0"),
        ("vae", {"steps": 0}, "--steps is 0; wanted more than 0"),
    ],
)
def test_impossible_options_are_named(family: str, changed: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        train(family, tmp_path, **changed)


def test_the_command_line_trains(tmp_path: Path) -> None:
    arguments = [
        "--size",
        "16",
        "--steps",
        "2",
        "--batch-size",
        "4",
        "--num-pictures",
        "8",
        "--z-dim",
        "4",
        "--beta",
        "4",
    ]
    vae.main([*arguments, "--output", str(tmp_path / "out")])
    assert json.loads((tmp_path / "out" / "recipe.json").read_text())["options"]["beta"] == 4
    with pytest.raises(SystemExit):
        vae.main([*arguments, "--output", str(tmp_path / "out")])

"""The lab: sheets and films of what the classic generators show, and one request through every family."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import parts
import pytest
import torch
from click.testing import Result
from typer.testing import CliRunner

from encoders.files import read_image, read_metadata, read_video, write_media
from encoders.media import Audio, Image
from pipelines.baselines.base import Baseline
from pipelines.baselines.biggan import BigGAN
from pipelines.baselines.biggan_config import BigGANConfig
from pipelines.baselines.biggan_model import BigGANNetwork
from pipelines.baselines.stylegan2 import StyleGAN2
from pipelines.baselines.stylegan2_config import StyleGAN2Config
from pipelines.baselines.stylegan2_model import StyleGAN2Network
from pipelines.baselines.vae import VAE
from pipelines.baselines.vae_config import VAEConfig
from pipelines.baselines.vae_model import VAENetwork
from studio import lab
from studio.cli import app
from studio.errors import StudioError
from studio.lab.sheet import CELL, FILM, film, lay_out
from studio.library.library import Library
from studio.store import Store

CLASSES: dict[str, Any] = {"num_classes": 5, "class_groups": (3, 2), "labels": ("bell", "boat", "kite", "red", "blue")}


@pytest.fixture(scope="module")
def models() -> dict[str, Baseline]:
    torch.manual_seed(0)
    vae = VAENetwork(VAEConfig((8, 8), z_dim=4, **CLASSES))
    vae.latent_kl.copy_(torch.tensor([0.1, 3.0, 0.0, 2.0]))
    biggan = BigGANConfig(
        ((False, 4, 4), (True, 4, 2), (True, 2, 1)), z_dim=6, channel_width=8, attention_layer_position=2, n_stats=5,
        output_dim=16, **CLASSES,
    )  # fmt: skip
    stylegan = StyleGAN2Config((8, 8, 8), z_dim=8, w_dim=8, num_mapping_layers=1, **CLASSES)
    return {
        "vae": VAE(vae), "biggan": BigGAN(BigGANNetwork(biggan)), "stylegan": StyleGAN2(StyleGAN2Network(stylegan)),
    }  # fmt: skip


@pytest.fixture(scope="module")
def folders(models: dict[str, Baseline], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    root = tmp_path_factory.mktemp("baselines")
    return {name: str(model.save_pretrained(root / name)) for name, model in models.items()}


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Result]:
    """Run a command in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    runner = CliRunner()
    return lambda *words: runner.invoke(app, list(words))


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def same(a: Image, b: Image) -> bool:
    return torch.equal(a.pixels, b.pixels)


def close(a: Image, b: Image) -> bool:
    return torch.allclose(a.pixels, b.pixels, atol=1e-4)


@pytest.mark.parametrize("family", ["vae", "biggan", "stylegan"])
def test_a_sample_is_that_of_its_seed(models: dict[str, Baseline], family: str) -> None:
    model = models[family]
    sheet = lab.samples(model, ["bell", "red"], count=5, seed=7, truncation=0.8, columns=3)
    assert [len(row) for row in sheet.rows] == [3, 2]
    assert same(sheet.rows[1][0], model.sample(1, ["bell", "red"], 0.8, seeded(10)).images[0])
    swept = lab.truncation_sweep(model, "bell", [0.4, 0.8], count=2, seed=7)
    assert swept.row_names == ("0.4", "0.8")
    assert same(swept.rows[0][1], model.sample(1, "bell", 0.4, seeded(8)).images[0])
    assert not same(swept.rows[0][1], swept.rows[1][1])


@pytest.mark.parametrize(("family", "space"), [("vae", "z"), ("biggan", "z"), ("stylegan", "z"), ("stylegan", "w")])
@pytest.mark.parametrize("way", ["linear", "spherical"])
def test_a_way_leads_from_one_sample_to_the_other(
    models: dict[str, Baseline], family: str, space: str, way: Any
) -> None:
    model = models[family]
    sheet = lab.interpolation(
        model, ["bell", "red"], ["boat", "red"], seeds=(1, 2), steps=3, space=space, way=way, truncation=0.8
    )
    (row,) = sheet.rows
    assert close(row[0], model.sample(1, ["bell", "red"], 0.8, seeded(1)).images[0])
    assert close(row[2], model.sample(1, ["boat", "red"], 0.8, seeded(2)).images[0])
    assert not close(row[1], row[0]) and not close(row[1], row[2])


def test_a_walk_is_closed_and_passes_its_seeds(models: dict[str, Baseline]) -> None:
    images = lab.latent_walk(models["stylegan"], "bell", seeds=[1, 2, 3], steps=2, space="w")
    assert len(images) == 6
    assert close(images[2], models["stylegan"].sample(1, "bell", generator=seeded(2)).images[0])


def test_mixed_styles_are_a_rows_and_a_columns(models: dict[str, Baseline]) -> None:
    model = models["stylegan"]
    none, every = (lab.style_mixing(model, "bell", rows=[1, 2], columns=[3, 4, 5], crossover=n) for n in (0, 6))
    assert [len(row) for row in none.rows] == [4, 4, 4]
    assert same(none.rows[1][2], none.rows[0][2])  # only the fine styles
    assert same(every.rows[1][2], every.rows[1][0])  # only the coarse ones
    with pytest.raises(StudioError, match="A VAE cannot mix styles; choose a StyleGAN2"):
        lab.style_mixing(models["vae"], None, rows=[1], columns=[2], crossover=1)


def test_what_is_written_on_the_sheets_of_the_page_is_of_no_language(models: dict[str, Baseline]) -> None:
    given = Image(torch.rand(3, 16, 16, generator=seeded(0)))
    mixed = lab.style_mixing(models["stylegan"], None, rows=[1], columns=[3, 4], crossover=2)
    assert (mixed.row_names, mixed.column_names) == (("", "1"), ("", "3", "4"))
    morphed = lab.morph(models["vae"], given, given, steps=2)
    assert morphed.column_names == ("A", "0.00", "1.00", "B")


def test_the_latents_that_tell_most_are_turned_first(models: dict[str, Baseline]) -> None:
    model = models["vae"]
    assert isinstance(model, VAE)
    sheet = lab.traversal(model, dimensions=2, steps=3, reach=2.0, seed=4, label=["bell", "red"])
    assert sheet.row_names == ("z1 (3.00 nat)", "z3 (2.00 nat)") and sheet.column_names == ("-2.0", "+0.0", "+2.0")
    latents = model.draw_latents(seeded(4))
    latents[0, 3] = 2.0
    assert same(sheet.rows[1][2], model.decode(latents, ["bell", "red"])[0])
    with pytest.raises(ValueError, match="dimensions 0 to 3"):
        lab.traversal(model, dimensions=[4])


def test_given_pictures_come_back_and_turn_into_each_other(models: dict[str, Baseline], tmp_path: Path) -> None:
    paths = [write_media(tmp_path / f"{n}.png", Image(torch.rand(3, 20, 30, generator=seeded(n)))) for n in (1, 2)]
    first, second = (lab.picture_for(models["vae"], path) for path in paths)
    assert first.pixels.shape == (3, 16, 16)
    vae = models["vae"]
    assert isinstance(vae, VAE)
    sheet = lab.reconstruction(vae, [first, second])
    assert same(sheet.rows[1][1], vae.reconstruct([second])[0])
    (row,) = lab.morph(vae, first, second, steps=3).rows
    assert same(row[0], first) and same(row[-1], second)
    assert close(row[1], vae.reconstruct([first])[0]) and close(row[3], vae.reconstruct([second])[0])
    steps: list[int] = []
    (row,) = lab.morph(
        models["stylegan"], first, second, steps=2, projection_steps=3, told=lambda step: steps.append(step.step)
    ).rows
    assert len(row) == 4 and steps == [1, 2, 3, 1, 2, 3]
    with pytest.raises(StudioError, match="A BigGAN cannot morph given pictures"):
        lab.morph(models["biggan"], first, second, steps=2)


@pytest.mark.parametrize("family", ["vae", "stylegan"])
def test_a_given_picture_is_a_point_to_walk_from(models: dict[str, Baseline], family: str) -> None:
    model = models[family]
    given = Image(torch.rand(3, 16, 16, generator=seeded(0)))
    steps: list[int] = []
    start = lab.point_of(
        model, given, ["bell", "red"], projection_steps=3, seed=1, told=lambda step: steps.append(step.step)
    )
    assert steps == ([1, 2, 3] if family == "stylegan" else [])
    sheet = lab.nearby(model, given, start, ["bell", "red"], shares=[0, 0.2, 1], count=2, seed=7, truncation=0.8)
    shown, still, near, far = sheet.rows
    assert same(shown[0], given) and len(shown) == 2
    assert all(close(image, shown[1]) for image in still)  # where the model finds the picture
    drawn = [model.sample(1, ["bell", "red"], 0.8, seeded(seed)).images[0] for seed in (7, 8)]
    assert all(close(image, sample) for image, sample in zip(far, drawn, strict=True))
    way = [float((image.pixels - shown[1].pixels).square().mean()) for image in (near[0], far[0])]
    assert 0 < way[0] < way[1]
    walk = lab.latent_walk(model, ["bell", "red"], seeds=[7, 8], steps=2, truncation=0.8, start=start)
    assert len(walk) == 6 and close(walk[0], shown[1]) and close(walk[2], drawn[0]) and close(walk[4], drawn[1])
    with pytest.raises(ValueError, match="from 0 to 1"):
        lab.nearby(model, given, start, shares=[1.5])


def test_a_model_need_not_be_told_what_a_given_picture_shows(models: dict[str, Baseline]) -> None:
    vae, given = models["vae"], Image(torch.rand(3, 16, 16, generator=seeded(0)))
    assert isinstance(vae, VAE)
    sheet = lab.nearby(vae, given, lab.point_of(vae, given), shares=[0.5], count=1)
    assert close(sheet.rows[0][1], vae.reconstruct([given])[0])
    with pytest.raises(StudioError, match="A BigGAN cannot tell where a given picture lies"):
        lab.point_of(models["biggan"], given)


def test_a_sheet_shows_each_picture_enlarged_in_its_place_and_a_film_each_in_turn() -> None:
    images = [Image(torch.full((3, 16, 16), value)) for value in (0.2, 0.4, 0.6)]
    page = lay_out(lab.Sheet((tuple(images[:2]), (images[2],)), ("one", "two"), ("a", "b"))).to_uint8()
    for value in (51, 102, 153):
        assert (page == value).all(axis=2).sum() == CELL * CELL
    moving = film(images, 4.0)
    assert moving.frames.shape == (3, 3, FILM, FILM) and moving.rate == 4.0


def facts(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(read_metadata(path)["studio lab"])
    return found


def test_commands_write_files_that_say_how_they_were_made(
    run: Callable[..., Result], folders: dict[str, str], tmp_path: Path
) -> None:
    given = str(write_media(tmp_path / "given.png", Image(torch.rand(3, 16, 16, generator=seeded(0)))))
    for words in (
        ("sample", folders["biggan"], "--label", "bell", "--count", "2", "--seed", "3"),
        ("sweep", folders["stylegan"], "--count", "2", "--truncation", "0.5", "--seed", "3"),
        ("interpolate", folders["vae"], "--label", "bell", "--to-label", "boat", "--steps", "3"),
        ("mix", folders["stylegan"], "--rows", "1", "--columns", "2", "--crossover", "2", "--seed", "3"),
        ("traverse", folders["vae"], "--count", "2", "--steps", "3", "--image", given),
        ("reconstruct", folders["vae"], given, given),
        ("morph", folders["stylegan"], given, given, "--steps", "2", "--projection-steps", "2"),
        ("nearby", folders["stylegan"], given, "--share", "0.1", "--count", "2", "--projection-steps", "2"),
    ):
        path = tmp_path / f"{words[0]}.png"
        shown = run("lab", *words, "--output", str(path))
        assert shown.exit_code == 0, shown.output
        assert facts(path)["command"] == words[0]
        assert read_image(path).pixels.shape[1] >= CELL
    for words in (
        ("walk", folders["stylegan"], "--seed", "1", "--seed", "2", "--steps", "2", "--space", "w"),
        ("morph", folders["vae"], given, given, "--steps", "3", "--film"),
        ("walk", folders["vae"], "--from", given, "--seed", "1", "--steps", "4"),
    ):
        path = tmp_path / f"{words[0]}.mp4"
        assert run("lab", *words, "--output", str(path)).exit_code == 0
        assert len(read_video(path).frames) == {"--seed": 4, "--from": 8}.get(words[2], 3)
    refused = run("lab", "sample", folders["vae"], "--label", "bel")
    assert refused.exit_code == 1 and "did you mean 'bell'" in refused.stderr


def test_a_picture_of_the_library_is_a_point_to_walk_from(
    run: Callable[..., Result], folders: dict[str, str], tmp_path: Path, home: Path
) -> None:
    library = Library(Store(home))
    stored, _ = library.media.add(Image(torch.rand(3, 16, 16, generator=seeded(0))))
    sound, _ = library.media.add(Audio.from_numpy(np.sin(np.arange(4000) / 9).astype(np.float32), 8000))
    library.texts.add(stored.id, "name", "bell", source="file")
    found = run("search", "bell", "--by", "words", "--nearby", folders["vae"])
    assert found.exit_code == 0, found.output
    path = tmp_path / "outputs" / "lab" / "nearby.png"
    place = f"like:{stored.id[:12]}"
    assert "nearby.png" in found.stdout and f"studio lab walk {folders['vae']} --from {place}" in found.stderr
    assert facts(path)["picture"] == place and facts(path)["shares"] == list(lab.SHARES)
    for words in (("nearby", folders["vae"], place), ("traverse", folders["vae"], "--image", place)):
        assert run("lab", *words, "--output", str(path)).exit_code == 0
        assert facts(path)["command"] == words[0]
    told = json.loads(run("search", "bell", "--by", "words", "--nearby", folders["vae"], "--json").stdout)
    assert [match["item"]["id"] for match in told["matches"]] == [stored.id]
    assert "is of the kind audio" in run("lab", "nearby", folders["vae"], f"like:{sound.id}").stderr
    nothing = run("search", "zebra", "--by", "words", "--nearby", folders["vae"])
    assert nothing.exit_code == 1 and "No picture was found that could be walked from" in nothing.stderr


def test_one_request_goes_through_every_family_that_can_answer(
    run: Callable[..., Result], folders: dict[str, str], tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    preset = parts.save_model(tmp_path_factory.mktemp("preset"))
    path = tmp_path / "compare.png"
    models = [word for folder in folders.values() for word in ("--model", folder)]
    words = ("lab", "compare", *models, "--seed", "5", "--output", str(path), "--json", "--preset", str(preset))
    told = json.loads(run(*words, "--prompt", "a red bell at night").stdout)
    rows = {row["family"]: row for row in told["families"]}
    assert set(rows) == {"vae", "biggan", "stylegan", f"{preset}, diffusion"}
    assert all(row["seconds"] > 0 and row["parameters"] > 0 and not row["refusal"] for row in rows.values())
    assert facts(path)["families"][0]["seed"] == 5
    told = json.loads(run(*words, "--prompt", "a red zeppelin").stdout)
    refused = {row["family"]: row["refusal"] for row in told["families"]}
    assert "names nothing that this model knows" in refused["vae"] and not refused[f"{preset}, diffusion"]
    nobody = run("lab", "compare", *models, "--preset", "none", "--prompt", "a zeppelin", "--output", str(path))
    assert nobody.exit_code == 1 and "cannot answer" in nobody.stdout

"""The evaluation: the same requests for all families, one table, real renders as the judge's own accuracy."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from encoders.media import Image
from pipelines.baselines.contestants import BaselineContestant, Request
from pipelines.baselines.stylegan2 import StyleGAN2
from pipelines.baselines.stylegan2_config import StyleGAN2Config
from pipelines.baselines.stylegan2_model import StyleGAN2Network
from pipelines.baselines.vae import VAE
from pipelines.baselines.vae_config import VAEConfig
from pipelines.baselines.vae_model import VAENetwork
from training.baselines.evaluate import EvaluateOptions, evaluate, main
from training.baselines.pictures import WORLD_GROUPS, WORLD_LABELS
from training.baselines.scoring import draw_scenes, drawn, gigaflops, judged, renders, request_of
from training.world.scene import Scene, Thing

CLASSES: dict[str, Any] = {"num_classes": 26, "class_groups": WORLD_GROUPS, "labels": WORLD_LABELS}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("models")
    vae = VAE(VAENetwork(VAEConfig((8, 8), z_dim=4, **CLASSES)))
    stylegan = StyleGAN2(
        StyleGAN2Network(StyleGAN2Config((8, 8, 8), z_dim=8, w_dim=8, num_mapping_layers=1, **CLASSES))
    )
    return [vae.save_pretrained(folder / "vae"), stylegan.save_pretrained(folder / "stylegan")]


def test_one_table_over_families_and_real_renders(models: list[Path], tmp_path: Path) -> None:
    options = EvaluateOptions(
        tuple(map(str, models)), tmp_path / "out" / "report", None, samples=12, unseen=4, reconstructions=3, projections=1,
        projection_steps=2, truncations=(1.0, 0.5),
    )  # fmt: skip
    report = evaluate(options)
    assert [row.name for row in report.rows] == [
        "real renders", "vae (VAE)", "vae (VAE), truncation 0.5", "stylegan (StyleGAN2)",
        "stylegan (StyleGAN2), truncation 0.5",
    ]  # fmt: skip
    real, vae, nearer, *_ = report.rows
    assert nearer.diversity != vae.diversity  # how they differ depends on the features, in so small a model
    assert report.size == 16
    assert real.frechet < vae.frechet and real.parameters is None
    assert real.coverage > vae.coverage
    assert vae.parameters is not None and vae.gigaflops is not None and vae.gigaflops > 0
    assert [each["what"] for each in report.again] == ["reconstruction", "projection into W"]
    saved = json.loads((tmp_path / "out" / "report.json").read_text())
    assert saved["rows"][1]["name"] == "vae (VAE)" and "ImageBind" in saved["features"]
    table = (tmp_path / "out" / "report.md").read_text()
    assert table.count("|") > 70 and "no CLIP" in table
    again = evaluate(options)
    assert [row.frechet for row in again.rows] == [row.frechet for row in report.rows]  # but for the seconds


def test_the_judge_reads_real_renders_rightly_and_noise_not() -> None:
    scenes = draw_scenes(12, "train", 0)
    assert judged(renders(scenes, 0, 64), scenes)["every"] >= 11 / 12
    noise = [Image(torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(n))) for n in range(12)]
    assert judged(noise, scenes)["every"] <= 1 / 12


def test_a_request_says_the_same_in_words_and_classes() -> None:
    scene = Scene((Thing("bell", "orange", "big"),), "night")
    assert request_of(scene) == Request("an orange bell at night", ("bell", "orange", "night"))


def test_operations_are_counted_twice_a_multiplication(models: list[Path]) -> None:
    contestant = BaselineContestant("vae", VAE.from_pretrained(models[0]))
    # 30 numbers to 8 channels of 4x4; at 4, then at 8: two 3x3 convolutions in a block, one at twice the size; colours.
    macs = 30 * 128 + 576 * (2 * 16 + 64) + 576 * (2 * 64 + 256) + 216 * 256
    assert gigaflops(contestant, draw_scenes(1, "train", 0)[0]) == pytest.approx(2 * macs / 1e9)


def test_pictures_of_other_sizes_are_made_alike(models: list[Path]) -> None:
    contestant = BaselineContestant("vae", VAE.from_pretrained(models[0]))
    ((picture, _),) = drawn(contestant, draw_scenes(1, "train", 0), 8, 0)
    (whole,) = contestant.baseline.sample(
        1, list(request_of(draw_scenes(1, "train", 0)[0]).classes), generator=torch.Generator().manual_seed(0)
    ).images
    boxes = whole.to_uint8().reshape(8, 2, 8, 2, 3).astype(float).mean(axis=(1, 3))
    assert np.abs(picture.to_uint8() - boxes).max() <= 1


def test_wrong_options_end_with_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, message in (
        (["--samples", "2"], "--samples is at least 10"),
        (["--model", str(tmp_path), "--preset", "none"], "config.json"),
    ):
        with pytest.raises(SystemExit):
            main([*arguments, "--output", str(tmp_path / "report")])
        assert message in capsys.readouterr().err

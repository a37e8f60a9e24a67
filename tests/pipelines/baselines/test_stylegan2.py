"""StyleGAN2: released sizes, training, truncation, noise, mixing, projection, and folders."""

from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
import torch

from encoders.media import Image
from pipelines.baselines.registry import load_baseline
from pipelines.baselines.stylegan2 import StyleGAN2
from pipelines.baselines.stylegan2_config import StyleGAN2Config
from pipelines.baselines.stylegan2_model import StyleGAN2Network, noise_of
from pipelines.baselines.stylegan2_projection import ProjectionOptions

TINY = StyleGAN2Config((8, 6, 4), z_dim=10, w_dim=12, num_mapping_layers=2)
CLASSES = replace(TINY, num_classes=3, labels=("bell", "boat", "kite"), image_channels=1, embed_dim=7, mapping_dim=9)


def built(config: StyleGAN2Config) -> StyleGAN2Network:
    torch.manual_seed(0)
    network = StyleGAN2Network(config)
    for name, parameter in network.named_parameters():
        if name.endswith("noise_strength"):
            torch.nn.init.constant_(parameter, 0.1)
    network.mapping.w_avg.copy_(torch.randn(config.w_dim))
    return network


@pytest.fixture(scope="module")
def stylegan() -> StyleGAN2:
    return StyleGAN2(built(TINY))


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def same(a: Image, b: Image) -> bool:
    return torch.equal(a.pixels, b.pixels)


@pytest.mark.parametrize(
    ("resolution", "channel_base", "num_mapping_layers", "parameters"),
    # The generator of FFHQ at 1024 (config F) is known to have 30.37 million, those at 256 24.77 and, with a mapping of
    # two layers, 23.19.
    [(1024, 32768, 8, 30_370_060), (256, 16384, 8, 24_767_458), (256, 16384, 2, 23_191_522)],
)
def test_released_sizes_have_the_released_numbers_of_parameters(
    resolution: int, channel_base: int, num_mapping_layers: int, parameters: int
) -> None:
    config = StyleGAN2Config.released(resolution, channel_base=channel_base, num_mapping_layers=num_mapping_layers)
    with torch.device("meta"):
        network = StyleGAN2Network(config)
    assert config.image_size == resolution
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters


def test_every_parameter_learns() -> None:
    network = built(CLASSES).train()
    images = network(torch.randn(4, 10), torch.eye(3)[[0, 1, 2, 0]], noise_of("random", 4, seeded(0)))
    assert images.shape == (4, 1, 16, 16)
    images.square().mean().backward()
    assert not [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]


def test_the_average_style_follows_training_by_its_decay() -> None:
    mapping = built(TINY).mapping
    before, styles = mapping.w_avg.clone(), torch.randn(6, 12)
    mapping.track_average(styles, decay=0.9)
    torch.testing.assert_close(mapping.w_avg, 0.9 * before + 0.1 * styles.mean(dim=0))


def test_the_same_seed_gives_the_same_bytes_however_many_are_made(stylegan: StyleGAN2) -> None:
    for mode in ("const", "random", "none"):
        three = stylegan.sample(3, truncation=0.7, generator=seeded(5), noise_mode=mode).images
        one = stylegan.sample(1, truncation=0.7, generator=seeded(5), noise_mode=mode).images
        each = stylegan.sample(2, truncation=0.7, generator=[seeded(9), seeded(5)], noise_mode=mode).images
        assert same(three[0], one[0]) and same(each[1], one[0])
        assert not same(three[0], three[1])


def test_noise_modes_differ_and_only_random_noise_changes_with_its_seed(stylegan: StyleGAN2) -> None:
    ws = stylegan.styles(1, generator=seeded(1))[0]
    made = {mode: stylegan.synthesise(ws, noise_mode=mode, generator=seeded(1)) for mode in ("const", "random", "none")}
    assert not same(made["const"], made["none"]) and not same(made["random"], made["none"])
    for mode, is_same in (("const", True), ("none", True), ("random", False)):
        assert same(made[mode], stylegan.synthesise(ws, noise_mode=mode, generator=seeded(2))) is is_same


def test_truncation_moves_styles_to_their_average(stylegan: StyleGAN2) -> None:
    average = stylegan.network.mapping.w_avg
    whole, half, none = (stylegan.styles(2, truncation=psi, generator=seeded(3)) for psi in (1.0, 0.5, 0.0))
    torch.testing.assert_close(half, (whole + average) / 2)
    torch.testing.assert_close(none, average.expand_as(none))
    some = stylegan.styles(2, truncation=0.5, generator=seeded(3), truncation_cutoff=2)
    torch.testing.assert_close(some[:, :2], half[:, :2])
    assert torch.equal(some[:, 2:], whole[:, 2:])


def test_truncation_keeps_the_class_asked_for_unless_the_average_of_all_is_wanted() -> None:
    stylegan = StyleGAN2(built(CLASSES))
    mapping = stylegan.network.mapping
    boat = torch.eye(3)[1:2]
    centre = mapping.class_average(torch.randn(20_000, 10, generator=seeded(7)), boat)
    whole, half, none = (stylegan.styles(2, "boat", psi, seeded(3)) for psi in (1.0, 0.5, 0.0))
    torch.testing.assert_close(none, centre.expand_as(none), atol=0.05, rtol=0)
    torch.testing.assert_close(half, (whole + none) / 2)
    assert torch.equal(none[0], none[1]) and torch.equal(none, stylegan.styles(2, "boat", 0.0, seeded(4)))
    others = [stylegan.styles(1, name, 0.0, seeded(3)) for name in ("bell", "kite", ("bell", "kite"))]
    assert all(not torch.equal(none[:1], other) for other in others)
    of_all = stylegan.styles(2, "boat", 0.0, seeded(3), average="all")
    assert torch.equal(of_all, mapping.w_avg.expand_as(of_all))


def test_mixing_takes_coarse_styles_of_one_and_fine_ones_of_the_other(stylegan: StyleGAN2) -> None:
    first, second = stylegan.styles(2, generator=seeded(4))
    assert torch.equal(stylegan.mix(first, second, 0), second)
    assert torch.equal(stylegan.mix(first, second, 6), first)
    mixed = stylegan.mix(first, second, 2)
    assert torch.equal(mixed[:2], first[:2]) and torch.equal(mixed[2:], second[2:])
    images = [stylegan.synthesise(ws) for ws in (first, second, mixed)]
    assert not same(images[2], images[0]) and not same(images[2], images[1])
    with pytest.raises(ValueError, match="crossover is from 0 to the 6 styles"):
        stylegan.mix(first, second, 7)


def test_samples_are_images_of_their_styles(stylegan: StyleGAN2) -> None:
    z = torch.randn(2, 10)
    images = stylegan.sample(2, truncation=0.8, latents=z).images
    ws = stylegan.styles(2, truncation=0.8, latents=z)
    assert all(same(image, stylegan.synthesise(row)) for image, row in zip(images, ws, strict=True))
    assert stylegan.sample(1, output_type="pil", generator=seeded(0)).images[0].size == (16, 16)


def test_classes_are_asked_for_by_name_and_one_channel_becomes_grey() -> None:
    stylegan = StyleGAN2(built(CLASSES))
    bell, kite = (stylegan.sample(1, name, generator=seeded(0)).images[0] for name in ("bell", "kite"))
    assert not same(bell, kite)
    assert torch.equal(bell.pixels[0], bell.pixels[2])
    with pytest.raises(ValueError, match="did you mean 'boat'"):
        stylegan.sample(1, "bot")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"label": "bell"}, "trained without classes, so it cannot be asked for 'bell'"),
        ({"truncation": 2.5}, "truncation is from -2 to 2, not 2.5"),
        ({"truncation": float("nan")}, "truncation is from -2 to 2, not nan"),
        ({"truncation_cutoff": 7}, "truncation_cutoff is from 0 to 6 styles, not 7"),
        ({"average": "some"}, "average is 'class' or 'all', not 'some'"),
        ({"noise_mode": "some"}, "noise_mode is one of const, random, none, not 'some'"),
        ({"latents": torch.zeros(1, 9)}, r"\(1, 10\), not \(1, 9\)"),
        ({"count": -1}, "count is at least 1"),
    ],
)
def test_what_cannot_be_sampled_is_named(stylegan: StyleGAN2, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        stylegan.sample(**arguments)


@pytest.mark.parametrize("config", [TINY, replace(CLASSES, conv_clamp=0.5, resample_filter=(1, 2, 3))])
def test_a_saved_folder_gives_the_same_images(config: StyleGAN2Config, tmp_path: Path) -> None:
    stylegan = StyleGAN2(built(config))
    again = StyleGAN2.from_pretrained(stylegan.save_pretrained(tmp_path))
    assert again.config == config
    wanted = stylegan.sample(1, truncation=0.7, generator=seeded(1)).images[0]
    assert same(wanted, again.sample(1, truncation=0.7, generator=seeded(1)).images[0])
    assert same(wanted, load_baseline(tmp_path).sample(1, truncation=0.7, generator=seeded(1)).images[0])


def test_projection_comes_nearer_and_its_last_styles_give_its_last_image(stylegan: StyleGAN2) -> None:
    target = stylegan.synthesise(stylegan.styles(1, generator=seeded(11))[0])
    options = ProjectionOptions(num_steps=40, learning_rate=0.1)
    steps = list(stylegan.project(target, options=options, generator=seeded(0)))
    assert [step.step for step in steps] == list(range(1, 41))
    assert steps[-1].distance < 0.1 * steps[0].distance
    assert torch.equal(steps[-1].ws[0], steps[-1].ws[5])
    assert same(steps[-1].image, stylegan.synthesise(steps[-1].ws))
    again = list(islice(stylegan.project(target, options=options, generator=seeded(0)), 3))
    assert torch.equal(again[-1].ws, steps[2].ws)


def test_projection_with_a_style_for_each_layer_and_features_of_ones_own(stylegan: StyleGAN2) -> None:
    target = stylegan.synthesise(stylegan.styles(1, generator=seeded(11))[0])
    seen = []

    def halves(image: torch.Tensor) -> torch.Tensor:
        seen.append(image.shape)
        return torch.nn.functional.avg_pool2d(image, 8)

    options = ProjectionOptions(num_steps=12, learning_rate=0.05, space="w+")
    first, *_, last = stylegan.project(target, options=options, features=halves, generator=seeded(0))
    assert last.distance < first.distance
    assert not torch.equal(last.ws[0], last.ws[5])
    assert len(seen) == 13 and set(seen) == {(1, 3, 16, 16)}  # the target's features are made once


def test_a_projection_can_be_left_and_leaves_the_model_as_it_was(stylegan: StyleGAN2) -> None:
    before = {name: value.clone() for name, value in stylegan.network.state_dict().items()}
    target = stylegan.sample(1, generator=seeded(3)).images[0]
    assert len(list(islice(stylegan.project(target, generator=seeded(0)), 2))) == 2
    assert all(torch.equal(value, before[name]) for name, value in stylegan.network.state_dict().items())
    assert torch.is_grad_enabled()
    assert not any(parameter.requires_grad for parameter in stylegan.network.parameters())


def test_what_cannot_be_projected_is_named(stylegan: StyleGAN2) -> None:
    with pytest.raises(ValueError, match="makes 16x16 images; resize the one of 20x10 first"):
        stylegan.project(Image(torch.zeros(3, 10, 20)))
    with pytest.raises(ValueError, match="num_steps is at least 1"):
        ProjectionOptions(num_steps=0)
    with pytest.raises(ValueError, match=r"space is 'w' or 'w\+'"):
        ProjectionOptions(space="z")
    with pytest.raises(ValueError, match=r"have the shape \(6, 12\), not \(5, 12\)"):
        stylegan.synthesise(torch.zeros(5, 12))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"channels": ()}, "a number above 0 for each size"),
        ({"image_channels": 0}, "at least one channel, not 0"),
        ({"num_mapping_layers": 0}, "at least one layer"),
        ({"resample_filter": (1.0,)}, "two values or more"),
    ],
)
def test_impossible_sizes_are_named(changed: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(TINY, **changed)
    with pytest.raises(ValueError, match="images of 4 channels; a picture has 1 or 3"):
        StyleGAN2(built(replace(TINY, image_channels=4)))
    with pytest.raises(ValueError, match=r"4, 8, 16\.\.\. pixels high, not 48"):
        StyleGAN2Config.released(48)

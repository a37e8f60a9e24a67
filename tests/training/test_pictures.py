"""Facts about the rendered pictures and videos of the world."""

import itertools
import xml.etree.ElementTree as ElementTree

import numpy as np
import numpy.typing as npt
import pytest

from training.world import pictures
from training.world.pictures import (
    COLOUR_RGB,
    ICONS,
    NUM_VARIANTS,
    SIZES_PX,
    render_background,
    render_image,
    render_video,
)
from training.world.scene import BACKGROUNDS, COLOURS, SIZES, THINGS, Motion, Relation, Scene, Thing

SEEDS = range(12)


def one(name: str = "bell", colour: str = "red", background: str = "sky", size: str | None = "big") -> Scene:
    return Scene((Thing(name, colour, size),), background)


def pair(relation: Relation, background: str = "sky") -> Scene:
    return Scene((Thing("frog", "red"), Thing("house", "blue")), background, relation=relation)


def moving(motion: Motion, name: str = "house", background: str = "meadow") -> Scene:
    return Scene((Thing(name, "red"),), background, motion=motion)


def mask_of(colour: str, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Where a colour's own body tone stands: (..., size, size)."""
    return np.asarray(np.abs(pixels.astype(int) - COLOUR_RGB[colour]).sum(-1) < 60)


def centroid(mask: npt.NDArray[np.bool_]) -> tuple[float, float]:
    rows, columns = mask.nonzero()
    return float(columns.mean()), float(rows.mean())


def tracks(frames: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The red centroid's x and y in every frame."""
    points = np.array([centroid(mask_of("red", frame)) for frame in frames])
    return points[:, 0], points[:, 1]


def test_every_thing_has_exactly_one_icon() -> None:
    assert {path.stem for path in ICONS.glob("*.svg")} == set(THINGS)


@pytest.mark.parametrize("name", THINGS)
def test_an_icon_holds_only_its_colour_slot_and_neutral_colours(name: str) -> None:
    root = ElementTree.parse(ICONS / f"{name}.svg").getroot()
    used = {element.get(key) for element in root.iter() for key in ("fill", "stroke")} - {None, "none"}
    assert "#ff00ff" in used
    assert used <= {"#ff00ff", "#cc00cc", "#2b2b33", "#8a8a96", "#e8f0f6", "#ffffff"}


@pytest.mark.parametrize("name", THINGS)
def test_an_icon_is_mostly_of_its_colour(name: str) -> None:
    icon = pictures.sprite(name, COLOUR_RGB["red"], 128)
    opaque = icon.through[:, :, 0] < 128
    red = opaque & (icon.colour[:, :, 0] > 150) & (icon.colour[:, :, 1] < 90)
    assert red.sum() / opaque.sum() > 0.45


@pytest.mark.parametrize("name", THINGS)
def test_a_spin_never_shows_the_same_view_twice(name: str) -> None:
    still = pictures.background("sky", 0)
    views = list(render_video(moving(Motion.SPIN, name, "sky"), 0).astype(int))
    thing_area = int((np.abs(views[0] - still).sum(-1) > 30).sum())
    for first, second in itertools.combinations(views, 2):
        assert (np.abs(first - second).sum(-1) > 60).sum() > 0.1 * thing_area


def test_silhouettes_differ_even_when_small() -> None:
    shapes = {}
    for name in THINGS:
        canvas = np.zeros((64, 64), dtype=bool)
        icon = pictures.sprite(name, COLOUR_RGB["red"], 24)
        top, left = 32 + icon.top, 32 + icon.left
        height, width = icon.through.shape[:2]
        canvas[top : top + height, left : left + width] = icon.through[:, :, 0] < 128
        shapes[name] = canvas
    for first, second in itertools.combinations(shapes.values(), 2):
        assert (first & second).sum() / (first | second).sum() < 0.85


def test_every_colour_has_a_value_far_from_the_others() -> None:
    assert set(COLOUR_RGB) == set(COLOURS)
    for first, second in itertools.combinations(COLOUR_RGB.values(), 2):
        assert np.linalg.norm(np.subtract(first, second)) > 75


@pytest.mark.parametrize("background", BACKGROUNDS)
@pytest.mark.parametrize("colour", COLOURS)
def test_every_colour_stands_out_on_every_background(colour: str, background: str) -> None:
    for variant in range(NUM_VARIANTS):
        empty = pictures.background(background, variant).astype(int)
        assert np.abs(empty - COLOUR_RGB[colour]).sum(-1).min() > 75


def test_backgrounds_differ_in_their_mean_colour() -> None:
    means = [pictures.background(name, 0).mean((0, 1)) for name in BACKGROUNDS]
    for first, second in itertools.combinations(means, 2):
        assert np.linalg.norm(first - second) > 25


@pytest.mark.parametrize("name", BACKGROUNDS)
def test_background_variants_all_differ(name: str) -> None:
    assert len({pictures.background(name, variant).tobytes() for variant in range(NUM_VARIANTS)}) == NUM_VARIANTS


def test_an_image_is_a_pure_function_of_scene_and_seed() -> None:
    before = [render_image(pair(Relation.ABOVE), seed) for seed in SEEDS]
    pictures.sprite.cache_clear()
    pictures.background.cache_clear()
    for seed, image in zip(SEEDS, before, strict=True):
        np.testing.assert_array_equal(render_image(pair(Relation.ABOVE), seed), image)


def test_changing_a_returned_image_does_not_change_the_next() -> None:
    image = render_image(one(), 3)
    kept = image.copy()
    image[:] = 0
    np.testing.assert_array_equal(render_image(one(), 3), kept)


def test_different_seeds_give_different_images_and_videos() -> None:
    assert len({render_image(one(), seed).tobytes() for seed in SEEDS}) == len(SEEDS)
    assert len({render_video(moving(Motion.LEFT), seed).tobytes() for seed in SEEDS}) == len(SEEDS)


def test_all_single_scenes_look_different_at_one_seed() -> None:
    scenes = [one(*choice) for choice in itertools.product(THINGS, COLOURS, BACKGROUNDS, SIZES)]
    assert len({render_image(scene, 0).tobytes() for scene in scenes}) == len(scenes)


@pytest.mark.parametrize("size", [16, 64, 96])
def test_arrays_have_the_size_asked_for(size: int) -> None:
    image = render_image(pair(Relation.BELOW), 0, size)
    frames = render_video(moving(Motion.GROW), 0, num_frames=5, size=size)
    assert image.shape == (size, size, 3)
    assert frames.shape == (5, size, size, 3)
    assert image.dtype == frames.dtype == np.uint8


def test_a_larger_size_shows_the_same_picture() -> None:
    small, large = render_image(one(), 5), render_image(one(), 5, size=128)
    centre, large_centre = centroid(mask_of("red", small)), centroid(mask_of("red", large))
    np.testing.assert_allclose(np.array(large_centre) / 2, centre, atol=1)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", THINGS)
def test_a_thing_has_the_size_of_its_name_and_stays_inside(name: str, size: str) -> None:
    icon = pictures.sprite(name, COLOUR_RGB["red"], SIZES_PX[size])
    assert 0.85 * SIZES_PX[size] <= max(icon.through.shape[:2]) <= 1.05 * SIZES_PX[size]
    reach = pictures.ONE_JITTER_PX
    for edge in (icon.top, icon.left, -icon.top - icon.through.shape[0], -icon.left - icon.through.shape[1]):
        assert edge - reach >= -32


def test_a_scene_without_a_size_shows_both_sizes_over_seeds() -> None:
    areas = [int(mask_of("red", render_image(one(size=None), seed)).sum()) for seed in SEEDS]
    assert max(areas) > 2 * min(areas)


def test_single_things_stand_near_the_centre() -> None:
    for seed in SEEDS:
        x, y = centroid(mask_of("red", render_image(one("frog"), seed)))
        assert abs(x - 32) < 7 and abs(y - 32) < 9


@pytest.mark.parametrize("background", BACKGROUNDS)
@pytest.mark.parametrize("relation", list(Relation))
def test_a_pair_stands_as_its_relation_says(relation: Relation, background: str) -> None:
    for seed in SEEDS:
        image = render_image(pair(relation, background), seed)
        (x, y), (other_x, other_y) = centroid(mask_of("red", image)), centroid(mask_of("blue", image))
        across, down = x - other_x, y - other_y
        expected = {
            Relation.LEFT_OF: across < -24,
            Relation.RIGHT_OF: across > 24,
            Relation.ABOVE: down < -24,
            Relation.BELOW: down > 24,
        }
        assert expected[relation]
        assert min(abs(across), abs(down)) < 8


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(
    ("motion", "axis", "sign"),
    [(Motion.LEFT, 0, -1), (Motion.RIGHT, 0, 1), (Motion.UP, 1, -1), (Motion.DOWN, 1, 1)],
)
def test_a_travelling_thing_crosses_the_centre_in_its_direction(
    motion: Motion, axis: int, sign: int, seed: int
) -> None:
    points = tracks(render_video(moving(motion), seed))
    along, aside = points[axis], points[1 - axis]
    assert (np.diff(along) * sign > 2).all()
    assert (along[-1] - along[0]) * sign == pytest.approx(pictures.TRAVEL_PX, abs=2)
    np.testing.assert_allclose((along.min(), along.max()), (19, 45), atol=7)
    assert np.ptp(aside) < 1


@pytest.mark.parametrize(("motion", "sign"), [(Motion.GROW, 1), (Motion.SHRINK, -1)])
def test_a_growing_thing_only_changes_in_size(motion: Motion, sign: int) -> None:
    frames = render_video(moving(motion), 0)
    areas = mask_of("red", frames).sum((1, 2))
    assert (np.diff(areas) * sign > 0).all()
    x, y = tracks(frames)
    assert np.ptp(x) < 3 and np.ptp(y) < 3


def test_a_spin_turns_clockwise_by_an_eighth_a_frame() -> None:
    # The boat's coloured sail and hull lie off its centre, so their centroid circles it.
    turns = [pictures.motion_pose(Motion.SPIN, index, 8).degrees for index in range(8)]
    assert turns == [45.0 * index for index in range(8)]
    offsets = []
    for degrees in turns:
        icon = pictures.sprite("boat", COLOUR_RGB["red"], 60, degrees)
        rows, columns = ((icon.colour[:, :, 0] > 180) & (icon.colour[:, :, 1] < 90)).nonzero()
        offsets.append(complex(columns.mean() + icon.left, rows.mean() + icon.top))
    steps = np.angle(np.array(offsets[1:]) / np.array(offsets[:-1]), deg=True)
    np.testing.assert_allclose(steps, 45, atol=6)  # y points down: a growing angle is clockwise


def test_a_bounce_falls_and_rises_twice() -> None:
    x, y = tracks(render_video(moving(Motion.BOUNCE), 0))
    assert np.sign(np.diff(y)).tolist() == [1, 1, -1, -1, 1, 1, -1]
    assert np.ptp(y) == pytest.approx(pictures.TRAVEL_PX, abs=1)
    assert np.ptp(x) < 1


def test_a_video_background_is_constant_in_time() -> None:
    frames = render_video(moving(Motion.BOUNCE, background="night"), 4)
    corners = np.concatenate([frames[:, :, :6], frames[:, :, -6:]], axis=2)
    assert (corners == corners[:1]).all()


def test_a_video_lasts_as_long_as_its_sound() -> None:
    assert pictures.NUM_FRAMES / pictures.VIDEO_RATE == 2.0


def test_a_video_of_a_scene_without_motion_is_an_error() -> None:
    with pytest.raises(ValueError, match="has no motion; set one of: left, right"):
        render_video(one(), 0)


@pytest.mark.parametrize("scene", [one(), pair(Relation.ABOVE), moving(Motion.LEFT)])
def test_a_background_is_what_the_things_of_a_picture_stand_on(scene: Scene) -> None:
    made = render_video(scene, 7) if scene.motion else render_image(scene, 7)[None]
    shares = [float((made == render_background(scene, seed)).all(-1).mean()) for seed in range(8)]
    assert 0.5 < shares[7] < 1 and shares[7] == max(shares)

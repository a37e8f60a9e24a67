"""The stages' samples: pure functions of the seed, or a person's manifest worded for the stage."""

import json
from pathlib import Path

import numpy as np
import pytest

from encoders.files import write_media
from encoders.media import Image
from encoders.modality import Modality
from training.data import (
    FOREIGN_VARIANTS,
    VARIANTS,
    WorldMedia,
    load_data,
    load_media,
    media_key,
    open_data,
    render,
    world_sample,
    world_samples,
)
from training.world.dialogues import MediaRef
from training.world.scene import Scene, Thing
from training.world.split import is_trained

ALL = frozenset({Modality.IMAGE, Modality.AUDIO, Modality.VIDEO})


def picture(path: Path, level: int) -> Path:
    write_media(path, Image.from_uint8(np.full((8, 8, 3), level, dtype=np.uint8)))
    return path


def manifest(folder: Path, *lines: object) -> str:
    path = folder / "manifest.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in lines))
    return str(path)


@pytest.mark.parametrize("purpose", ["describe", "make", "talk"])
def test_the_world_is_a_pure_function_of_the_seed(purpose: str) -> None:
    one = world_samples(purpose, 20, 5, "train")  # type: ignore[arg-type]
    assert one == world_samples(purpose, 20, 5, "train")  # type: ignore[arg-type]
    assert one != world_samples(purpose, 20, 6, "train")  # type: ignore[arg-type]
    assert one[:10] == world_samples(purpose, 10, 5, "train")  # type: ignore[arg-type]


def test_describing_shows_every_modality_and_makes_none() -> None:
    needs = {need for sample in world_samples("describe", 40, 0, "train") for need in sample.needs()}
    assert needs == {("user", modality) for modality in ALL}


def test_some_videos_are_shown_with_the_sound_of_their_thing() -> None:
    shown = [sample.messages[0]["content"] for sample in world_samples("describe", 200, 0, "train")]
    videos = [content for content in shown if content[0]["type"] == "video"]
    heard = [content for content in videos if content[1]["type"] == "audio"]
    assert 0.1 < len(heard) / len(videos) < 0.5
    for video, audio, _ in heard:
        assert video["video"].reference.scene == audio["audio"].reference.scene


def test_making_makes_every_modality_and_shows_none() -> None:
    needs = {need for sample in world_samples("make", 40, 0, "train") for need in sample.needs()}
    assert needs == {("assistant", modality) for modality in ALL}


def test_an_eighth_of_the_talk_is_rehearsed_in_words_alone() -> None:
    assert [sample.words_only for sample in world_samples("talk", 16, 0, "train")] == [*[False] * 7, True] * 2
    assert not any(sample.words_only for sample in world_samples("make", 6, 0, "train"))


def test_nothing_held_out_is_trained_on() -> None:
    for sample in world_samples("talk", 300, 1, "train"):
        for message in sample.messages:
            for part in message["content"]:
                media = part[part["type"]]
                if isinstance(media, WorldMedia) and media.reference.scene is not None:
                    if media.reference.modality is not Modality.AUDIO:
                        assert is_trained(media.reference.scene)
                    assert media.side == "train"


@pytest.mark.parametrize("task", ["describe_image", "describe_audio", "describe_video", "foreign"])
def test_world_media_render_as_what_they_are_and_always_the_same(task: str) -> None:
    part = world_sample(4, "held_out", task).messages[0]["content"][0]
    media = part[part["type"]]
    assert render(media).modality == part["type"]
    assert render(media).content_hash == render(media).content_hash


def test_the_side_of_a_sound_is_part_of_what_it_is() -> None:
    part = world_sample(4, "train", "describe_audio").messages[0]["content"][0]
    train = part["audio"]
    held_out = WorldMedia(train.reference, "held_out")
    assert media_key(train) != media_key(held_out)
    assert render(train).content_hash != render(held_out).content_hash


def test_media_come_from_a_pool() -> None:
    samples = world_samples("talk", 400, 2, "train")
    parts = [part for sample in samples for message in sample.messages for part in message["content"]]
    media = [part[part["type"]] for part in parts if part["type"] != "text"]
    assert len(media) > 300
    for one in media:
        variants = FOREIGN_VARIANTS if one.reference.scene is None else VARIANTS[one.reference.modality]
        assert one.reference.seed < variants


def test_a_sound_is_known_by_its_thing_alone() -> None:
    red, blue = (Scene((Thing("bell", colour, "big"),), "beach") for colour in ("red", "blue"))
    sounds = [WorldMedia(MediaRef(Modality.AUDIO, scene, 3), "train") for scene in (red, blue)]
    assert media_key(sounds[0]) == media_key(sounds[1])
    assert render(sounds[0]).content_hash == render(sounds[1]).content_hash
    pictures = [WorldMedia(MediaRef(Modality.IMAGE, scene, 3), "train") for scene in (red, blue)]
    assert media_key(pictures[0]) != media_key(pictures[1])


def test_files_are_known_by_their_content(tmp_path: Path) -> None:
    one, same, other = picture(tmp_path / "a.png", 9), picture(tmp_path / "b.png", 9), picture(tmp_path / "c.png", 8)
    assert media_key(one) == media_key(same) != media_key(other)


def test_a_model_gets_only_what_it_can_use() -> None:
    data = load_data(None, "talk", 200, 0, reads=frozenset({Modality.IMAGE}), makes=frozenset())
    needs = {need for sample in [*data.train, *data.shown] for need in sample.needs()}
    assert needs == {("user", Modality.IMAGE)}
    assert len(data.train) > 10


def test_pairs_are_worded_for_the_stage(tmp_path: Path) -> None:
    picture(tmp_path / "a.png", 9)
    path = manifest(tmp_path, {"image": "a.png", "caption": "grey"})
    (describe,) = load_data(open_data(path), "describe", 0, 0, reads=ALL, makes=ALL).train
    assert [part["type"] for part in describe.messages[0]["content"]] == ["image", "text"]
    assert describe.messages[1]["content"] == [{"type": "text", "text": "grey"}]
    (make,) = load_data(open_data(path), "make", 0, 0, reads=ALL, makes=ALL).train
    assert "grey" in make.messages[0]["content"][0]["text"]
    assert make.messages[1]["content"][1] == {"type": "image", "image": tmp_path / "a.png", "caption": "grey"}
    assert len(load_data(open_data(path), "talk", 0, 0, reads=ALL, makes=ALL).train) == 2


def test_a_manifest_that_does_not_serve_the_stage_is_refused(tmp_path: Path) -> None:
    chat = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}
    path = manifest(tmp_path, chat)
    with pytest.raises(ValueError, match=r"Nothing in this manifest .* wanted media with captions"):
        load_data(open_data(path), "describe", 0, 0, reads=ALL, makes=ALL)
    assert len(load_data(open_data(path), "talk", 0, 0, reads=ALL, makes=ALL).train) == 1


def test_media_that_the_model_cannot_use_are_named(tmp_path: Path) -> None:
    picture(tmp_path / "a.png", 9)
    path = manifest(tmp_path, {"image": "a.png", "caption": "grey"})
    with pytest.raises(ValueError, match="pair 1: this model cannot make image"):
        load_data(open_data(path), "make", 0, 0, reads=ALL, makes=frozenset())


def test_a_large_manifest_keeps_some_samples_to_show(tmp_path: Path) -> None:
    picture(tmp_path / "a.png", 9)
    path = manifest(tmp_path, *({"image": "a.png", "caption": f"grey {number}"} for number in range(80)))
    data = load_data(open_data(path), "describe", 0, 0, reads=ALL, makes=ALL)
    assert len(data.train) == 74
    assert len(data.shown) == 6


def test_a_file_of_another_kind_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="this is image, the manifest says video"):
        load_media(picture(tmp_path / "a.png", 9), Modality.VIDEO)

"""The sizes of an ImageBind travel through JSON."""

import json
from dataclasses import replace

import pytest

from encoders.imagebind_config import ImageBindConfig, IMUConfig, PlaneConfig, TransformerConfig


@pytest.mark.parametrize("config", [ImageBindConfig.tiny(1000), ImageBindConfig.huge()])
def test_a_config_survives_json(config: ImageBindConfig) -> None:
    assert ImageBindConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_absent_towers_are_left_out_of_json() -> None:
    assert "depth" not in ImageBindConfig.tiny(1000).to_dict()


def test_an_unknown_field_is_named() -> None:
    values = ImageBindConfig.tiny(1000).to_dict()
    values["vision"]["colour"] = "red"
    with pytest.raises(ValueError, match="Unknown fields in vision: colour"):
        ImageBindConfig.from_dict(values)


def test_a_width_must_be_shared_by_its_heads() -> None:
    with pytest.raises(ValueError, match="width of 10 cannot be shared by 3 heads"):
        TransformerConfig(width=10, num_blocks=1, num_heads=3)


def test_the_grids_of_the_released_size_are_those_of_its_position_embeddings() -> None:
    huge = ImageBindConfig.huge()
    assert huge.vision
    assert huge.audio
    assert huge.depth
    assert huge.text
    assert huge.vision.grid == (1, 16, 16)
    assert huge.audio.grid == (12, 19)
    assert huge.depth.grid == (14, 14)
    assert (huge.text.start_id, huge.text.end_id) == (49406, 49407)


def test_the_released_constructors_arguments_are_read() -> None:
    arguments = {
        "video_frames": 4, "kernel_size": [4, 16, 16], "out_embed_dim": 24, "audio_kernel_size": 8, "audio_stride": 5,
        "audio_num_mel_bins": 64, "audio_target_len": 100, "audio_drop_path": 0.2,
        **{f"{tower}_kernel_size": 4 for tower in ("depth", "thermal", "imu")},
        **{f"{tower}_drop_path": 0.3 for tower in ("depth", "thermal", "imu")},
        **{
            f"{tower}_{name}": size
            for tower in ("vision", "text", "audio", "depth", "thermal", "imu")
            for name, size in (("embed_dim", 32), ("num_blocks", 3), ("num_heads", 4))
        },
    }  # fmt: skip
    config = ImageBindConfig.from_released(arguments)
    huge = ImageBindConfig.huge()
    assert huge.vision and huge.audio and huge.text
    sizes = {"width": 32, "num_blocks": 3, "num_heads": 4}
    assert config.out_width == 24
    assert config.vision == replace(huge.vision, **sizes, kernel=(4, 16, 16), num_frames=4)
    assert config.text == replace(huge.text, **sizes)
    assert config.audio == replace(
        huge.audio, **sizes, kernel=8, stride=5, num_mel_bins=64, target_length=100, drop_path=0.2
    )
    assert config.depth == config.thermal == PlaneConfig(**sizes, kernel=4, drop_path=0.3)
    assert config.imu == IMUConfig(**sizes, kernel=8, drop_path=0.3)  # the original does not use its imu_kernel_size
    with pytest.raises(ValueError, match="unknown: colour; known: audio_drop_path, "):
        ImageBindConfig.from_released({**arguments, "colour": "red"})


def test_arguments_that_are_left_out_are_the_released_constructors_own() -> None:
    huge, config = ImageBindConfig.huge(), ImageBindConfig.from_released({})
    assert huge.vision and huge.text
    assert config == replace(
        huge,
        out_width=768,
        vision=replace(huge.vision, width=1024, num_blocks=24, num_heads=16),
        text=replace(huge.text, width=768, num_blocks=12, num_heads=12),
    )
    # How the released size is built.
    given = {
        "vision_embed_dim": 1280, "vision_num_blocks": 32, "text_embed_dim": 1024, "text_num_blocks": 24,
        "text_num_heads": 16, "out_embed_dim": 1024,
    }  # fmt: skip
    assert ImageBindConfig.from_released(given) == huge

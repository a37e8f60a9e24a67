"""The sizes of an ImageBind travel through JSON."""

import json

import pytest

from encoders.imagebind_config import ImageBindConfig, TransformerConfig


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

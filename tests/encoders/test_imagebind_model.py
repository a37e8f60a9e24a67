"""The ImageBind network: its sizes, its towers, and that it learns."""

from dataclasses import replace

import pytest
import torch

from encoders.imagebind_config import ImageBindConfig
from encoders.imagebind_model import ImageBind


def test_the_full_size_has_the_released_keys_and_parameters() -> None:
    with torch.device("meta"):
        model = ImageBind(ImageBindConfig.huge())
    assert len(model.state_dict()) == 1311
    assert sum(parameter.numel() for parameter in model.parameters()) == 1_200_781_057


def test_a_tower_that_is_absent_is_named(small_model: ImageBind) -> None:
    with pytest.raises(ValueError, match="no tower 'depth'; it has: vision, text, audio"):
        small_model({"depth": torch.zeros(1, 1, 224, 224)})


def test_every_parameter_learns_in_float32_and_under_bfloat16_autocast(small_model: ImageBind) -> None:
    inputs = {
        "vision": torch.rand(2, 4, 3, 2, 64, 64),
        "text": torch.tensor([[298, 5, 6, 299] + [0] * 20]),
        "audio": torch.rand(2, 1, 64, 204),
    }
    for autocast in (False, True):
        small_model.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            outputs = small_model(inputs)
            loss = torch.stack([output.float().sum() for output in outputs.values()]).sum()
        torch.autograd.backward(loss)
        unlearned = [name for name, value in small_model.named_parameters() if value.grad is None]
        assert unlearned == []


def test_one_pass_gives_tokens_of_each_clip_and_one_pooled_vector(small_model: ImageBind) -> None:
    output = small_model.run("vision", torch.rand(2, 4, 3, 2, 64, 64))
    assert output.tokens.shape == (2, 4, 1 + 64, 48)
    assert output.pooled.shape == (2, 32)


def test_an_image_is_a_clip_whose_frames_are_equal(small_model: ImageBind) -> None:
    image = torch.rand(2, 3, 64, 64)
    clip = image[:, None, :, None].expand(-1, 1, -1, 2, -1, -1)
    torch.testing.assert_close(small_model({"vision": image}), small_model({"vision": clip}))


def test_drop_path_acts_only_while_training(small_config: ImageBindConfig) -> None:
    assert small_config.audio
    config = replace(small_config, audio=replace(small_config.audio, drop_path=0.9))
    torch.manual_seed(0)
    model, sound = ImageBind(config), torch.rand(4, 1, 64, 204)
    assert not torch.equal(model({"audio": sound})["audio"], model({"audio": sound})["audio"])
    model.eval()
    torch.testing.assert_close(model({"audio": sound}), model({"audio": sound}), rtol=0, atol=0)

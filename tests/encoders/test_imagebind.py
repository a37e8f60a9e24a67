"""The ImageBind encoder: tokens for the core, vectors for search, the same in any batch."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from encoders.imagebind import ImageBindEncoder, save_imagebind
from encoders.imagebind_config import ImageBindConfig
from encoders.imagebind_model import ImageBind
from encoders.media import IMU, Audio, Depth, Image, Readable, Text, Thermal, Video
from encoders.modality import Modality
from encoders.text_tokens import train_tokenizer


def letters(text: str) -> list[int]:
    return [ord(letter) % 290 for letter in text]


@pytest.fixture
def encoder(six_towers: ImageBindConfig) -> ImageBindEncoder:
    torch.manual_seed(0)
    return ImageBindEncoder(ImageBind(six_towers), letters)


def batch_of(modality: Modality, size: int) -> Sequence[Readable]:
    generator = torch.Generator().manual_seed(1)
    match modality:
        case Modality.TEXT:
            return [Text("bell " * (i + 1)) for i in range(size)]
        case Modality.IMAGE:
            return [Image(torch.rand(3, 64 + i, 80, generator=generator)) for i in range(size)]
        case Modality.AUDIO:
            return [Audio(torch.rand(1, 20000 + 3000 * i, generator=generator) - 0.5, 16000) for i in range(size)]
        case Modality.DEPTH:
            return [Depth(torch.rand(1, 64 + i, 80, generator=generator)) for i in range(size)]
        case Modality.THERMAL:
            return [Thermal(torch.rand(1, 64, 64 + i, generator=generator)) for i in range(size)]
        case Modality.IMU:
            return [IMU(torch.randn(6, 200, generator=generator)) for _ in range(size)]
        case _:
            return [Video(torch.rand(8 + i, 3, 64, 64, generator=generator), 4.0) for i in range(size)]


@pytest.mark.parametrize(
    ("modality", "num_tokens"),
    [
        (Modality.TEXT, 1),
        (Modality.IMAGE, 17),
        (Modality.AUDIO, 17),
        (Modality.VIDEO, 20),
        (Modality.DEPTH, 17),
        (Modality.THERMAL, 17),
        (Modality.IMU, 17),
    ],
)
def test_features_have_the_promised_shape(encoder: ImageBindEncoder, modality: Modality, num_tokens: int) -> None:
    features = encoder.encode(batch_of(modality, 2))
    assert encoder.num_tokens[modality] == num_tokens
    assert features.tokens.shape == (2, num_tokens, encoder.width)
    assert features.pooled.shape == (2, encoder.pooled_width)
    torch.testing.assert_close(features.pooled.norm(dim=-1), torch.ones(2))
    assert not features.tokens.requires_grad


@pytest.mark.parametrize("modality", Modality)
def test_an_item_gives_the_same_bytes_alone_and_among_eight(encoder: ImageBindEncoder, modality: Modality) -> None:
    batch = batch_of(modality, 8)
    together = encoder.encode(batch)
    for i in (0, 5, 7):
        alone = encoder.encode(batch[i : i + 1])
        assert torch.equal(alone.tokens[0], together.tokens[i])
        assert torch.equal(alone.pooled[0], together.pooled[i])


def test_bulk_features_agree_with_single_ones(encoder: ImageBindEncoder) -> None:
    batch = batch_of(Modality.VIDEO, 3)
    bulk = encoder.features(Modality.VIDEO, torch.cat([encoder.inputs(media) for media in batch]))
    torch.testing.assert_close(bulk.tokens, encoder.encode(batch).tokens)


def test_a_patch_token_is_the_mean_of_its_patches(encoder: ImageBindEncoder) -> None:
    image = batch_of(Modality.IMAGE, 1)
    states = encoder.model.run("vision", encoder.inputs(image[0])).tokens[0, 0]
    tokens = encoder.encode(image).tokens[0]
    torch.testing.assert_close(tokens[0], states[0])
    torch.testing.assert_close(tokens[2], states[1 + torch.tensor([2, 3, 10, 11])].mean(dim=0))


def test_an_audio_token_is_the_mean_of_its_time_column(encoder: ImageBindEncoder) -> None:
    sound = batch_of(Modality.AUDIO, 1)
    states = encoder.model.run("audio", encoder.inputs(sound[0])).tokens[0, 0]
    tokens = encoder.encode(sound).tokens[0]
    torch.testing.assert_close(tokens[4], states[1 + torch.arange(5) * 16 + 3].mean(dim=0))


def test_a_motion_token_is_the_mean_of_its_pieces_of_time(encoder: ImageBindEncoder) -> None:
    motion = batch_of(Modality.IMU, 1)
    states = encoder.model.run("imu", encoder.inputs(motion[0])).tokens[0, 0]
    torch.testing.assert_close(encoder.encode(motion).tokens[0, 1], states[1:3].mean(dim=0))  # 25 pieces, 16 tokens


def test_depth_and_heat_are_cropped_to_the_square_that_the_tower_reads(encoder: ImageBindEncoder) -> None:
    plane = torch.rand(1, 64, 80)
    wide, centre = (encoder.inputs(kind(p)) for kind, p in ((Depth, plane), (Thermal, plane[..., 8:72])))
    assert torch.equal(wide, centre)
    assert encoder.inputs(Depth(torch.rand(1, 30, 47))).shape == (1, 1, 64, 64)


def test_motion_of_another_length_is_refused(encoder: ImageBindEncoder) -> None:
    with pytest.raises(ValueError, match=r"reads motion as \(6, 200\) .* not \(6, 100\); resample"):
        encoder.encode([IMU(torch.zeros(6, 100))])


def test_video_tokens_come_in_the_order_of_time(encoder: ImageBindEncoder) -> None:
    frames = torch.rand(8, 3, 64, 64)
    forward, backward = (
        encoder.encode([Video(f, 4.0)]) for f in (frames, frames.view(4, 2, 3, 64, 64).flip(0).flatten(0, 1))
    )
    torch.testing.assert_close(forward.tokens.view(4, 5, -1).flip(0), backward.tokens.view(4, 5, -1))


def test_pooled_tokens_are_one_unit_vector(small_model: ImageBind) -> None:
    small_model.config = replace(small_model.config, token_kind="pooled")
    encoder = ImageBindEncoder(small_model, letters)
    features = encoder.encode(batch_of(Modality.IMAGE, 2))
    assert encoder.width == 32
    assert set(encoder.num_tokens.values()) == {1}
    torch.testing.assert_close(features.tokens[:, 0], features.pooled)


def test_the_pooled_token_of_several_clips_is_the_mean_of_their_unit_vectors(small_config: ImageBindConfig) -> None:
    assert small_config.audio
    audio = replace(small_config.audio, num_clips=3)
    torch.manual_seed(0)
    encoder = ImageBindEncoder(ImageBind(replace(small_config, audio=audio, token_kind="pooled")), letters)
    sound = Audio(torch.rand(1, 80000) - 0.5, 16000)
    inputs = encoder.inputs(sound)
    clips = torch.cat([encoder.features(Modality.AUDIO, inputs[:, i : i + 1]).pooled for i in range(3)])
    features = encoder.encode([sound])
    torch.testing.assert_close(features.tokens[0, 0], clips.mean(dim=0))
    assert float(features.tokens.norm()) < 1
    torch.testing.assert_close(features.pooled[0], clips.mean(dim=0) / clips.mean(dim=0).norm())


def test_projected_tokens_are_every_patch_as_if_it_were_the_pooled_one(six_towers: ImageBindConfig) -> None:
    """As NExT-GPT's code of October 2024 reads ImageBind: the class token left out, clips averaged."""
    torch.manual_seed(0)
    encoder = ImageBindEncoder(ImageBind(replace(six_towers, token_kind="projected")), letters)
    assert encoder.width == 32
    assert [encoder.num_tokens[modality] for modality in Modality] == [1, 64, 80, 64, 64, 64, 25]
    for modality in Modality:
        item = batch_of(modality, 1)
        features = encoder.encode(item)
        assert features.tokens.shape == (1, encoder.num_tokens[modality], 32)
    states = encoder.model.run("vision", encoder.inputs(item := batch_of(Modality.VIDEO, 1)[0])).tokens[0]
    linear = encoder.model.modality_heads["vision"][2]
    clips = torch.nn.functional.normalize(linear(states[:, 1:]), dim=-1)
    torch.testing.assert_close(encoder.encode([item]).tokens[0], clips.mean(dim=0))


def test_patches_want_towers_of_one_width(small_config: ImageBindConfig) -> None:
    assert small_config.audio
    config = replace(small_config, audio=replace(small_config.audio, width=24))
    with pytest.raises(ValueError, match="wants towers of one width"):
        ImageBindEncoder(ImageBind(config), letters)


def test_a_mixed_an_empty_and_an_unreadable_batch_are_refused(small_config: ImageBindConfig) -> None:
    encoder = ImageBindEncoder(ImageBind(replace(small_config, audio=None)), letters)
    with pytest.raises(ValueError, match="exactly one modality; this one holds image, text"):
        encoder.encode([Text("a"), Image(torch.zeros(3, 64, 64))])
    with pytest.raises(ValueError, match="this one holds nothing"):
        encoder.encode([])
    with pytest.raises(ValueError, match="cannot read audio; it reads: text, image, video"):
        encoder.encode([Audio(torch.zeros(1, 100), 16000)])


def test_a_folder_gives_the_same_encoder_back(small_config: ImageBindConfig, tmp_path: Path) -> None:
    assert small_config.text
    vocab_size = train_tokenizer(["a red bell"], 280, tmp_path / "tokenizer.json")
    config = replace(small_config, text=replace(small_config.text, vocab_size=vocab_size))
    model = ImageBind(config)
    save_imagebind(model, tmp_path, dtype=torch.float32)
    loaded = ImageBindEncoder.from_folder(tmp_path)
    image = batch_of(Modality.IMAGE, 1)
    assert torch.equal(loaded.encode(image).tokens, ImageBindEncoder(model, None).encode(image).tokens)
    assert loaded.encode([Text("a red bell")]).pooled.shape == (1, 32)


def test_half_precision_files_load_as_float32(small_model: ImageBind, tmp_path: Path) -> None:
    small_model.config = replace(small_model.config, text=None)
    for part in (small_model.modality_preprocessors, small_model.modality_trunks, small_model.modality_heads):
        del part["text"]
    del small_model.modality_postprocessors["text"]
    loaded = ImageBindEncoder.from_folder(save_imagebind(small_model, tmp_path))
    assert {parameter.dtype for parameter in loaded.model.parameters()} == {torch.float32}
    assert loaded.modalities == {Modality.IMAGE, Modality.AUDIO, Modality.VIDEO}

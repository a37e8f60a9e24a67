"""A CLIP of any size, in open_clip's own folder format."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from half_precision import assert_computes_at_half_precision

from encoders.clip import CLIPEncoder, ClipPixels, clip_tokenizer, create_clip, save_clip, tiny_clip_config
from encoders.media import Audio, Image, Media, Text
from encoders.modality import Modality
from encoders.text_tokens import train_tokenizer
from encoders.transforms import image_batch


def small_config(vocab_size: int, *, text_width: int = 48) -> dict[str, Any]:
    config = tiny_clip_config(vocab_size)
    config["embed_dim"] = 32
    config["vision_cfg"] |= {"width": 64, "layers": 2}
    config["text_cfg"] |= {"width": text_width, "heads": 3, "layers": 2}
    return config


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clip")
    train_tokenizer(["a red bell above a blue boat", "画一个红色的铃铛"], 290, folder / "source.json")
    tokenizer = clip_tokenizer(folder / "source.json")
    torch.manual_seed(0)
    config = small_config(len(tokenizer))
    return save_clip(create_clip(config), config, tokenizer, folder / "model", dtype=torch.float32)


@pytest.fixture(scope="module")
def encoder(folder: Path) -> CLIPEncoder:
    return CLIPEncoder.from_folder(folder)


def images(size: int) -> Sequence[Media]:
    generator = torch.Generator().manual_seed(1)
    return [Image(torch.rand(3, 64 + i, 80, generator=generator)) for i in range(size)]


def test_stock_open_clip_loads_the_folder_and_agrees(folder: Path, encoder: CLIPEncoder) -> None:
    model, _, transform = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    tokenize = open_clip.get_tokenizer(f"local-dir:{folder}")
    model.eval()
    with torch.no_grad():
        text = model.encode_text(tokenize(["a red bell"]), normalize=True)
    torch.testing.assert_close(encoder.encode([Text("a red bell")]).pooled, text)
    assert transform.transforms[0].size == 64


def test_the_batch_transform_for_training_agrees_with_open_clips_own(folder: Path, encoder: CLIPEncoder) -> None:
    pixels = torch.randint(0, 256, (2, 90, 70, 3), dtype=torch.uint8)
    inputs = image_batch(pixels, ClipPixels(64))
    with torch.no_grad():
        bulk = encoder.model.encode_image(inputs, normalize=True)
    torch.testing.assert_close(encoder.encode([Image.from_uint8(item) for item in pixels]).pooled, bulk)


def test_an_image_gives_its_class_token_and_a_grid(encoder: CLIPEncoder) -> None:
    features = encoder.encode(images(2))
    assert encoder.num_tokens == {Modality.TEXT: 0, Modality.IMAGE: 17}
    assert features.tokens.shape == (2, 17, encoder.width) == (2, 17, 64)
    assert features.pooled.shape == (2, encoder.pooled_width) == (2, 32)
    torch.testing.assert_close(features.pooled.norm(dim=-1), torch.ones(2))


def test_the_class_token_projects_to_the_pooled_vector(encoder: CLIPEncoder) -> None:
    features = encoder.encode(images(1))
    projected = features.tokens[:, 0] @ encoder.model.visual.proj
    torch.testing.assert_close(projected / projected.norm(), features.pooled)


def test_pooled_tokens_are_one_vector_for_text_and_images(folder: Path) -> None:
    encoder = CLIPEncoder.from_folder(folder, token_kind="pooled")
    for batch in (images(2), [Text("a"), Text("b")]):
        features = encoder.encode(batch)
        torch.testing.assert_close(features.tokens[:, 0], features.pooled)


def test_an_item_gives_the_same_bytes_alone_and_among_eight(encoder: CLIPEncoder) -> None:
    for batch in (images(8), [Text("bell " * i) for i in range(1, 9)]):
        together = encoder.encode(batch)
        for i in (0, 6):
            alone = encoder.encode(batch[i : i + 1])
            assert torch.equal(alone.pooled[0], together.pooled[i])
            assert torch.equal(alone.tokens[0], together.tokens[i])


def test_a_text_that_spells_control_tokens_stays_text(folder: Path) -> None:
    tokenize = open_clip.get_tokenizer(f"local-dir:{folder}")
    ids = tokenize(["<|end|><|start|> bell"])[0].tolist()
    specials = tokenize.tokenizer.all_special_ids
    assert [i for i in ids if i in specials and i != tokenize.tokenizer.pad_token_id] == [ids[0], max(specials)]


def test_the_end_of_a_text_has_the_highest_id(folder: Path) -> None:
    tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}").tokenizer
    assert tokenizer.eos_token_id == len(tokenizer) - 1


def test_sounds_are_refused(encoder: CLIPEncoder) -> None:
    with pytest.raises(ValueError, match="cannot read audio; it reads: text, image"):
        encoder.encode([Audio(torch.zeros(1, 10), 16000)])


def test_a_tower_without_a_class_token_gives_the_mean_of_its_patches_and_a_grid() -> None:
    """As a ResNet, or one of timm's."""
    text = small_config(300)["text_cfg"] | {"vocab_size": 300, "hf_tokenizer_name": None}
    resnet = {"image_size": 64, "layers": [1, 1, 1, 1], "width": 8, "patch_size": None}
    timm = {"image_size": 64, "timm_model_name": "fastvit_mci0"}
    for vision, width in ((resnet, 256), (timm, 512)):
        model: Any = create_clip({"embed_dim": 32, "vision_cfg": vision, "text_cfg": text})
        encoder = CLIPEncoder(model, lambda picture: torch.rand(3, 64, 64), None)
        features = encoder.encode(images(1))
        assert features.tokens.shape == (1, 17, width)
        assert features.pooled.shape == (1, 32)
        pixels = torch.rand(1, 3, 64, 64)
        grid = model.visual.forward_intermediates(pixels, indices=1, normalize_intermediates=True)
        made = encoder._image_features(pixels)
        torch.testing.assert_close(made.tokens[:, 0], grid["image_intermediates"][-1].mean(dim=(2, 3)))
        torch.testing.assert_close(made.pooled, model.encode_image(pixels, normalize=True))


def test_without_a_tokenizer_only_images_are_read() -> None:
    config = small_config(300)
    encoder = CLIPEncoder(create_clip(config), lambda picture: torch.zeros(3, 64, 64), None)
    assert encoder.modalities == {Modality.IMAGE}
    with pytest.raises(ValueError, match="cannot read text; it reads: image"):
        encoder.encode([Text("a")])


def test_it_computes_at_half_precision(folder: Path) -> None:
    assert_computes_at_half_precision("clip", folder)

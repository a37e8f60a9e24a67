"""The patches of a picture lie in the space of the whole: the same layers make both."""

from pathlib import Path

import pytest
import torch
from parts import imagebind_folder
from torch.nn import functional as F

from encoders.clip import CLIPEncoder, clip_tokenizer, create_clip, tiny_clip_config
from encoders.clip_parts import build_parts
from encoders.imagebind import ImageBindEncoder
from encoders.media import Image
from encoders.patch_vectors import patch_vectors
from encoders.text_tokens import train_tokenizer


@pytest.fixture(scope="module")
def imagebind(tmp_path_factory: pytest.TempPathFactory) -> ImageBindEncoder:
    return ImageBindEncoder.from_folder(imagebind_folder(tmp_path_factory.mktemp("imagebind")))


def small_clip(folder: Path, pool: str) -> CLIPEncoder:
    train_tokenizer(["a red bell above a blue boat"], 290, folder / "source.json")
    config = tiny_clip_config(len(clip_tokenizer(folder / "source.json")))
    config["vision_cfg"] |= {"width": 64, "layers": 2, "pool_type": pool}
    config["text_cfg"].pop("hf_tokenizer_name")
    config["text_cfg"].pop("tokenizer_kwargs")
    torch.manual_seed(0)
    parts = build_parts(config, create_clip(config).state_dict(), "random")
    return CLIPEncoder(parts.model, parts.transform, None)


def picture(seed: int, side: int = 64) -> Image:
    return Image(torch.rand(3, side, side, generator=torch.Generator().manual_seed(seed)))


def test_the_patches_of_an_imagebind_are_unit_vectors_in_its_grid(imagebind: ImageBindEncoder) -> None:
    vectors = patch_vectors(imagebind, picture(0, 40))
    assert vectors.shape == (4, 4, imagebind.pooled_width)
    torch.testing.assert_close(vectors.norm(dim=-1), torch.ones(4, 4))


def test_a_patch_of_an_imagebind_follows_its_place(imagebind: ImageBindEncoder) -> None:
    """Were the attention cut off, changing one corner would change one patch: it changes that one most."""
    pixels = picture(0, 16).pixels
    changed = pixels.clone()
    changed[:, :4, 12:] = 1 - changed[:, :4, 12:]
    before, after = (patch_vectors(imagebind, Image(one)) for one in (pixels, changed))
    moved = (before - after).norm(dim=-1)
    assert moved.argmax() == 3  # the first row's last


def test_the_mean_of_a_clips_patches_is_the_whole_where_it_pools_by_the_mean(tmp_path: Path) -> None:
    encoder = small_clip(tmp_path, "avg")
    visual = encoder.model.visual
    image = picture(1)
    vectors = patch_vectors(encoder, image)
    assert vectors.shape == (8, 8, encoder.pooled_width)
    raw = visual.forward_intermediates(encoder._transform(_pil(image))[None], indices=1, normalize_intermediates=True)
    mean = (raw["image_intermediates"][-1][0].flatten(1).mT @ visual.proj).mean(dim=0)
    torch.testing.assert_close(F.normalize(mean, dim=-1), encoder.encode([image]).pooled[0])
    best = (vectors @ encoder.encode([image]).pooled[0]).mean()
    assert best > (vectors @ encoder.encode([picture(2)]).pooled[0]).mean()


def _pil(image: Image) -> object:
    from PIL import Image as PILImage

    return PILImage.fromarray(image.to_uint8())


def test_what_has_no_patches_is_refused(imagebind: ImageBindEncoder) -> None:
    with pytest.raises(ValueError, match="20 x 10 pixels"):
        patch_vectors(imagebind, Image(torch.zeros(3, 10, 20)))
    with pytest.raises(ValueError, match="this is str"):
        patch_vectors("an encoder", picture(0))

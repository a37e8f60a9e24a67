"""Where in a picture an encoder sees what: a vector for each patch, in the space in which it compares media.

Each patch goes through the layers that are meant for the token that stands for the whole picture, as in Zhou, Loy and Dai
(2022), "Extract free dense labels from CLIP", but after the last attention, where patches have seen each other.
"""

from typing import Any

import torch
from einops import rearrange
from torch import Tensor
from torch.nn import functional as F

from encoders.clip import CLIPEncoder
from encoders.imagebind import ImageBindEncoder
from encoders.imagebind_model import Head
from encoders.media import Image


@torch.no_grad()
def patch_vectors(encoder: object, image: Image) -> Tensor:
    """Return the unit vectors of a square picture's patches, (rows, columns, width of pooled vectors).

    Raises ValueError if the encoder has no patches that can be compared.
    """
    height, width = image.pixels.shape[-2:]
    if height != width:
        raise ValueError(f"Patches are of a square picture, got {width} x {height} pixels. Cut it into squares.")
    if isinstance(encoder, ImageBindEncoder):
        return _of_imagebind(encoder, image)
    if isinstance(encoder, CLIPEncoder):
        return _of_clip(encoder, image)
    raise ValueError(f"Patches can be compared of an ImageBind and of a CLIP; this is {type(encoder).__name__}.")


def _of_imagebind(encoder: ImageBindEncoder, image: Image) -> Tensor:
    vision = encoder.model.config.vision
    if vision is None:
        raise ValueError("This ImageBind has no tower for pictures.")
    head = encoder.model.modality_heads["vision"]
    assert isinstance(head, Head)
    tokens = encoder.model.run("vision", encoder.inputs(image)).tokens[:, :, 1:]
    vectors = F.normalize(head.project(tokens).float(), dim=-1)
    grid = rearrange(vectors, "1 s (t h w) d -> (s t) h w d", h=vision.grid[1], w=vision.grid[2]).mean(dim=0)
    return F.normalize(grid, dim=-1)


def _of_clip(encoder: CLIPEncoder, image: Image) -> Tensor:
    from open_clip.transformer import VisionTransformer
    from PIL import Image as PILImage

    visual: Any = encoder.model.visual
    if not isinstance(visual, VisionTransformer) or visual.attn_pool is not None or visual.proj is None:
        raise ValueError("The patches of this CLIP cannot be compared: its tower is no plain vision transformer.")
    pixels: Any = encoder._transform(PILImage.fromarray(image.to_uint8()))
    output = visual.forward_intermediates(pixels[None].to(encoder.device), indices=1, normalize_intermediates=True)
    patches = rearrange(output["image_intermediates"][-1], "1 d h w -> h w d")
    return F.normalize((patches @ visual.proj).float(), dim=-1)

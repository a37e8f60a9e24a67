"""An encoder at half precision beside itself at full: near, in float32, with unit vectors."""

from pathlib import Path
from typing import Any

import torch

from encoders.media import IMU, Audio, Depth, Image, Text, Thermal, Video
from encoders.options import EncoderOptions
from encoders.registry import load_encoder

LEAST_COSINE = 0.99  # eight bits of precision, through a few blocks


def drawn(*shape: int) -> torch.Tensor:
    """Values in [0, 1), the same each time."""
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0))


def assert_computes_at_half_precision(kind: str, folder: Path) -> None:
    """Load an encoder from its folder at either precision, and encode one medium of each modality with both."""
    media = (
        Text("a red bell"), Image(drawn(3, 64, 70)), Audio(drawn(1, 16000) - 0.5, 16000),
        Video(drawn(6, 3, 64, 64), 4.0), Depth(drawn(1, 64, 64)), Thermal(drawn(1, 64, 64)), IMU(drawn(6, 200)),
    )  # fmt: skip
    whole: Any = load_encoder(kind, folder)
    half: Any = load_encoder(kind, folder, options=EncoderOptions(dtype="bfloat16"))
    assert {parameter.dtype for parameter in half.model.parameters()} == {torch.bfloat16}
    read = [one for one in media if one.modality in whole.modalities]
    assert len(read) == len(whole.modalities)
    for one in read:
        given, wanted = half.encode([one]), whole.encode([one])
        for made, expected in ((given.tokens, wanted.tokens), (given.pooled, wanted.pooled)):
            assert made.dtype == expected.dtype == torch.float32
            assert made.shape == expected.shape
        assert not torch.equal(given.pooled, wanted.pooled)
        torch.testing.assert_close(given.pooled.norm(dim=-1), torch.ones(len(given.pooled)))
        assert (given.pooled * wanted.pooled).sum(dim=-1).min() > LEAST_COSINE

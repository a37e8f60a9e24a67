"""Text, images, audio, video, depth, heat and motion into one space, and into tokens for the core, with ImageBind."""

from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import assert_never

import torch
from einops import rearrange
from torch import Tensor
from torch.nn import functional as F

from encoders.base import Features, batch_modality
from encoders.imagebind_config import ImageBindConfig, TextConfig
from encoders.imagebind_files import read_checkpoint, read_imagebind, save_imagebind
from encoders.imagebind_model import Head, ImageBind, TowerOutput
from encoders.media import IMU, Audio, Depth, Image, Readable, Text, Thermal, Video
from encoders.modality import Modality
from encoders.text_tokens import Encode, clip_encode, file_encode, text_batch
from encoders.transforms import audio_input, image_input, imu_input, plane_input, video_input

__all__ = ["ImageBind", "ImageBindConfig", "ImageBindEncoder", "TowerOutput", "save_imagebind"]

TOWERS = {
    Modality.TEXT: "text", Modality.IMAGE: "vision", Modality.AUDIO: "audio", Modality.VIDEO: "vision",
    Modality.DEPTH: "depth", Modality.THERMAL: "thermal", Modality.IMU: "imu",
}  # fmt: skip


class ImageBindEncoder:
    """An ImageBind with its transforms. `encode` runs item by item, so that no batch can change a result."""

    def __init__(
        self,
        model: ImageBind,
        encode_text: Encode | None,
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.model = model.eval().requires_grad_(False).to(device, dtype)
        self.device = torch.device(device)
        self.dtype = dtype
        self._encode_text = encode_text
        config = model.config
        self.modalities = frozenset(m for m, tower in TOWERS.items() if getattr(config, tower) is not None)
        self.pooled_width = config.out_width
        self.width = _width(config, self.modalities)
        self.num_tokens: Mapping[Modality, int] = {
            modality: _num_tokens(config, modality) for modality in Modality if modality in self.modalities
        }

    @classmethod
    def from_folder(
        cls, folder: Path | str, *, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
    ) -> "ImageBindEncoder":
        """Load a folder that save_imagebind wrote, or one that holds the released `imagebind_huge.pth`.

        The first also holds tokenizer.json, unless its text is CLIP's. Raises ValueError that says what is missing,
        what does not fit, and how to get it.
        """
        model = read_imagebind(folder)
        encode_text = text_encoding(model.config.text, Path(folder)) if model.config.text else None
        return cls(model, encode_text, device=device, dtype=dtype)

    @classmethod
    def from_checkpoint(
        cls,
        path: Path | str,
        config: ImageBindConfig | None = None,
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> "ImageBindEncoder":
        """Load a .pth or .safetensors state dict with the released names; its size is the released one unless given.

        Write it as one of our folders with `save_imagebind(encoder.model, folder)`. Raises ValueError naming the tensors
        that are missing, extra or of another shape.
        """
        model = read_checkpoint(path, config or ImageBindConfig.huge())
        encode_text = text_encoding(model.config.text, Path(path).parent) if model.config.text else None
        return cls(model, encode_text, device=device, dtype=dtype)

    def encode(self, batch: Sequence[Readable]) -> Features:
        """Encode a batch of one modality: tokens (B, num_tokens, width), pooled (B, out_width) of unit norm."""
        modality = batch_modality(batch, self.modalities)
        items = [self.features(modality, self.inputs(media)) for media in batch]
        return Features(
            tokens=torch.cat([item.tokens for item in items]), pooled=torch.cat([item.pooled for item in items])
        )

    def inputs(self, media: Readable) -> Tensor:
        """Return what the tower of one item reads, with a batch axis of 1, on the encoder's device."""
        config = self.model.config
        match media:
            case Text():
                assert config.text
                assert self._encode_text
                tensor = text_batch([media.text], self._encode_text, config.text)
            case Image():
                assert config.vision
                tensor = image_input(media, config.vision)[None]
            case Video():
                assert config.vision
                tensor = video_input(media, config.vision)[None]
            case Audio():
                assert config.audio
                tensor = audio_input(media, config.audio)[None]
            case Depth():
                assert config.depth
                tensor = plane_input(media, config.depth)[None]
            case Thermal():
                assert config.thermal
                tensor = plane_input(media, config.thermal)[None]
            case IMU():
                assert config.imu
                tensor = imu_input(media, config.imu)[None]
            case _:
                assert_never(media)
        return tensor.to(self.device)

    @torch.no_grad()
    def features(self, modality: Modality, inputs: Tensor) -> Features:
        """Run model inputs (B, ...) at once: for bulk work, where the last bits may depend on B."""
        inputs = inputs.to(self.dtype) if inputs.is_floating_point() else inputs
        output = self.model.run(TOWERS[modality], inputs)
        pooled = F.normalize(output.pooled.float(), dim=-1)
        return Features(tokens=core_tokens(self.model, modality, inputs, output).float(), pooled=pooled)


def core_tokens(model: ImageBind, modality: Modality, inputs: Tensor, output: TowerOutput) -> Tensor:
    """Return (B, N, width): one vector of its clips, or the trunk's tokens, as the config asks."""
    config = model.config
    if config.token_kind == "pooled" or (config.token_kind == "projected" and modality is Modality.TEXT):
        return output.unscaled[:, None]  # what the released NExT-GPT was trained on
    if config.token_kind == "projected":
        head = model.modality_heads[TOWERS[modality]]
        assert isinstance(head, Head)
        return F.normalize(head.project(output.tokens[:, :, 1:]), dim=-1).mean(dim=1)
    if modality is Modality.TEXT:
        ends = inputs.argmax(dim=-1)
        return output.tokens[torch.arange(len(ends), device=ends.device), 0, ends][:, None]
    cls_token, patches = output.tokens[:, :, :1], output.tokens[:, :, 1:]
    if modality is Modality.AUDIO:
        assert config.audio
        small = rearrange(patches, "b s (f t) d -> b s f t d", f=config.audio.grid[0]).mean(dim=2)
    elif modality is Modality.IMU:
        pieces = rearrange(patches, "b s n d -> (b s) d n")
        small = rearrange(F.adaptive_avg_pool1d(pieces, config.image_grid**2), "(b s) d n -> b s n d", b=len(patches))
    else:
        grid = getattr(config, TOWERS[modality]).grid  # (height, width), before them time if it moves
        side = config.video_grid if modality is Modality.VIDEO else config.image_grid
        planes = rearrange(patches, "b s (t h w) d -> (b s) t d h w", h=grid[-2], w=grid[-1]).mean(dim=1)
        small = rearrange(F.adaptive_avg_pool2d(planes, side), "(b s) d h w -> b s (h w) d", b=len(patches))
    tokens = torch.cat([cls_token, small], dim=2)
    if modality is Modality.VIDEO and config.vision:
        tokens = rearrange(tokens, "b (s crops) n d -> b s crops n d", crops=config.vision.num_crops).mean(dim=2)
    return rearrange(tokens, "b s n d -> b (s n) d")


def text_encoding(config: TextConfig, folder: Path) -> Encode:
    """Return the encoding that a text tower asks for: CLIP's, or the folder's tokenizer.json."""
    return clip_encode() if config.tokenizer == "clip" else file_encode(folder / "tokenizer.json", config)


def _width(config: ImageBindConfig, modalities: frozenset[Modality]) -> int:
    if config.token_kind != "patches":
        return config.out_width
    widths = {TOWERS[modality]: getattr(config, TOWERS[modality]).width for modality in modalities}
    if len(set(widths.values())) != 1:
        raise ValueError(
            f"token_kind 'patches' wants towers of one width; these have {widths}. Use token_kind 'pooled'."
        )
    return int(next(iter(widths.values())))


def _num_tokens(config: ImageBindConfig, modality: Modality) -> int:
    if config.token_kind == "pooled" or modality is Modality.TEXT:
        return 1
    if config.token_kind == "projected":
        return prod(getattr(config, TOWERS[modality]).grid)
    if modality is Modality.AUDIO:
        assert config.audio
        return config.audio.num_clips * (1 + config.audio.grid[1])
    if modality is Modality.VIDEO:
        assert config.vision
        return config.vision.num_clips * (1 + config.video_grid**2)
    return 1 + config.image_grid**2

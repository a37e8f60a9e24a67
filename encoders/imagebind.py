"""Text, images, audio and video into one space, and into tokens for the core, with ImageBind."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import assert_never

import torch
from einops import rearrange
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional as F

from encoders.base import Features, batch_modality
from encoders.imagebind_config import ImageBindConfig, TextConfig
from encoders.imagebind_model import ImageBind, TowerOutput
from encoders.media import Audio, Image, Media, Text, Video
from encoders.modality import Modality
from encoders.text_tokens import Encode, clip_encode, file_encode, text_batch
from encoders.transforms import audio_input, image_input, video_input

__all__ = ["ImageBind", "ImageBindConfig", "ImageBindEncoder", "TowerOutput", "save_imagebind"]

TOWERS = {
    Modality.TEXT: "text", Modality.IMAGE: "vision", Modality.AUDIO: "audio", Modality.VIDEO: "vision",
}  # fmt: skip


class ImageBindEncoder:
    """An ImageBind with its transforms. `encode` runs item by item, so that no batch can change a result."""

    def __init__(self, model: ImageBind, encode_text: Encode | None, *, device: torch.device | str = "cpu") -> None:
        self.model = model.eval().requires_grad_(False).to(device)
        self.device = torch.device(device)
        self._encode_text = encode_text
        config = model.config
        self.modalities = frozenset(m for m, tower in TOWERS.items() if getattr(config, tower) is not None)
        self.pooled_width = config.out_width
        self.width = _width(config, self.modalities)
        self.num_tokens: Mapping[Modality, int] = {
            modality: _num_tokens(config, modality) for modality in Modality if modality in self.modalities
        }

    @classmethod
    def from_folder(cls, folder: Path | str, *, device: torch.device | str = "cpu") -> "ImageBindEncoder":
        """Load config.json, model.safetensors and, unless its text is CLIP's, tokenizer.json. Keys are strict."""
        folder = Path(folder)
        for name in ("config.json", "model.safetensors"):
            if not (folder / name).is_file():
                raise ValueError(
                    f"No {name} in the ImageBind folder '{folder.name}'. It must hold config.json, "
                    f"model.safetensors and tokenizer.json, as save_imagebind writes them."
                )
        config = ImageBindConfig.from_dict(json.loads((folder / "config.json").read_text(encoding="utf-8")))
        state = {name: tensor.float() for name, tensor in load_file(folder / "model.safetensors").items()}
        with torch.device("meta"):
            model = ImageBind(config)
        model.load_state_dict(state, strict=True, assign=True)
        encode_text = text_encoding(config.text, folder) if config.text else None
        return cls(model, encode_text, device=device)

    def encode(self, batch: Sequence[Media]) -> Features:
        """Encode a batch of one modality: tokens (B, num_tokens, width), pooled (B, out_width) of unit norm."""
        modality = batch_modality(batch, self.modalities)
        items = [self.features(modality, self.inputs(media)) for media in batch]
        return Features(
            tokens=torch.cat([item.tokens for item in items]), pooled=torch.cat([item.pooled for item in items])
        )

    def inputs(self, media: Media) -> Tensor:
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
            case _:
                assert_never(media)
        return tensor.to(self.device)

    @torch.no_grad()
    def features(self, modality: Modality, inputs: Tensor) -> Features:
        """Run model inputs (B, ...) at once: for bulk work, where the last bits may depend on B."""
        output = self.model.run(TOWERS[modality], inputs)
        pooled = F.normalize(output.pooled, dim=-1)
        return Features(tokens=core_tokens(self.model.config, modality, inputs, output, pooled), pooled=pooled)


def core_tokens(
    config: ImageBindConfig, modality: Modality, inputs: Tensor, output: TowerOutput, pooled: Tensor
) -> Tensor:
    """Return (B, N, width): the pooled vector, or the trunk's tokens pooled as the config asks."""
    if config.token_kind == "pooled":
        return pooled[:, None]
    if modality is Modality.TEXT:
        ends = inputs.argmax(dim=-1)
        return output.tokens[torch.arange(len(ends), device=ends.device), 0, ends][:, None]
    cls_token, patches = output.tokens[:, :, :1], output.tokens[:, :, 1:]
    if modality is Modality.AUDIO:
        assert config.audio
        grid = rearrange(patches, "b s (f t) d -> b s f t d", f=config.audio.grid[0])
        small = grid.mean(dim=2)
    else:
        assert config.vision
        time, height, width = config.vision.grid
        side = config.image_grid if modality is Modality.IMAGE else config.video_grid
        planes = rearrange(patches, "b s (t h w) d -> (b s) t d h w", t=time, h=height, w=width).mean(dim=1)
        squares = rearrange(F.adaptive_avg_pool2d(planes, side), "(b s) d h w -> b s (h w) d", b=len(patches))
        small = squares
    tokens = torch.cat([cls_token, small], dim=2)
    if modality is Modality.VIDEO and config.vision:
        tokens = rearrange(tokens, "b (s crops) n d -> b s crops n d", crops=config.vision.num_crops).mean(dim=2)
    return rearrange(tokens, "b s n d -> b (s n) d")


def text_encoding(config: TextConfig, folder: Path) -> Encode:
    """Return the encoding that a text tower asks for: CLIP's, or the folder's tokenizer.json."""
    return clip_encode() if config.tokenizer == "clip" else file_encode(folder / "tokenizer.json", config)


def save_imagebind(model: ImageBind, folder: Path | str, *, dtype: torch.dtype = torch.float16) -> Path:
    """Write config.json and model.safetensors as `from_folder` reads them; tokenizer.json is the caller's to add."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    config = json.dumps(model.config.to_dict(), indent=2)
    (folder / "config.json").write_text(config + "\n", encoding="utf-8")
    state = {name: tensor.detach().cpu().to(dtype).contiguous() for name, tensor in model.state_dict().items()}
    save_file(state, folder / "model.safetensors")
    return folder


def _width(config: ImageBindConfig, modalities: frozenset[Modality]) -> int:
    if config.token_kind == "pooled":
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
    if modality is Modality.IMAGE:
        return 1 + config.image_grid**2
    if modality is Modality.AUDIO:
        assert config.audio
        return config.audio.num_clips * (1 + config.audio.grid[1])
    assert config.vision
    return config.vision.num_clips * (1 + config.video_grid**2)

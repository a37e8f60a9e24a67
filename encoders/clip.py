"""Text and images into one space with any CLIP that open_clip can build.

A folder is in open_clip's own format, so that stock `open_clip.create_model_and_transforms("local-dir:FOLDER")` and
`open_clip.get_tokenizer("local-dir:FOLDER")` load it too:

    open_clip_config.json          {"model_cfg": {embed_dim, vision_cfg, text_cfg}, "preprocess_cfg": {mean, std, ...}}
    open_clip_model.safetensors    the weights
    tokenizer.json, tokenizer_config.json    only where text_cfg names an hf_tokenizer; else CLIP's own encoding
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image as PILImage
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from encoders.base import Features, batch_modality
from encoders.imagebind_config import CLIP_MEAN, CLIP_STD, TokenKind
from encoders.media import Image, Media, Text
from encoders.modality import Modality

CONFIG_NAME = "open_clip_config.json"
IMAGE_GRID = 4


@dataclass(frozen=True)
class ClipPixels:
    """What a CLIP reads, for `encoders.transforms.image_batch` while training."""

    image_size: int
    mean: tuple[float, float, float] = CLIP_MEAN
    std: tuple[float, float, float] = CLIP_STD


class CLIPEncoder:
    """A CLIP with its transform and tokenizer. `encode` runs item by item, so that no batch can change a result.

    `token_kind` "patches": an image is its class token and a `image_grid` x `image_grid` pooled grid of patches after
    the last LayerNorm, and text has no tokens, only a pooled vector; "pooled": one vector an item.
    """

    modalities = frozenset({Modality.TEXT, Modality.IMAGE})

    def __init__(
        self,
        model: nn.Module,
        transform: Callable[[PILImage.Image], Tensor],
        tokenize: Callable[[list[str]], Tensor],
        *,
        token_kind: TokenKind = "patches",
        image_grid: int = IMAGE_GRID,
        device: torch.device | str = "cpu",
    ) -> None:
        self.model: Any = model.eval().requires_grad_(False).to(device)  # open_clip has no types
        self.device = torch.device(device)
        self.token_kind = token_kind
        self.image_grid = image_grid
        self._transform = transform
        self._tokenize = tokenize
        visual: Any = model.visual
        size = visual.image_size
        height, width = size if isinstance(size, tuple) else (size, size)
        blank = self._image_features(torch.zeros(1, 3, height, width, device=self.device))
        self.pooled_width = blank.pooled.shape[-1]
        self.width = blank.tokens.shape[-1]
        self.num_tokens: Mapping[Modality, int] = {
            Modality.TEXT: 1 if token_kind == "pooled" else 0,
            Modality.IMAGE: blank.tokens.shape[1],
        }

    @classmethod
    def from_folder(
        cls, folder: Path | str, *, device: torch.device | str = "cpu", token_kind: TokenKind = "patches"
    ) -> "CLIPEncoder":
        """Load a folder in open_clip's format. Raises ValueError if its config or its weights are missing."""
        folder = Path(folder)
        if not (folder / CONFIG_NAME).is_file():
            raise ValueError(f"No {CONFIG_NAME} in the CLIP folder '{folder.name}'. Save a model with save_clip first.")
        if not any(folder.glob("*.safetensors")):
            raise ValueError(f"No weights (*.safetensors) in the CLIP folder '{folder.name}'.")
        return cls._open(f"local-dir:{folder}", None, device=device, token_kind=token_kind)

    @classmethod
    def from_name(
        cls, name: str, pretrained: str | None, *, device: torch.device | str = "cpu", token_kind: TokenKind = "patches"
    ) -> "CLIPEncoder":
        """Load one of open_clip's own models, as "ViT-B-32" with "laion2b_s34b_b79k", or "hf-hub:..." with None."""
        return cls._open(name, pretrained, device=device, token_kind=token_kind)

    @classmethod
    def _open(
        cls, name: str, pretrained: str | None, *, device: torch.device | str, token_kind: TokenKind
    ) -> "CLIPEncoder":
        import open_clip  # heavy: it loads timm and torchvision

        model, _, transform = open_clip.create_model_and_transforms(name, pretrained=pretrained, pretrained_text=False)
        return cls(model, transform, open_clip.get_tokenizer(name), token_kind=token_kind, device=device)

    def encode(self, batch: Sequence[Media]) -> Features:
        """Encode a batch of one modality: tokens (B, num_tokens, width), pooled (B, D) of unit norm."""
        batch_modality(batch, self.modalities)
        items = [self._one(media) for media in batch]
        return Features(
            tokens=torch.cat([item.tokens for item in items]), pooled=torch.cat([item.pooled for item in items])
        )

    def _one(self, media: Media) -> Features:
        if isinstance(media, Text):
            return self._text_features(self._tokenize([media.text]).to(self.device))
        assert isinstance(media, Image)
        picture = PILImage.fromarray(media.to_uint8())
        return self._image_features(self._transform(picture)[None].to(self.device))

    @torch.no_grad()
    def _image_features(self, pixels: Tensor) -> Features:
        """(B, 3, H, W) normalised -> features."""
        if self.token_kind == "pooled":
            pooled = F.normalize(self.model.encode_image(pixels), dim=-1)
            return Features(tokens=pooled[:, None], pooled=pooled)
        output = self.model.visual.forward_intermediates(
            pixels, indices=1, normalize_intermediates=True, output_extra_tokens=True
        )
        if "image_intermediates_prefix" not in output:
            raise ValueError("This CLIP's image tower has no class token; use token_kind 'pooled'.")
        grid = F.adaptive_avg_pool2d(output["image_intermediates"][-1], self.image_grid)
        tokens = torch.cat([output["image_intermediates_prefix"][-1], grid.flatten(2).mT], dim=1)
        return Features(tokens=tokens, pooled=F.normalize(output["image_features"], dim=-1))

    @torch.no_grad()
    def _text_features(self, ids: Tensor) -> Features:
        """(B, context_length) -> features."""
        pooled = F.normalize(self.model.encode_text(ids), dim=-1)
        tokens = pooled[:, None] if self.token_kind == "pooled" else pooled.new_zeros(len(pooled), 0, self.width)
        return Features(tokens=tokens, pooled=pooled)


def tiny_clip_config(vocab_size: int) -> dict[str, Any]:
    """Return open_clip's model config of the embedded preset's size; `vocab_size` is `len(clip_tokenizer(...))`."""
    return {
        "embed_dim": 256,
        "vision_cfg": {"image_size": 64, "patch_size": 8, "width": 192, "layers": 6, "head_width": 32},
        "text_cfg": {
            "context_length": 24, "vocab_size": vocab_size, "width": 192, "heads": 6, "layers": 4,
            "hf_tokenizer_name": "tokenizer.json",
            # open_clip passes these to AutoTokenizer: a text that spells a control token stays text.
            "tokenizer_kwargs": {"split_special_tokens": True},
        },
    }  # fmt: skip


def create_clip(model_config: Mapping[str, Any]) -> nn.Module:
    """Return an untrained open_clip model of that config."""
    from open_clip.model import CLIP

    model: nn.Module = CLIP(**model_config)
    return model


def clip_tokenizer(tokenizer_json: Path | str) -> Any:
    """Return a transformers tokenizer: a tokenizer.json of text_tokens.train_tokenizer with padding, start and end.

    The end has the highest id, where CLIP pools a text.
    """
    from tokenizers import Tokenizer
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer.from_file(str(tokenizer_json))
    specials = ["<|pad|>", "<|start|>", "<|end|>"]
    tokenizer.add_special_tokens(specials)
    tokenizer.post_processor = TemplateProcessing(
        single="<|start|> $A <|end|>", special_tokens=[(name, tokenizer.token_to_id(name)) for name in specials[1:]]
    )
    build: Any = PreTrainedTokenizerFast  # transformers leaves it untyped
    return build(
        tokenizer_object=tokenizer, pad_token=specials[0], bos_token=specials[1], eos_token=specials[2],
        split_special_tokens=True,
    )  # fmt: skip


def save_clip(
    model: nn.Module,
    model_config: Mapping[str, Any],
    tokenizer: Any,
    folder: Path | str,
    *,
    dtype: torch.dtype = torch.float16,
) -> Path:
    """Write a CLIP in open_clip's folder format; `tokenizer` is a transformers tokenizer."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(folder)
    preprocess = {"mean": CLIP_MEAN, "std": CLIP_STD, "interpolation": "bicubic", "resize_mode": "shortest"}
    config = {"model_cfg": dict(model_config), "preprocess_cfg": preprocess}
    (folder / CONFIG_NAME).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    state = {name: tensor.detach().cpu().to(dtype).contiguous() for name, tensor in model.state_dict().items()}
    save_file(state, folder / "open_clip_model.safetensors")
    return folder

"""Text and images into one space with any CLIP that open_clip can build, from any layout that CLIPs are published in.

A folder of ours is in open_clip's own format, so that stock `open_clip.create_model_and_transforms("local-dir:FOLDER")`
and `open_clip.get_tokenizer("local-dir:FOLDER")` load it too:

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
from torch import Tensor, nn
from torch.nn import functional as F

from encoders.base import Features, batch_modality
from encoders.clip_files import (
    CONFIG_NAME,
    WEIGHTS_NAME,
    read_clip_by_name,
    read_clip_checkpoint,
    read_clip_folder,
    read_clip_repository,
)
from encoders.clip_parts import ClipParts, create_clip
from encoders.hub import is_repository
from encoders.imagebind_config import CLIP_MEAN, CLIP_STD, TokenKind
from encoders.media import Image, Media, Text
from encoders.modality import Modality
from encoders.weights import write_tensors

__all__ = ["CLIPEncoder", "ClipPixels", "clip_tokenizer", "create_clip", "save_clip", "tiny_clip_config"]

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
    the last LayerNorm, and text has no tokens, only a pooled vector; the mean of all patches stands for the class token
    of a tower that has none, as a ResNet. "pooled": one vector an item. Without a tokenizer it reads images only.
    """

    def __init__(
        self,
        model: nn.Module,
        transform: Callable[[PILImage.Image], Tensor],
        tokenize: Callable[[list[str]], Tensor] | None,
        *,
        token_kind: TokenKind = "patches",
        image_grid: int = IMAGE_GRID,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.model: Any = model.eval().requires_grad_(False).to(device, dtype)  # open_clip has no types
        self.device = torch.device(device)
        self.dtype = dtype
        self.token_kind = token_kind
        self.image_grid = image_grid
        self._transform = transform
        self._tokenize = tokenize
        visual: Any = model.visual
        size = visual.image_size
        height, width = size if isinstance(size, tuple) else (size, size)
        blank = self._image_features(torch.zeros(1, 3, height, width, device=self.device, dtype=dtype))
        self.pooled_width = blank.pooled.shape[-1]
        self.width = blank.tokens.shape[-1]
        counts = {Modality.IMAGE: blank.tokens.shape[1]}
        if tokenize is not None:
            counts = {Modality.TEXT: 1 if token_kind == "pooled" else 0, **counts}
        self.num_tokens: Mapping[Modality, int] = counts
        self.modalities = frozenset(counts)

    @classmethod
    def from_pretrained(
        cls,
        name: Path | str,
        tag: str | None = None,
        *,
        revision: str | None = None,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        token_kind: TokenKind = "patches",
    ) -> "CLIPEncoder":
        """Load a CLIP by what it is called: a folder, a repository ("owner/name"), or open_clip's name with a tag.

        Raises ValueError that says what there is, or which file of which repository is not at hand and how to get it.
        """
        repository = str(name).removeprefix("hf-hub:")
        if tag is not None and (is_repository(repository) or Path(name).is_dir()):
            raise ValueError(
                f"A tag goes with one of open_clip's names; {str(name)!r} holds its own weights, not {tag!r}."
            )
        if Path(name).is_dir():
            parts = read_clip_folder(name)
        elif is_repository(repository):
            parts = read_clip_repository(repository, revision=revision)
        else:
            parts = read_clip_by_name(str(name), tag)
        return cls._of(parts, device=device, dtype=dtype, token_kind=token_kind)

    @classmethod
    def from_folder(
        cls,
        folder: Path | str,
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        token_kind: TokenKind = "patches",
    ) -> "CLIPEncoder":
        """Load a folder in open_clip's, Hugging Face's or OpenAI's layout. Raises ValueError if it is not whole or safe."""
        return cls._of(read_clip_folder(folder), device=device, dtype=dtype, token_kind=token_kind)

    @classmethod
    def from_checkpoint(
        cls,
        path: Path | str,
        config: Mapping[str, Any] | str | None = None,
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        token_kind: TokenKind = "patches",
    ) -> "CLIPEncoder":
        """Load one file: of OpenAI's without a config, else with open_clip's model config or its name for one.

        Raises ValueError naming the tensors that are missing, extra or of another shape.
        """
        return cls._of(read_clip_checkpoint(path, config), device=device, dtype=dtype, token_kind=token_kind)

    @classmethod
    def _of(
        cls, parts: ClipParts, *, device: torch.device | str, dtype: torch.dtype, token_kind: TokenKind
    ) -> "CLIPEncoder":
        return cls(parts.model, parts.transform, parts.tokenize, token_kind=token_kind, device=device, dtype=dtype)

    def encode(self, batch: Sequence[Media]) -> Features:
        """Encode a batch of one modality: tokens (B, num_tokens, width), pooled (B, D) of unit norm."""
        batch_modality(batch, self.modalities)
        items = [self._one(media) for media in batch]
        return Features(
            tokens=torch.cat([item.tokens for item in items]), pooled=torch.cat([item.pooled for item in items])
        )

    def _one(self, media: Media) -> Features:
        if isinstance(media, Text):
            assert self._tokenize
            return self._text_features(self._tokenize([media.text]).to(self.device))
        assert isinstance(media, Image)
        picture = PILImage.fromarray(media.to_uint8())
        return self._image_features(self._transform(picture)[None].to(self.device, self.dtype))

    @torch.no_grad()
    def _image_features(self, pixels: Tensor) -> Features:
        """(B, 3, H, W) normalised -> features."""
        if self.token_kind == "pooled":
            pooled = F.normalize(self.model.encode_image(pixels).float(), dim=-1)
            return Features(tokens=pooled[:, None], pooled=pooled)
        tokens, pooled = image_tokens(self.model, pixels, self.image_grid)
        return Features(tokens=tokens.float(), pooled=F.normalize(pooled.float(), dim=-1))

    @torch.no_grad()
    def _text_features(self, ids: Tensor) -> Features:
        """(B, context_length) -> features."""
        pooled = F.normalize(self.model.encode_text(ids).float(), dim=-1)
        tokens = pooled[:, None] if self.token_kind == "pooled" else pooled.new_zeros(len(pooled), 0, self.width)
        return Features(tokens=tokens, pooled=pooled)


def image_tokens(model: Any, pixels: Tensor, grid: int = IMAGE_GRID) -> tuple[Tensor, Tensor]:
    """(B, 3, H, W) normalised -> (B, 1 + grid * grid, width), (B, D): a CLIP's "patches" of pictures, and their vectors."""
    visual = model.visual
    # timm's towers without a class token refuse to be asked for one; open_clip's own do not.
    trunk = getattr(visual, "trunk", None)
    output = visual.forward_intermediates(
        pixels,
        indices=1,
        normalize_intermediates=True,
        output_extra_tokens=trunk is None or getattr(trunk, "num_prefix_tokens", 0) > 0,
    )
    patches = output["image_intermediates"][-1]
    if "image_intermediates_prefix" in output:
        first = output["image_intermediates_prefix"][-1]
    else:
        first = patches.mean(dim=(2, 3))[:, None]
    pooled = F.adaptive_avg_pool2d(patches, grid)
    return torch.cat([first, pooled.flatten(2).mT], dim=1), output["image_features"]


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
    write_tensors(folder / WEIGHTS_NAME, model.state_dict(), dtype)
    return folder

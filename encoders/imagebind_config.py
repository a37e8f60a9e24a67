"""The sizes of an ImageBind: one frozen part for each tower, None where a tower is absent."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

TokenKind = Literal["pooled", "patches"]

# Statistics of the pixels that CLIP was trained on, and of AudioSet's log-mel (ImageBind's data.py).
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
LOG_MEL_MEAN = -4.268
LOG_MEL_STD = 9.138


@dataclass(frozen=True, kw_only=True)
class TransformerConfig:
    """A stack of pre-norm blocks; drop_path grows linearly to its value at the last block while training."""

    width: int
    num_blocks: int
    num_heads: int
    drop_path: float = 0.0

    def __post_init__(self) -> None:
        if self.width % self.num_heads:
            raise ValueError(f"A width of {self.width} cannot be shared by {self.num_heads} heads.")


@dataclass(frozen=True, kw_only=True)
class VisionConfig(TransformerConfig):
    """Images and clips of `num_frames`. `clip_seconds` None: the clips share all frames of the video, in order."""

    image_size: int
    kernel: tuple[int, int, int]
    num_frames: int = 2
    num_clips: int
    num_crops: int = 1
    clip_seconds: float | None = None
    video_antialias: bool = True
    mean: tuple[float, float, float] = CLIP_MEAN
    std: tuple[float, float, float] = CLIP_STD

    @property
    def num_still_frames(self) -> int:
        """Return how often a single frame is repeated: for one piece of time, and at least twice, as in the released code."""
        return max(self.kernel[0], 2)

    @property
    def grid(self) -> tuple[int, int, int]:
        """Return the patches of one clip: (time, height, width)."""
        time, height, width = self.kernel
        num_frames = self.num_frames if self.num_frames > 1 else self.num_still_frames
        return num_frames // time, self.image_size // height, self.image_size // width


@dataclass(frozen=True, kw_only=True)
class TextConfig(TransformerConfig):
    """Text. The last two ids of the vocabulary start and end a text; `tokenizer` "clip" is CLIP's own BPE."""

    vocab_size: int
    context_length: int
    tokenizer: Literal["clip", "file"] = "file"

    @property
    def start_id(self) -> int:
        """Return the id put before each text."""
        return self.vocab_size - 2

    @property
    def end_id(self) -> int:
        """Return the id put after each text, where it is pooled."""
        return self.vocab_size - 1


@dataclass(frozen=True, kw_only=True)
class AudioConfig(TransformerConfig):
    """Clips of sound as log-mel pictures (num_mel_bins, target_length), cut into overlapping square patches."""

    kernel: int
    stride: int
    num_mel_bins: int
    target_length: int
    num_clips: int
    sample_rate: int = 16000
    clip_seconds: float = 2.0
    mean: float = LOG_MEL_MEAN
    std: float = LOG_MEL_STD

    @property
    def grid(self) -> tuple[int, int]:
        """Return the patches of one clip: (frequency, time)."""
        return tuple((size - self.kernel) // self.stride + 1 for size in (self.num_mel_bins, self.target_length))  # type: ignore[return-value]


@dataclass(frozen=True, kw_only=True)
class PlaneConfig(TransformerConfig):
    """Depth or thermal pictures of one channel."""

    image_size: int = 224
    kernel: int = 16

    @property
    def grid(self) -> tuple[int, int]:
        """Return the patches of one picture: (height, width)."""
        return self.image_size // self.kernel, self.image_size // self.kernel


@dataclass(frozen=True, kw_only=True)
class IMUConfig(TransformerConfig):
    """Readings of a motion sensor: (num_channels, length), cut into pieces of `kernel` readings."""

    kernel: int = 8
    num_channels: int = 6
    length: int = 2000

    @property
    def grid(self) -> tuple[int]:
        """Return the pieces of the readings: (time,)."""
        return (self.length // self.kernel,)


_TOWERS = {
    "vision": VisionConfig, "text": TextConfig, "audio": AudioConfig,
    "depth": PlaneConfig, "thermal": PlaneConfig, "imu": IMUConfig,
}  # fmt: skip

# The constructor arguments of the released ImageBindModel, and the tower and the field that each one is here.
_BLOCKS = {"embed_dim": "width", "num_blocks": "num_blocks", "num_heads": "num_heads"}
_STEM = {"kernel_size": "kernel", "drop_path": "drop_path"}
_MEL = {"stride": "stride", "num_mel_bins": "num_mel_bins", "target_len": "target_length"}
_ARGUMENTS = {
    "vision": _BLOCKS, "text": _BLOCKS, "audio": _BLOCKS | _STEM | _MEL,
    "depth": _BLOCKS | _STEM, "thermal": _BLOCKS | _STEM, "imu": _BLOCKS | _STEM,
}  # fmt: skip
_RELEASED: dict[str, tuple[str, str] | None] = {
    "out_embed_dim": None,
    "kernel_size": ("vision", "kernel"),
    "video_frames": ("vision", "num_frames"),
    **{f"{tower}_{theirs}": (tower, ours) for tower, names in _ARGUMENTS.items() for theirs, ours in names.items()},
    "imu_kernel_size": None,  # taken and not used: its pieces have 8 readings whatever it says
}
# Its defaults where they are not those of imagebind_huge.
_DEFAULTS = {
    "out_embed_dim": 768, "vision_embed_dim": 1024, "vision_num_blocks": 24, "text_embed_dim": 768,
    "text_num_blocks": 12, "text_num_heads": 12,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class ImageBindConfig:
    """All sizes of an ImageBind, and which of its tokens the core is given.

    `token_kind` "pooled": one vector of `out_width` an item, the mean of its clips' unit vectors, as the released NExT-GPT
    reads it; "patches": trunk tokens pooled to `image_grid` x `image_grid` (stills, depth, heat; as many pieces of
    motion), `video_grid` x `video_grid` (each clip) or one a time column (audio); "projected": every patch through the
    head, of unit norm, averaged over clips, as NExT-GPT's code of October 2024 reads it.
    """

    out_width: int
    vision: VisionConfig | None = None
    text: TextConfig | None = None
    audio: AudioConfig | None = None
    depth: PlaneConfig | None = None
    thermal: PlaneConfig | None = None
    imu: IMUConfig | None = None
    token_kind: TokenKind | Literal["projected"] = "pooled"
    image_grid: int = 4
    video_grid: int = 2

    @classmethod
    def tiny(cls, vocab_size: int) -> "ImageBindConfig":
        """Return the size of the embedded preset: 64 px, 2 s of sound, 24 tokens of text."""
        return cls(
            out_width=256,
            vision=VisionConfig(width=192, num_blocks=6, num_heads=6, image_size=64, kernel=(2, 8, 8), num_clips=4),
            text=TextConfig(width=192, num_blocks=4, num_heads=6, vocab_size=vocab_size, context_length=24),
            audio=AudioConfig(
                width=192, num_blocks=4, num_heads=6, kernel=16, stride=12, num_mel_bins=64, target_length=204,
                num_clips=1,
            ),
            token_kind="patches",
        )  # fmt: skip

    @classmethod
    def huge(cls) -> "ImageBindConfig":
        """Return the size of the released `imagebind_huge`."""
        return cls(
            out_width=1024,
            vision=VisionConfig(
                width=1280, num_blocks=32, num_heads=16, image_size=224, kernel=(2, 14, 14),
                num_clips=5, num_crops=3, clip_seconds=2.0, video_antialias=False,
            ),
            text=TextConfig(
                width=1024, num_blocks=24, num_heads=16, vocab_size=49408, context_length=77, tokenizer="clip"
            ),
            audio=AudioConfig(
                width=768, num_blocks=12, num_heads=12, drop_path=0.1, kernel=16, stride=10,
                num_mel_bins=128, target_length=204, num_clips=3,
            ),
            depth=PlaneConfig(width=384, num_blocks=12, num_heads=8),
            thermal=PlaneConfig(width=768, num_blocks=12, num_heads=12),
            imu=IMUConfig(width=512, num_blocks=6, num_heads=8, drop_path=0.7),
        )  # fmt: skip

    @classmethod
    def from_released(cls, arguments: Mapping[str, Any]) -> "ImageBindConfig":
        """Read constructor arguments of the released ImageBindModel; those that are left out have its defaults.

        What it takes no argument for is as in `huge`. Raises ValueError naming what is unknown.
        """
        if unknown := sorted(set(arguments) - set(_RELEASED)):
            raise ValueError(
                f"These are not the arguments of the released ImageBindModel; unknown: {', '.join(unknown)}; "
                f"known: {', '.join(sorted(_RELEASED))}."
            )
        given = {**_DEFAULTS, **arguments}
        values: dict[str, dict[str, Any]] = {tower: {} for tower in _TOWERS}
        for theirs, place in _RELEASED.items():
            if theirs in given and place is not None:
                value, (tower, ours) = given[theirs], place
                values[tower][ours] = tuple(value) if isinstance(value, list) else value
        huge = cls.huge()
        towers: dict[str, Any] = {tower: replace(getattr(huge, tower), **sizes) for tower, sizes in values.items()}
        return replace(huge, out_width=given["out_embed_dim"], **towers)

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON value without the absent towers."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "ImageBindConfig":
        """Read what `to_dict` wrote. Raises ValueError naming unknown or missing fields."""
        return cls(**{name: _tower(name, value) for name, value in _known(cls, values, "ImageBindConfig").items()})


def _tower(name: str, value: Any) -> Any:
    if name not in _TOWERS or value is None:
        return value
    known = _known(_TOWERS[name], value, name)
    return _TOWERS[name](**{field: tuple(v) if isinstance(v, list) else v for field, v in known.items()})


def _known(kind: type, values: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    names = {field.name for field in fields(kind)}
    if extra := sorted(set(values) - names):
        raise ValueError(f"Unknown fields in {where}: {', '.join(extra)}. Known: {', '.join(sorted(names))}.")
    return values

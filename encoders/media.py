"""The values that flow through the studio, frozen and shape-checked: text, images, audio and video; depth, heat, motion."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from einops import rearrange
from torch import Tensor

from encoders.modality import Modality

UINT8_MAX = 255
PCM16_SCALE = 32768  # 16-bit sound files hold sample * 2**15


class MediaError(ValueError):
    """A person's media cannot be used; the message says what was given, what was wanted and what to do."""


@dataclass(frozen=True, eq=False)
class Text:
    """A piece of text."""

    modality: ClassVar[Modality] = Modality.TEXT
    text: str

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of the text in UTF-8, as hex."""
        return _digest(self.modality, (), self.text.encode("utf-8", errors="surrogatepass"))


@dataclass(frozen=True, eq=False)
class Image:
    """A still: pixels (3, height, width), float32 in [0, 1], RGB."""

    modality: ClassVar[Modality] = Modality.IMAGE
    pixels: Tensor

    def __post_init__(self) -> None:
        _check_pixels("Image.pixels", self.pixels, "(3, height, width)", num_dims=3)

    @classmethod
    def from_uint8(cls, array: npt.NDArray[np.uint8] | Tensor) -> "Image":
        """(height, width, 3) uint8 -> Image."""
        return cls(rearrange(_from_uint8(array, "(height, width, 3)", num_dims=3), "h w c -> c h w").contiguous())

    def to_uint8(self) -> npt.NDArray[np.uint8]:
        """Return (height, width, 3) uint8, rounded to nearest."""
        return _to_uint8(rearrange(self.pixels, "c h w -> h w c"))

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of the 8-bit pixels, as hex: an image and its PNG have the same hash."""
        array = self.to_uint8()
        return _digest(self.modality, array.shape, array.tobytes())


@dataclass(frozen=True, eq=False)
class Audio:
    """A sound: waveform (channels, samples), float32, usually in [-1, 1]; rate in samples per second."""

    modality: ClassVar[Modality] = Modality.AUDIO
    waveform: Tensor
    rate: int

    def __post_init__(self) -> None:
        shape = tuple(self.waveform.shape)
        if self.waveform.ndim != 2 or self.waveform.dtype != torch.float32 or 0 in shape:
            raise ValueError(
                f"Audio.waveform must be float32 (channels, samples) with at least one sample, "
                f"not {self.waveform.dtype} {shape}."
            )
        if self.rate <= 0:
            raise ValueError(f"Audio.rate must be a positive number of samples per second, not {self.rate}.")
        if not bool(torch.isfinite(self.waveform).all()):
            raise ValueError("Audio.waveform holds values that are not finite.")

    @classmethod
    def from_numpy(cls, array: npt.NDArray[Any], rate: int) -> "Audio":
        """(samples,) or (channels, samples), floats in [-1, 1] or int16 -> Audio."""
        waveform = torch.from_numpy(np.atleast_2d(array).copy())
        if waveform.dtype == torch.int16:
            waveform = waveform / PCM16_SCALE
        return cls(waveform.to(torch.float32), rate)

    def to_pcm16(self) -> npt.NDArray[np.int16]:
        """Return (channels, samples) int16, rounded to nearest and clipped."""
        scaled = (self.waveform.detach().cpu() * PCM16_SCALE).round().clamp(-PCM16_SCALE, PCM16_SCALE - 1)
        return scaled.to(torch.int16).numpy()

    @property
    def seconds(self) -> float:
        """Return the duration in seconds."""
        return self.waveform.shape[1] / self.rate

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of the 16-bit samples and the rate, as hex: a sound and its WAV have the same hash."""
        array = self.to_pcm16()
        return _digest(self.modality, (*array.shape, self.rate), array.tobytes())


@dataclass(frozen=True, eq=False)
class Video:
    """Moving pictures: frames (num_frames, 3, height, width) in [0, 1]; rate in frames per second; maybe a sound."""

    modality: ClassVar[Modality] = Modality.VIDEO
    frames: Tensor
    rate: float
    soundtrack: Audio | None = None

    def __post_init__(self) -> None:
        _check_pixels("Video.frames", self.frames, "(num_frames, 3, height, width)", num_dims=4)
        if not 0 < self.rate < float("inf"):
            raise ValueError(f"Video.rate must be a positive number of frames per second, not {self.rate}.")

    @classmethod
    def from_uint8(cls, array: npt.NDArray[np.uint8] | Tensor, rate: float, soundtrack: Audio | None = None) -> "Video":
        """(num_frames, height, width, 3) uint8 -> Video."""
        frames = _from_uint8(array, "(num_frames, height, width, 3)", num_dims=4)
        return cls(rearrange(frames, "t h w c -> t c h w").contiguous(), rate, soundtrack)

    def to_uint8(self) -> npt.NDArray[np.uint8]:
        """Return (num_frames, height, width, 3) uint8, rounded to nearest."""
        return _to_uint8(rearrange(self.frames, "t c h w -> t h w c"))

    @property
    def seconds(self) -> float:
        """Return the duration in seconds."""
        return self.frames.shape[0] / self.rate

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of the 8-bit frames, the rate and the soundtrack, as hex."""
        array = self.to_uint8()
        sound = self.soundtrack.content_hash if self.soundtrack else ""
        return _digest(self.modality, (*array.shape, round(self.rate, 3), sound), array.tobytes())


@dataclass(frozen=True, eq=False)
class Depth:
    """How near each point is, to be read only: plane (1, height, width), float32 in [0, 1], 1 the nearest (disparity)."""

    modality: ClassVar[Modality] = Modality.DEPTH
    plane: Tensor

    def __post_init__(self) -> None:
        _check_pixels("Depth.plane", self.plane, "(1, height, width)", num_dims=3, num_channels=1)

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of the float32 values, as hex."""
        return _digest(self.modality, tuple(self.plane.shape), _float32_bytes(self.plane))


@dataclass(frozen=True, eq=False)
class Thermal:
    """How warm each point is, to be read only: plane (1, height, width), float32 in [0, 1]."""

    modality: ClassVar[Modality] = Modality.THERMAL
    plane: Tensor

    def __post_init__(self) -> None:
        _check_pixels("Thermal.plane", self.plane, "(1, height, width)", num_dims=3, num_channels=1)

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of the float32 values, as hex."""
        return _digest(self.modality, tuple(self.plane.shape), _float32_bytes(self.plane))


@dataclass(frozen=True, eq=False)
class IMU:
    """How something moved, to be read only: readings (channels, steps), float32; three of acceleration, three of turning."""

    modality: ClassVar[Modality] = Modality.IMU
    readings: Tensor

    def __post_init__(self) -> None:
        shape = tuple(self.readings.shape)
        if self.readings.ndim != 2 or self.readings.dtype != torch.float32 or 0 in shape:
            raise ValueError(f"IMU.readings must be float32 (channels, steps), not {self.readings.dtype} {shape}.")
        if not bool(torch.isfinite(self.readings).all()):
            raise ValueError("IMU.readings holds values that are not finite.")

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of the float32 values, as hex."""
        return _digest(self.modality, tuple(self.readings.shape), _float32_bytes(self.readings))


Media = Text | Image | Audio | Video
Readable = Media | Depth | Thermal | IMU  # what encoders read; the studio's own media are the first four


def _digest(modality: Modality, facts: tuple[object, ...], content: bytes) -> str:
    header = "/".join(str(fact) for fact in (modality, *facts)) + "\n"
    return hashlib.sha256(header.encode() + content).hexdigest()


def _float32_bytes(values: Tensor) -> bytes:
    return values.detach().cpu().contiguous().numpy().tobytes()


def _check_pixels(name: str, pixels: Tensor, wanted: str, *, num_dims: int, num_channels: int = 3) -> None:
    shape = tuple(pixels.shape)
    if pixels.ndim != num_dims or shape[-3] != num_channels or pixels.dtype != torch.float32 or 0 in shape:
        raise ValueError(f"{name} must be float32 {wanted}, not {pixels.dtype} {shape}.")
    low, high = (float(bound) for bound in torch.aminmax(pixels.detach()))
    if not (low >= 0 and high <= 1):
        raise ValueError(f"{name} must lie in [0, 1]; the values given reach from {low:.3g} to {high:.3g}.")


def _from_uint8(array: npt.NDArray[np.uint8] | Tensor, wanted: str, *, num_dims: int) -> Tensor:
    tensor = array if isinstance(array, Tensor) else torch.from_numpy(np.ascontiguousarray(array))
    if tensor.dtype != torch.uint8 or tensor.ndim != num_dims or tensor.shape[-1] != 3:
        raise ValueError(f"Expected uint8 {wanted}, got {tensor.dtype} {tuple(tensor.shape)}.")
    return tensor.to(torch.float32) / UINT8_MAX


def _to_uint8(pixels: Tensor) -> npt.NDArray[np.uint8]:
    scaled = (pixels.detach().cpu() * UINT8_MAX).round().clamp(0, UINT8_MAX)
    return scaled.to(torch.uint8).contiguous().numpy()

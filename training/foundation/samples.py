"""Make the README's picture: what a preset answers to a few requests, exactly as it comes, seed 1.

python -m training.foundation.samples --preset tiny --output docs/samples.png
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image as PILImage
from PIL import ImageDraw, ImageFont

from encoders.media import Audio, Image, Media, Video
from pipelines.any_to_any import AnyToAnyOutput, AnyToAnyPipeline
from training.foundation.mel import log_mel, picture

REQUESTS = (
    "draw a big red bell in a meadow", "draw a small blue boat in the sky", "draw a yellow star below a green house in the sky",
    "draw a purple tree to the left of an orange cat on a beach", "画一只夜晚的黄色小猫", "play a trumpet", "play a bird",
    "animate a red car moving right on a beach",
)  # fmt: skip
TILE, MARGIN, COLUMNS = 192, 16, 4
PAPER, INK = (255, 255, 255), (45, 45, 58)


def tile_of(media: Media) -> PILImage.Image:
    """Show a medium as a square picture: an image as it is, a sound as its log-mel, a video as eight frames."""
    if isinstance(media, Image):
        return _scaled(np.asarray(media.to_uint8()), TILE)
    if isinstance(media, Audio):
        columns = log_mel(media.waveform[:1])
        return _scaled(picture(columns)[0], TILE)
    assert isinstance(media, Video)
    frames = np.asarray(media.to_uint8())
    rows = [np.concatenate(list(frames[start : start + 3]), axis=1) for start in (0, 3)]
    last = np.concatenate([*frames[6:8], np.full_like(frames[0], 255)], axis=1)
    return _scaled(np.concatenate([*rows, last]), TILE)


def _scaled(pixels: np.ndarray, size: int) -> PILImage.Image:
    return PILImage.fromarray(pixels).resize((size, size), PILImage.Resampling.BICUBIC)


def main() -> None:
    """Ask the preset, and lay the answers out as a sheet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="tiny")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    pipe = AnyToAnyPipeline.from_pretrained(arguments.preset)
    rows = -(-len(REQUESTS) // COLUMNS)
    text_height = 52
    width = COLUMNS * (TILE + MARGIN) + MARGIN
    sheet = PILImage.new("RGB", (width, rows * (TILE + text_height + MARGIN) + MARGIN), PAPER)
    draw = ImageDraw.Draw(sheet)
    font = _font()
    for index, request in enumerate(REQUESTS):
        left = MARGIN + index % COLUMNS * (TILE + MARGIN)
        top = MARGIN + index // COLUMNS * (TILE + text_height + MARGIN)
        messages = [{"role": "user", "content": [{"type": "text", "text": request}]}]
        output = pipe(messages, generator=torch.Generator().manual_seed(1))
        assert isinstance(output, AnyToAnyOutput)
        media = [part for part in output.parts if isinstance(part, Image | Audio | Video)]
        if media:
            sheet.paste(tile_of(media[0]), (left, top))
        draw.multiline_text((left, top + TILE + 6), _wrapped(request), fill=INK, font=font, spacing=3)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(arguments.output)


def _wrapped(text: str, width: int = 30) -> str:
    lines, line = [], ""
    for word in text.split(" "):
        if line and len(line) + len(word) >= width:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}".strip()
    return "\n".join([*lines, line])


def _font() -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    for name in ("NotoSansCJK-Regular.ttc", "DejaVuSans.ttf"):
        try:
            return ImageFont.truetype(name, 13)
        except OSError:
            continue
    return ImageFont.load_default()


if __name__ == "__main__":
    main()

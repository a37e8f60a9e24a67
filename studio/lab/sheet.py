"""Lay out the lab's pictures: a sheet with names beside and above, and films of walks."""

from collections.abc import Sequence

import numpy as np
from PIL import Image as PILImage
from PIL import ImageDraw, ImageFont

from encoders.media import Image, Video
from studio.lab.explore import Sheet

CELL = 128  # pixels of a picture on a sheet, at least
MARGIN, LINE = 8, 14
FILM = 256  # pixels of a film, at least
PAPER, INK = (255, 255, 255), (45, 45, 58)


def lay_out(sheet: Sheet) -> Image:
    """Return a sheet as one picture; small pictures are enlarged by whole factors, so that their pixels show."""
    cells = [[_enlarged(image, CELL) for image in row] for row in sheet.rows]
    width = max(cell.width for row in cells for cell in row)
    height = max(cell.height for row in cells for cell in row)
    font = ImageFont.load_default()
    left = max((int(font.getlength(name)) for name in sheet.row_names), default=-MARGIN) + 2 * MARGIN
    top = MARGIN + (LINE if sheet.column_names else 0)
    columns = max(map(len, cells))
    size = (left + columns * (width + MARGIN), top + len(cells) * (height + MARGIN))
    page = PILImage.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(page)
    for number, name in enumerate(sheet.column_names):
        draw.text((left + number * (width + MARGIN), MARGIN // 2), name, fill=INK, font=font)
    for number, row in enumerate(cells):
        y = top + number * (height + MARGIN)
        if number < len(sheet.row_names):
            draw.text((MARGIN, y + height // 2 - LINE // 2), sheet.row_names[number], fill=INK, font=font)
        for place, cell in enumerate(row):
            page.paste(cell, (left + place * (width + MARGIN), y))
    return Image.from_uint8(np.asarray(page).copy())


def film(images: Sequence[Image], rate: float) -> Video:
    """Return pictures as a film of `rate` pictures a second, enlarged by a whole factor."""
    return Video.from_uint8(np.stack([np.asarray(_enlarged(image, FILM)) for image in images]), rate)


def _enlarged(image: Image, least: int) -> PILImage.Image:
    picture = PILImage.fromarray(image.to_uint8())
    factor = max(1, -(-least // picture.width))
    return picture.resize((picture.width * factor, picture.height * factor), PILImage.Resampling.NEAREST)

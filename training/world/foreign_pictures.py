"""Pictures of nothing in the world: landscapes, faces, pages, streets... each a function of a generator and a size."""

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.float64]


def landscape(rng: np.random.Generator, size: int) -> Pixels:
    """Ridges of hills behind one another, hazier the farther, under a cloudy sky."""
    height, _ = _grid(size)
    out = _blend(_colour(rng), _colour(rng), height)
    out = _blend(out, np.full(3, 0.95), rng.uniform(0.2, 0.8) * fractal(rng, size, 1.8) ** 2)
    haze, ground = out.mean((0, 1)), _colour(rng)
    num_ridges = rng.integers(2, 6)
    for order in range(num_ridges):
        nearness = (order + 1) / num_ridges
        crest = (
            rng.uniform(0.25, 0.4)
            + 0.5 * order / num_ridges
            + rng.uniform(0.1, 0.4) * (fractal(rng, size, 2.2)[0] - 0.5)
        )
        texture = 0.6 + 0.8 * fractal(rng, size, rng.uniform(0.6, 1.4)) * nearness
        hill = _blend(haze, ground * rng.uniform(0.6, 1.2), np.full((size, size), nearness)) * texture[..., None]
        out = _blend(out, hill, _soft(height - crest, size))
    return out


def leaves(rng: np.random.Generator, size: int) -> Pixels:
    """Many shaded, textured bodies over one another, of all sizes, as in a close photograph of anything."""
    rows, columns = _grid(size)
    palette = [_colour(rng) for _ in range(rng.integers(2, 6))]
    textures = [fractal(rng, size, roughness) for roughness in (0.6, 1.0, 1.6)]
    out = palette[0] * textures[1][..., None]
    for _ in range(rng.integers(25, 60)):
        radius = 0.06 / rng.uniform(0.08, 1) ** 0.8
        body = _ellipse(size, rng.uniform(0, 1, 2), radius * rng.uniform(0.4, 1, 2), rng.uniform(0, np.pi))
        slope = 0.8 + rng.uniform(-0.6, 0.6) * (rows - 0.5) + rng.uniform(-0.6, 0.6) * (columns - 0.5)
        texture = np.roll(textures[rng.integers(3)], rng.integers(size, size=2), (0, 1)) - 0.5
        colour = palette[rng.integers(len(palette))] * rng.uniform(0.6, 1.3)
        out = _blend(out, colour * (slope + rng.uniform(0, 0.6) * texture)[..., None], body)
    return np.asarray(out)


def portrait(rng: np.random.Generator, size: int) -> Pixels:
    """A face-like head with hair, eyes, mouth and shoulders before a blurred background, lit from one side."""
    _, columns = _grid(size)
    out = _tint(rng, fractal(rng, size, 2.4))
    skin = np.array([0.95, 0.75, 0.62]) * rng.uniform(0.35, 1.05)
    x, y, width = rng.uniform(0.4, 0.6), rng.uniform(0.4, 0.5), rng.uniform(0.15, 0.25)
    out = _blend(out, _colour(rng) * 0.8, _ellipse(size, (1.08, x), (0.36, 2 * width), 0))
    hair = np.array([0.45, 0.3, 0.18]) * rng.uniform(0.1, 1.6)
    out = _blend(out, hair, _ellipse(size, (y - 0.06, x), (1.45 * width, 1.2 * width), 0))
    out = _blend(out, 0.8 * skin, _ellipse(size, (y + 1.5 * width, x), (0.6 * width, 0.5 * width), 0))
    light = (0.9 + rng.uniform(-1.2, 1.2) * (columns - x) + 0.15 * (fractal(rng, size, 1.5) - 0.5))[..., None]
    out = _blend(out, skin * light, _ellipse(size, (y, x), (1.3 * width, width), rng.uniform(-0.15, 0.15)))
    for eye in (-1, 1):
        centre = (y - 0.15 * width, x + eye * 0.42 * width)
        out = _blend(out, np.full(3, 0.85), _ellipse(size, centre, (0.1 * width, 0.2 * width), 0))
        out = _blend(out, hair * 0.5, _ellipse(size, centre, (0.1 * width, 0.1 * width), 0))
        out = _blend(out, hair, _ellipse(size, (centre[0] - 0.26 * width, centre[1]), (0.05 * width, 0.25 * width), 0))
    out = _blend(out, skin * 0.7, _ellipse(size, (y + 0.3 * width, x), (0.14 * width, 0.12 * width), 0))
    lips = skin * np.array([0.85, 0.5, 0.5])
    return _blend(out, lips, _ellipse(size, (y + 0.7 * width, x), (rng.uniform(0.06, 0.16) * width, 0.4 * width), 0))


def clouds(rng: np.random.Generator, size: int) -> Pixels:
    """Noise of every size in a few colours, as rough as photographs are on average."""
    out = _tint(rng, fractal(rng, size, rng.uniform(0.9, 2.2)))
    return _blend(
        out, _tint(rng, fractal(rng, size, 1.2)), _soft(fractal(rng, size, 1.8) - rng.uniform(0.4, 0.7), size)
    )


def page(rng: np.random.Generator, size: int) -> Pixels:
    """A printed page or a screen: lines of dark words, a heading, perhaps a picture."""
    paper, ink = np.full(3, rng.uniform(0.85, 1)), _colour(rng) * 0.4
    if rng.uniform() < 0.3:
        paper, ink = ink * 0.5, paper
    out = np.broadcast_to(paper, (size, size, 3)).copy()
    pitch, row = int(rng.integers(3, 6)), int(rng.integers(3, 8))
    while row < size - 4:
        column = int(rng.integers(3, 6))
        while column < size - rng.integers(4, 16):
            end = min(column + int(rng.integers(2, 10)), size - 3)
            strokes = rng.uniform(0.2, 1, (max(pitch - 2, 1), end - column, 1))
            out[row : row + len(strokes), column:end] = paper + (ink - paper) * strokes
            column = end + 2
        row += pitch if rng.uniform() < 0.85 else 2 * pitch
    if rng.uniform() < 0.5:
        edge, at = size // 3, rng.integers(3, size // 2, 2)
        out[at[0] : at[0] + edge, at[1] : at[1] + edge] = leaves(rng, edge)
    return out


def checkerboard(rng: np.random.Generator, size: int) -> Pixels:
    """Tiles, turned and seen in perspective, with worn surfaces."""
    rows, columns = _grid(size)
    depth = 1 + rng.uniform(-0.5, 0.5) * (rows - 0.5) + rng.uniform(-0.5, 0.5) * (columns - 0.5)
    angle, scale = rng.uniform(0, np.pi), rng.uniform(3, 12)
    across = (np.cos(angle) * rows + np.sin(angle) * columns) * scale / depth
    along = (np.cos(angle) * columns - np.sin(angle) * rows) * scale / depth
    tiles = (np.floor(across) + np.floor(along)) % 2
    worn = 0.7 + 0.6 * fractal(rng, size, 1.3)
    return _blend(_colour(rng), _colour(rng), tiles) * worn[..., None]


def scraps(rng: np.random.Generator, size: int) -> Pixels:
    """Straight-edged scraps of paper over one another, plain or striped: a collage, a chart, a flag."""
    rows, columns = _grid(size)
    out = np.broadcast_to(_colour(rng), (size, size, 3))
    for _ in range(rng.integers(4, 16)):
        angles = rng.uniform(0, 2 * np.pi, int(rng.integers(1, 4)))
        centre = rng.uniform(0, 1, 2)
        sides = [
            np.cos(angle) * (rows - centre[0]) + np.sin(angle) * (columns - centre[1]) + rng.uniform(0.03, 0.3)
            for angle in angles
        ]
        stripes = np.sin((rows * rng.uniform(-40, 40) + columns * rng.uniform(-40, 40)) * (rng.uniform() < 0.4)) >= 0
        out = _blend(out, _colour(rng), _soft(np.min(sides, axis=0), size) * stripes)
    return np.asarray(out)


def scribble(rng: np.random.Generator, size: int) -> Pixels:
    """Strokes of a pen or a brush that wander over a sheet, thin or thick, in one or more colours."""
    rows, columns = _grid(size)
    out = np.broadcast_to(_colour(rng), (size, size, 3))
    steps = np.linspace(0, 1, 80)
    for _ in range(rng.integers(2, 9)):
        points = rng.uniform(-0.1, 1.1, (int(rng.integers(3, 8)), 2))
        path = np.stack([np.interp(steps, np.linspace(0, 1, len(points)), points[:, axis]) for axis in (0, 1)], axis=1)
        path = path + rng.uniform(0, 0.06) * np.sin(steps[:, None] * rng.uniform(5, 40, 2))
        distance = np.hypot(rows[..., None] - path[:, 0], columns[..., None] - path[:, 1]).min(-1)
        out = _blend(out, _colour(rng), _soft(rng.uniform(0.008, 0.05) - distance, size))
    return np.asarray(out)


def weave(rng: np.random.Generator, size: int) -> Pixels:
    """Cloth: threads or stripes that cross, of a few colours and widths."""
    rows, columns = _grid(size)
    angle = rng.uniform(-0.3, 0.3)
    across, down = columns + angle * rows, rows - angle * columns
    palette = np.array([_colour(rng) for _ in range(5)])
    stripes = [
        palette[(np.floor(where * rng.uniform(4, 30)) * rng.integers(1, 4) % len(palette)).astype(int)]
        for where in (across, down)
    ]
    over = ((np.floor(across * size / 2) + np.floor(down * size / 2)) % 2)[..., None]
    return np.asarray((stripes[0] * over + stripes[1] * (1 - over)) * (0.85 + 0.3 * fractal(rng, size, 1))[..., None])


def marble(rng: np.random.Generator, size: int) -> Pixels:
    """Veins of stone or the rings of wood: bands bent by noise."""
    rows, columns = _grid(size)
    straight = rows * rng.uniform(-8, 8) + columns * rng.uniform(-8, 8)
    rings = rng.uniform(5, 20) * np.hypot(rows - rng.uniform(-0.5, 1.5), columns - rng.uniform(-0.5, 1.5))
    bands = np.sin(np.pi * ((straight if rng.uniform() < 0.5 else rings) + rng.uniform(2, 7) * fractal(rng, size, 1.8)))
    return _tint(rng, 0.5 + 0.5 * bands) * (0.8 + 0.4 * fractal(rng, size, 0.8))[..., None]


def mosaic(rng: np.random.Generator, size: int) -> Pixels:
    """Cells around random points, with dark joints: stones, scales, stained glass."""
    rows, columns = _grid(size)
    num_cells = int(rng.integers(8, 50))
    points = rng.uniform(-0.1, 1.1, (num_cells, 2))
    distance = np.hypot(rows[..., None] - points[:, 0], columns[..., None] - points[:, 1])
    nearest = np.sort(distance, axis=-1)
    joints = _soft(nearest[..., 1] - nearest[..., 0] - rng.uniform(0.01, 0.04), size)
    palette = np.array([_colour(rng) for _ in range(4)])[rng.integers(4, size=num_cells)]
    cells = (
        palette[distance.argmin(-1)] * (1.15 - 2 * nearest[..., :1]) * (0.8 + 0.4 * fractal(rng, size, 1))[..., None]
    )
    return _blend(np.full(3, rng.uniform(0, 0.3)), cells, joints)


def street(rng: np.random.Generator, size: int) -> Pixels:
    """Blocks of buildings with rows of windows, above a road."""
    height, across = _grid(size)
    out = _blend(_colour(rng), np.full(3, 0.9), height)
    edge = -0.1
    while edge < 1:
        width, top = rng.uniform(0.12, 0.35), rng.uniform(0.05, 0.6)
        wall = _colour(rng) * (0.8 + 0.3 * fractal(rng, size, 1.2))[..., None]
        windows = (np.sin((across - edge) * 2 * np.pi * rng.integers(2, 5) / width) > 0) & (
            np.sin(height * rng.uniform(35, 70)) > 0.1
        )
        wall = _blend(wall, _colour(rng) * rng.uniform(0.3, 1.2), 0.85 * windows.astype(float))
        out = _blend(out, wall, ((across > edge) & (across < edge + width) & (height > top)).astype(float))
        edge += width * rng.uniform(0.8, 1.1)
    road = np.full(3, rng.uniform(0.2, 0.45)) * (0.8 + 0.4 * fractal(rng, size, 0.8))[..., None]
    return _blend(out, road, _soft(height - rng.uniform(0.75, 0.9), size))


def lights(rng: np.random.Generator, size: int) -> Pixels:
    """Blurred lamps, as discs that add up, in the dark."""
    out = 0.15 * _tint(rng, fractal(rng, size, 2))
    palette = [_colour(rng) for _ in range(3)]
    for _ in range(rng.integers(8, 30)):
        radius = rng.uniform(0.03, 0.12)
        disc = _ellipse(size, rng.uniform(0, 1, 2), (radius, radius), 0) * rng.uniform(0.2, 0.9)
        out = out + disc[..., None] * palette[rng.integers(3)]
    return np.asarray(np.clip(out, 0, 1))


def static(rng: np.random.Generator, size: int) -> Pixels:
    """Independent noise in blocks of 1 to 8 pixels: an untuned screen, in grey or in colour."""
    block = int(rng.choice([1, 1, 2, 4, 8]))
    cells = rng.uniform(0, 1, (-(-size // block), -(-size // block), int(rng.choice([1, 3]))))
    return np.asarray(np.broadcast_to(cells.repeat(block, 0).repeat(block, 1)[:size, :size], (size, size, 3)))


def fractal(rng: np.random.Generator, size: int, roughness: float) -> Pixels:
    """Noise whose amplitude falls with frequency to the power of `roughness`, (size, size), stretched to [0, 1]."""
    frequency = np.hypot(np.fft.fftfreq(2 * size)[:, None], np.fft.rfftfreq(2 * size))
    frequency[0, 0] = np.inf
    noise = rng.standard_normal((*frequency.shape, 2)) @ np.array([1, 1j])
    field = np.fft.irfft2(noise / frequency**roughness, (2 * size, 2 * size))[:size, :size]
    return np.asarray((field - field.min()) / (field.max() - field.min()))


def _grid(size: int) -> tuple[Pixels, Pixels]:
    """Row and column of every pixel, from 0 to 1, (size, size) each."""
    rows, columns = np.meshgrid(np.linspace(0, 1, size), np.linspace(0, 1, size), indexing="ij")
    return rows, columns


def _colour(rng: np.random.Generator) -> Pixels:
    """A colour as muted as those of photographs mostly are, (3,)."""
    return np.asarray(np.clip(rng.uniform(0.1, 0.95) + rng.normal(0, 1, 3) * rng.choice([0.05, 0.12, 0.25]), 0, 1))


def _tint(rng: np.random.Generator, field: Pixels) -> Pixels:
    """Map a field (H, W) in [0, 1] to a run of random colours, (H, W, 3)."""
    num_colours = int(rng.integers(2, 6))
    palette = np.array([_colour(rng) for _ in range(num_colours)])
    steps = np.linspace(0, 1, num_colours)
    return np.stack([np.interp(field, steps, palette[:, channel]) for channel in range(3)], axis=-1)


def _blend(below: Pixels, above: Pixels, mask: Pixels) -> Pixels:
    """Cover `below` with `above`, both (3,) or (H, W, 3), where mask (H, W) is 1."""
    return np.asarray(below + (above - below) * mask[..., None])


def _soft(inside: Pixels, size: int) -> Pixels:
    """Turn a signed distance in picture widths into a mask with an edge about one pixel wide."""
    return np.asarray(np.clip(inside * size + 0.5, 0, 1))


def _ellipse(
    size: int,
    centre: NDArray[np.float64] | tuple[float, float],
    radii: NDArray[np.float64] | tuple[float, float],
    angle: float,
) -> Pixels:
    rows, columns = _grid(size)
    rows, columns = rows - centre[0], columns - centre[1]
    down = np.cos(angle) * rows + np.sin(angle) * columns
    along = np.cos(angle) * columns - np.sin(angle) * rows
    return _soft((1 - np.hypot(down / radii[0], along / radii[1])) * min(radii), size)

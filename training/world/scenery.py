"""Draw the four backgrounds of the world as SVG: large smooth shapes, with a few places that vary."""

import random


def scenery_svg(name: str, variant: int) -> str:
    """Draw a variant of a background, always the same for the same arguments, in a 64 x 64 viewBox."""
    rng = random.Random(f"{name} {variant}")
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64">{_DRAWINGS[name](rng)}</svg>'


def _sky(rng: random.Random) -> str:
    places = [(rng.uniform(8, 18), 10), (rng.uniform(44, 56), 20), (rng.uniform(10, 24), 44), (rng.uniform(42, 56), 56)]
    return _rect(0, 64, "#a9d8f8") + "".join(
        _cloud(x, y + rng.uniform(-3, 3), rng.uniform(0.8, 1.1)) for x, y in places
    )


def _meadow(rng: random.Random) -> str:
    hill = rng.uniform(26, 31), rng.uniform(23, 29), rng.uniform(27, 32)
    ground = f'<path d="M0 {hill[0]} Q32 {hill[1]} 64 {hill[2]} V64 H0 Z" fill="#ace074"/>'
    tufts = (_tuft(x + rng.uniform(-5, 5), rng.uniform(38, 60)) for x in (8, 24, 40, 56))
    return _rect(0, 64, "#e4f4f4") + ground + "".join(tufts)


def _beach(rng: random.Random) -> str:
    shore = rng.uniform(32, 35)
    bend = shore + rng.uniform(-2, 4)
    sand = f'<path d="M0 {shore} Q32 {bend} 64 {shore} V64 H0 Z" fill="#ead0a0"/>'
    foam = f'<path d="M0 {shore} Q32 {bend} 64 {shore}" fill="none" stroke="#ffffff" stroke-width="2"/>'
    return _rect(0, 64, "#fdf3cf") + _rect(22, 20, "#5fc6cf") + sand + foam


def _night(rng: random.Random) -> str:
    hill = rng.uniform(48, 52), rng.uniform(44, 50), rng.uniform(48, 53)
    ground = f'<path d="M0 {hill[0]} Q32 {hill[1]} 64 {hill[2]} V64 H0 Z" fill="#191d42"/>'
    # One star at most in each cell of a grid, and none where a moon may hang.
    cells = rng.sample([(x, y) for x in range(4) for y in range(3) if y or x in (1, 2)], 7)
    stars = "".join(
        f'<circle cx="{x * 16 + rng.uniform(4, 12)}" cy="{y * 15 + rng.uniform(3, 12)}" r="1.1" fill="#f4f0c8"/>'
        for x, y in cells
    )
    x, y = rng.choice((10, 52)) + rng.uniform(-2, 2), rng.uniform(9, 13)
    moon = f'<path d="M{x} {y - 6} A6.5 6.5 0 1 0 {x + 6} {y + 4} A6.5 6.5 0 0 1 {x} {y - 6} Z" fill="#f4f0c8"/>'
    return _rect(0, 64, "#2d3468") + stars + moon + ground


def _rect(top: float, height: float, fill: str) -> str:
    return f'<rect x="0" y="{top}" width="64" height="{height}" fill="{fill}"/>'


def _cloud(x: float, y: float, scale: float) -> str:
    puffs = ((-6, 1, 4), (0, -1, 6), (7, 1, 4))
    circles = "".join(f'<circle cx="{cx}" cy="{cy}" r="{r}"/>' for cx, cy, r in puffs)
    return f'<g transform="translate({x} {y}) scale({scale})" fill="#ffffff">{circles}</g>'


def _tuft(x: float, y: float) -> str:
    return (
        f'<path d="M{x - 3} {y - 3} L{x - 1} {y} L{x} {y - 5} L{x + 1} {y} L{x + 3} {y - 3} V{y + 1} H{x - 3} Z"'
        ' fill="#84c054"/>'
    )


_DRAWINGS = {"sky": _sky, "meadow": _meadow, "beach": _beach, "night": _night}

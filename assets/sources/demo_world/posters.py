"""Drawn posters: the topic gives colours and shape, the style the layout, the item position, size and light."""

import colorsys
import io
import math

import numpy as np
from PIL import Image, ImageDraw

from assets.sources.demo_world.words import TOPICS

SIZE = 96
"""Width and height of a poster in pixels."""

SIDES = (0, 3, 4, 5, 6, 8)
"""Corners of a topic's shape; 0 is a disc."""

Point = tuple[float, float]


def poster(topic: int, style: int, draw: np.random.Generator) -> bytes:
    """A 96 x 96 RGB poster as JPEG bytes."""
    hue = (topic / len(TOPICS) + draw.normal(0, 0.012)) % 1
    light = draw.uniform(0.75, 1.0)
    ground = _colour(hue, 0.55, 0.45 * light)
    shape = _colour(hue + 0.5 + 0.12 * (topic % 3), 0.85, light)
    image = Image.new("RGB", (SIZE, SIZE), ground)
    canvas = ImageDraw.Draw(image)
    _band(canvas, style, _colour(hue + 0.08, 0.3, 0.8 * light), draw)
    turn = draw.uniform(0, 0.7)
    for centre, radius in _layout(style, draw):
        _shape(canvas, SIDES[topic % len(SIDES)], topic >= len(TOPICS) // 2, centre, radius, turn, shape, ground)
    encoded = io.BytesIO()
    image.save(encoded, "JPEG", quality=85)
    return encoded.getvalue()


def _layout(style: int, draw: np.random.Generator) -> list[tuple[Point, float]]:
    """Centres and radii of the shapes, in pixels."""
    jitter = draw.normal(0, 2.5, 2)
    grow = draw.uniform(0.85, 1.15)
    fixed: dict[int, tuple[list[Point], float]] = {
        0: ([(28, 30), (68, 30), (48, 68)], 17),
        1: ([(48, 48)], 34),
        2: ([(18 + 20 * i, 18 + 20 * i) for i in range(4)], 12),
        3: ([(32, 50), (64, 50)], 21),
        4: ([(20 + 28 * i, 20 + 28 * j) for i in range(3) for j in range(3)], 10),
        5: ([(48, 70)], 20),
    }
    centres, radius = fixed[style]
    return [((x + jitter[0], y + jitter[1]), radius * grow) for x, y in centres]


def _band(canvas: ImageDraw.ImageDraw, style: int, colour: tuple[int, int, int], draw: np.random.Generator) -> None:
    """A lighter band across the ground: upright for odd styles, level for even ones."""
    start = draw.uniform(5, 60)
    end = start + draw.uniform(10, 25)
    box = (start, 0, end, SIZE) if style % 2 else (0, start, SIZE, end)
    canvas.rectangle(box, fill=colour)


def _shape(
    canvas: ImageDraw.ImageDraw,
    sides: int,
    hollow: bool,
    centre: Point,
    radius: float,
    turn: float,
    colour: tuple[int, int, int],
    ground: tuple[int, int, int],
) -> None:
    for size, fill in ((radius, colour), (radius * 0.5, ground))[: 2 if hollow else 1]:
        if sides == 0:
            canvas.ellipse((centre[0] - size, centre[1] - size, centre[0] + size, centre[1] + size), fill=fill)
        else:
            canvas.regular_polygon((centre[0], centre[1], size), sides, rotation=math.degrees(turn), fill=fill)


def _colour(hue: float, saturation: float, value: float) -> tuple[int, int, int]:
    red, green, blue = colorsys.hsv_to_rgb(hue % 1, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)

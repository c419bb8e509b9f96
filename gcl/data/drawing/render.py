"""Draw a scene as the robot sees it: `render(scene, rng)` gives a small RGB picture.

Size and height in the picture show distance. The pose shows motion. People who come closer have a face and wide arms, people
who stand have folded arms. People who leave have a rucksack and no face. People who cross have a profile and a stride.
"""

import random

from PIL import Image, ImageDraw, ImageEnhance

from gcl.data.drawing.constellation import Person, Scene

WIDTH, HEIGHT = 168, 112  # units of the drawing
PIXELS = (96, 64)  # of the picture: 6 visual tokens, whether they stand for 28 or 32 pixels
HORIZON = 38
SUPERSAMPLING = 2

_LANE_X = {"left": -1.0, "ahead": 0.0, "right": 1.0}
# Places of the feet and heights of people, in drawing units.
_FEET_Y = {"near": (100, 110), "far": (62, 74)}
_BODY = {"near": (70, 84), "far": (36, 46)}
_SPREAD = {"near": 54, "far": 48}
_SHIRTS = ("#a63228", "#1f4e8c", "#1e6b42")
_SKINS = ("#f1c9a5", "#d9a066", "#b5794a")
_HAIRS = ("#1c1c1c", "#3a2415")
_TROUSERS = ("#2c2c3a", "#4b4036")
_FLOORS = ("#cdc8be", "#c9ccd0")
_SKIES = ("#dfe9f0", "#e6e3dc")
_WALLS = ("#7d6a5c", "#6f7480")


def render(scene: Scene, rng: random.Random) -> Image.Image:
    """Return the scene as an RGB image of `PIXELS`; colours, jitter and light come from `rng`."""
    s = SUPERSAMPLING
    image = Image.new("RGB", (WIDTH * s, HEIGHT * s), rng.choice(_SKIES))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, HORIZON * s, WIDTH * s, HEIGHT * s), fill=rng.choice(_FLOORS))
    wall = rng.choice(_WALLS)
    for side in ("left", "right"):
        if getattr(scene, side) == "wall":
            _draw_wall(draw, side, wall)
    _draw_ahead(draw, scene.ahead, rng)
    for person in sorted(scene.people, key=lambda p: -("near", "far").index(p.distance)):
        _draw_person(draw, person, rng)
    image = image.resize(PIXELS, Image.Resampling.BOX)
    return ImageEnhance.Brightness(image).enhance(rng.uniform(0.94, 1.04))


def _draw_wall(draw: ImageDraw.ImageDraw, side: str, colour: str) -> None:
    corners = [(0, 0), (26, HORIZON - 14), (26, HORIZON + 8), (0, HEIGHT - 6)]
    if side == "right":
        corners = [(WIDTH - x, y) for x, y in corners]
    draw.polygon(_scaled(corners), fill=colour, outline="#333333")


def _draw_ahead(draw: ImageDraw.ImageDraw, ahead: str, rng: random.Random) -> None:
    if ahead == "crossing":
        top = rng.randint(66, 70)
        for k in range(5):
            x = 40 + 20 * k
            draw.polygon(_scaled([(x, top), (x + 10, top), (x + 9, top + 20), (x - 4, top + 20)]), fill="#f7f7f7")
    elif ahead.endswith("door"):
        left, right, top = 62, 106, 6
        fill = "#6e4f2f" if ahead == "closed door" else "#fdf6d8"
        draw.rectangle(_scaled([(left, top), (right, HORIZON + 10)]), fill=fill, outline="#2b2b2b", width=4)
        if ahead == "closed door":
            middle = (left + right) // 2
            draw.line(_scaled([(middle, top), (middle, HORIZON + 10)]), fill="#2b2b2b", width=3)
            draw.rectangle(_scaled([(middle - 6, 26), (middle - 3, 32)]), fill="#e5c100")


def _draw_person(draw: ImageDraw.ImageDraw, person: Person, rng: random.Random) -> None:
    height = rng.uniform(*_BODY[person.distance])
    feet = rng.uniform(*_FEET_Y[person.distance])
    x = WIDTH / 2 + _LANE_X[person.lane] * _SPREAD[person.distance] + rng.uniform(-6, 6)
    top, head, half = feet - height, 0.17 * height, 0.19 * height
    neck, hips = top + 1.8 * head, feet - 0.34 * height
    shirt, trousers = rng.choice(_SHIRTS), rng.choice(_TROUSERS)
    skin, hair = rng.choice(_SKINS), rng.choice(_HAIRS)
    limb = max(2, round(0.09 * height * SUPERSAMPLING))
    facing = {"crossing left": -1, "crossing right": 1}.get(person.motion, 0)
    stride = {"standing": 0.04, "approaching": 0.1, "leaving": 0.1}.get(person.motion, 0.24) * height
    for sign in (-1, 1):
        draw.line(_scaled([(x, hips), (x + sign * stride, feet)]), fill=trousers, width=limb)
    width = 0.6 * half if facing else half
    draw.rectangle(_scaled([(x - width, neck), (x + width, hips)]), fill=shirt)
    if facing:  # an arm swings ahead
        draw.line(_scaled([(x, neck + head), (x + facing * 0.34 * height, neck + 0.8 * head)]), fill=skin, width=limb)
    elif person.motion == "leaving":  # a rucksack
        draw.rectangle(_scaled([(x - 0.8 * half, neck + 0.04 * height), (x + 0.8 * half, hips)]), fill="#2b2b2b")
    elif person.motion == "standing":  # arms folded
        draw.rectangle(_scaled([(x - half, neck + 0.08 * height), (x + half, neck + 0.18 * height)]), fill=skin)
    else:  # arms wide
        for sign in (-1, 1):
            draw.line(_scaled([(x + sign * half, neck + 2), (x + sign * 2 * half, hips)]), fill=skin, width=limb)
    draw.ellipse(_scaled([(x - head, top), (x + head, top + 2 * head)]), fill=hair)
    if facing:  # a profile
        draw.chord(
            _scaled([(x - head, top), (x + head, top + 2 * head)]),
            *((90, 270) if facing < 0 else (270, 450)),
            fill=skin,
        )
    elif person.motion != "leaving":  # a face below the hair
        draw.ellipse(_scaled([(x - 0.85 * head, top + 0.5 * head), (x + 0.85 * head, top + 2 * head)]), fill=skin)


def _scaled(points: list[tuple[float, float]]) -> list[tuple[int, int]]:
    return [(round(x * SUPERSAMPLING), round(y * SUPERSAMPLING)) for x, y in points]

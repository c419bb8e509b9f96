"""Draw a scene as the robot sees it: `render(scene, rng)` gives a small RGB picture.

Distance shows as size and height in the picture, motion as pose: a face for someone who comes closer or stands (apart
by the legs), the back of the head for someone who leaves, a profile and a stride for someone who crosses.
"""

import random

from PIL import Image, ImageDraw, ImageEnhance

from gcl.data.miniature.scene import Person, Scene

WIDTH, HEIGHT = 168, 112  # units of the drawing
PIXELS = (140, 84)  # of the picture: 15 visual tokens at 28 pixels each, 12 at 32
HORIZON = 38
SUPERSAMPLING = 2

_LANE_X = {"left": -1.0, "ahead": 0.0, "right": 1.0}
# Feet position and body height in drawing units; the ranges nearly touch, so distance has to be judged, not recognised.
_FEET_Y = {"near": (102, 110), "mid": (80, 88), "far": (60, 66)}
_BODY = {"near": (72, 82), "mid": (46, 54), "far": (28, 34)}
_SPREAD = {"near": 54, "mid": 48, "far": 40}
_SHIRTS = ("#a63228", "#1f4e8c", "#1e6b42")
_SKINS = ("#f1c9a5", "#d9a066", "#b5794a")
_HAIRS = ("#1c1c1c", "#3a2415")
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
    for person in sorted(scene.people, key=lambda p: -("near", "mid", "far").index(p.distance)):
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
    head, shirt_end = 0.11 * height, feet - 0.42 * height
    neck = feet - height + 2 * head
    half = 0.13 * height
    shirt, trousers = rng.choice(_SHIRTS), rng.choice(("#2c2c3a", "#4b4036", "#37474f"))
    skin, hair = rng.choice(_SKINS), rng.choice(_HAIRS)
    direction = {"crossing left": -1, "crossing right": 1}.get(person.motion, 0)
    stride = {"standing": 0.03, "approaching": 0.09, "leaving": 0.09}.get(person.motion, 0.2) * height
    leg = max(2, round(0.07 * height * SUPERSAMPLING))
    for sign in (-1, 1):
        draw.line(_scaled([(x, shirt_end), (x + sign * stride, feet)]), fill=trousers, width=leg)
    if direction:  # seen from the side: narrow body, swinging arm, profile with a nose
        draw.rectangle(_scaled([(x - 0.7 * half, neck), (x + 0.7 * half, shirt_end)]), fill=shirt)
        arm = x + direction * 0.24 * height
        draw.line(_scaled([(x, neck + head), (arm, shirt_end - head)]), fill=skin, width=leg)
    else:
        draw.rectangle(_scaled([(x - half, neck), (x + half, shirt_end)]), fill=shirt)
    top = feet - height
    draw.ellipse(_scaled([(x - head, top), (x + head, top + 2 * head)]), fill=hair if direction == 0 else skin)
    if direction:
        draw.pieslice(
            _scaled([(x - head, top), (x + head, top + 2 * head)]), 90 if direction > 0 else 270,
            270 if direction > 0 else 450, fill=hair,
        )  # fmt: skip
        nose = x + direction * head
        draw.polygon(_scaled([(nose, top + head), (nose + direction * head, top + 1.3 * head), (nose, top + 1.6 * head)]), fill=skin)
    elif person.motion == "leaving":  # a rucksack, no face
        draw.rectangle(_scaled([(x - 0.7 * half, neck + 0.06 * height), (x + 0.7 * half, shirt_end - 0.06 * height)]), fill="#3b3b3b")
    else:
        draw.ellipse(_scaled([(x - head, top + 0.5 * head), (x + head, top + 2 * head)]), fill=skin)
        if person.motion == "standing":  # arms folded
            draw.rectangle(_scaled([(x - half, neck + 0.1 * height), (x + half, neck + 0.17 * height)]), fill=skin)
        else:  # arms hang away from the body
            for sign in (-1, 1):
                draw.line(_scaled([(x + sign * half, neck), (x + sign * 1.9 * half, shirt_end)]), fill=skin, width=leg)


def _scaled(points: list[tuple[float, float]]) -> list[tuple[int, int]]:
    return [(round(x * SUPERSAMPLING), round(y * SUPERSAMPLING)) for x, y in points]

"""Actions drawn on a picture: `direction("Make a left turn.")` is "left"; `draw(picture, actions)` adds an arrow for each.

A few rules read directions from the words. Other words become a question mark. The words always stand beside the picture.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

WIDTH = 360  # of every picture in the gallery
# Where an arrow points, from its foot: right and up, in units of its length.
_POINTS = {
    "forward": (0.0, 1.0),
    "forward left": (-0.6, 0.8),
    "forward right": (0.6, 0.8),
    "left": (-1.0, 0.25),
    "right": (1.0, 0.25),
}
# A denied action, up to the end of the clause.
_DENIED = re.compile(
    r"\b(not|don't|doesn't|never|no need to|without|avoid|avoids|avoiding|instead of|rather than)\b"
    r".*?(?=\b(?:but|and|then|just)\b|[.,;:!]|$)"
)
_STOP = re.compile(r"\b(stop|stops|wait|waits|halt|halts|yield|yields|pause|stand still|remain|stay)\b")
_TURN = re.compile(r"\b(turn|turns|turning|rotate)\b")
_FORWARD = re.compile(r"\b(forward|straight|ahead|go on|going|proceed|continue|advance|onward)\b")


@dataclass(frozen=True)
class Mark:
    """How the actions of one source are drawn: letter and colour tell the same."""

    letter: str
    colour: str
    place: float  # of its foot, in widths of the picture


MARKS = {
    "ground truth": Mark("T", "#FFFFFF", 0.2),
    "SFT": Mark("S", "#56B4E9", 0.5),
    "GCL": Mark("G", "#E69F00", 0.8),
}


def direction(text: str) -> str:
    """Where an action leads: a direction, "stop", or "unclear"."""
    words = _DENIED.sub(" ", text.casefold().replace("’", "'"))
    if _STOP.search(words):
        return "stop"
    sides = [side for side in ("left", "right") if re.search(rf"\b{side}(wards?)?\b", words)]
    if len(sides) == 1:
        return sides[0] if _TURN.search(words) else f"forward {sides[0]}"
    return "forward" if not sides and _FORWARD.search(words) else "unclear"


def draw(picture: Image.Image, actions: Mapping[str, str]) -> Image.Image:
    """A copy of the picture, `WIDTH` pixels wide, with an arrow for each of `actions` (keys as in `MARKS`)."""
    size = (WIDTH, max(round(WIDTH * picture.height / picture.width), 1))
    drawn = picture.resize(size, Image.Resampling.LANCZOS)
    canvas = ImageDraw.Draw(drawn)
    for source, text in actions.items():
        _draw_one(canvas, drawn.size, MARKS[source], direction(text))
    return drawn


def _draw_one(canvas: ImageDraw.ImageDraw, size: tuple[int, int], mark: Mark, where: str) -> None:
    radius = 13
    foot = (mark.place * size[0], size[1] - radius - 4)
    if where in _POINTS:
        right, up = _POINTS[where]
        # Aside it stays clear of its neighbours' feet and of the picture's edge.
        length = min(0.42 * size[1], 0.16 * size[0] / max(abs(right), 0.1))
        tip = (foot[0] + right * length, foot[1] - up * length - radius)
        start = (foot[0] + right * radius, foot[1] - up * radius)
        _arrow(canvas, start, tip, mark.colour)
    _badge(canvas, foot, radius, mark)
    if where not in _POINTS:
        # Above its letter: a bar across the way for "stop", a question mark where the words name no direction.
        top = (foot[0], foot[1] - 2.2 * radius)
        if where == "stop":
            box = (top[0] - 17, top[1] - 5, top[0] + 17, top[1] + 5)
            canvas.rectangle(box, fill=mark.colour, outline="black", width=2)
        else:
            canvas.text(top, "?", mark.colour, _font(26), "mm", stroke_width=2, stroke_fill="black")


def _arrow(canvas: ImageDraw.ImageDraw, start: tuple[float, float], tip: tuple[float, float], colour: str) -> None:
    """A line with a head, on a black edge that keeps it visible on any picture."""
    along = (tip[0] - start[0], tip[1] - start[1])
    length = (along[0] ** 2 + along[1] ** 2) ** 0.5
    along = (along[0] / length, along[1] / length)
    across = (-along[1], along[0])

    def at(forth: float, aside: float) -> tuple[float, float]:
        return tip[0] + along[0] * forth + across[0] * aside, tip[1] + along[1] * forth + across[1] * aside

    canvas.line((start, at(-12, 0)), fill="black", width=9)
    canvas.polygon((at(4, 0), at(-19, 13), at(-19, -13)), fill="black")
    canvas.line((start, at(-12, 0)), fill=colour, width=5)
    canvas.polygon((tip, at(-16, 9), at(-16, -9)), fill=colour)


def _badge(canvas: ImageDraw.ImageDraw, centre: tuple[float, float], radius: int, mark: Mark) -> None:
    canvas.circle(centre, radius, fill=mark.colour, outline="black", width=2)
    canvas.text(centre, mark.letter, "black", _font(17), "mm", stroke_width=0.4, stroke_fill="black")


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The font that Pillow carries: the same on every machine."""
    return ImageFont.load_default(size)

"""Draw a state as a model sees it: `render(state)` gives a square RGB picture, 256 x 256 as in MGSD.

    FrozenLake     gymnasium's own picture, scaled with Lanczos' filter, as the released evaluation scales it
    Maze           black walls a quarter of a cell thick, white corridors, a yellow dot at the start, a blue one as target
    MiniBehaviour  black floor with grey lines, the agent a red triangle, the printer white, the table tan

The same state gives the same pixels. With one version of Pillow it gives the same file.
"""

from pathlib import Path

from PIL import Image, ImageDraw

from gcl.files import atomic_path
from gcl.planning.frozenlake import FrozenLake
from gcl.planning.maze import Maze
from gcl.planning.minibehaviour import MiniBehaviour
from gcl.planning.native import native
from gcl.planning.state import Cell, PlanningState

PIXELS = 256

BLACK, WHITE, YELLOW, BLUE = (0, 0, 0), (255, 255, 255), (255, 255, 0), (0, 0, 255)
THRESHOLD = (224, 224, 224)  # an opening between two cells of a maze, so that cells can be counted
AGENT, TABLE, LINE = (255, 24, 16), (181, 143, 96), (60, 60, 60)

Box = tuple[int, int, int, int]  # left, top, right, bottom; the last two are inside


def render(state: PlanningState, pixels: int = PIXELS) -> Image.Image:
    """Draw a state of any task, in RGB of `pixels` x `pixels`. Below 8 pixels a cell, things are hard to recognise."""
    if isinstance(state, FrozenLake):
        picture = native(state)
        return picture if picture.width == pixels else picture.resize((pixels, pixels), Image.Resampling.LANCZOS)
    return _draw_maze(state, pixels) if isinstance(state, Maze) else _draw_room(state, pixels)


def save_picture(picture: Image.Image, path: Path) -> None:
    """Write a PNG, whole or not at all."""
    with atomic_path(path) as temporary:
        picture.save(temporary, format="PNG")


def _box(state: PlanningState, cell: Cell, pixels: int) -> Box:
    """The pixels of a cell. Cells may differ by one pixel in size."""
    top, left = (index * pixels // state.size for index in cell)
    bottom, right = ((index + 1) * pixels // state.size - 1 for index in cell)
    return left, top, right, bottom


def _draw_maze(maze: Maze, pixels: int) -> Image.Image:
    picture = Image.new("RGB", (pixels, pixels), BLACK)
    draw = ImageDraw.Draw(picture)
    wall = max(2, pixels // maze.size // 4)
    near, far = wall // 2, wall - wall // 2  # a wall's share of the cell behind it, and of the one before it
    width = max(1, pixels // maze.size // 16)
    for row, openings in enumerate(maze.openings):
        for column, letters in enumerate(openings):
            left, top, right, bottom = _box(maze, (row, column), pixels)
            inner = (left + near, top + near, right - far, bottom - far)
            draw.rectangle(inner, fill=WHITE)
            if "R" in letters:
                draw.rectangle((inner[2], inner[1], right + near, inner[3]), fill=WHITE)
                draw.rectangle((right, inner[1], right + width - 1, inner[3]), fill=THRESHOLD)
            if "D" in letters:
                draw.rectangle((inner[0], inner[3], inner[2], bottom + near), fill=WHITE)
                draw.rectangle((inner[0], bottom, inner[2], bottom + width - 1), fill=THRESHOLD)
    for cell, colour in ((maze.start, YELLOW), (maze.target, BLUE)):
        left, top, right, bottom = _box(maze, cell, pixels)
        radius = max(2, (right + 1 - left - wall) // 4)
        x, y = (left + right) // 2, (top + bottom) // 2
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
    return picture


def _draw_room(room: MiniBehaviour, pixels: int) -> Image.Image:
    picture = Image.new("RGB", (pixels, pixels), BLACK)
    draw = ImageDraw.Draw(picture)
    for cell in room.table_cells:
        draw.rectangle(_box(room, cell, pixels), fill=TABLE)
    for index in range(room.size + 1):
        line = min(index * pixels // room.size, pixels - 1)
        draw.line((0, line, pixels, line), fill=LINE)
        draw.line((line, 0, line, pixels), fill=LINE)
    _draw_printer(draw, _box(room, room.printer, pixels))
    left, top, right, bottom = _box(room, room.agent, pixels)
    points = ((0.8, 0.5), (0.22, 0.2), (0.22, 0.8))  # it points to the right, but has no direction
    draw.polygon([(left + round(x * (right - left)), top + round(y * (bottom - top))) for x, y in points], fill=AGENT)
    return picture


def _draw_printer(draw: ImageDraw.ImageDraw, box: Box) -> None:
    """Paper above, the body, a tray below; a dark slot and a dark lamp in the body."""
    left, top, right, bottom = box

    def part(x1: float, y1: float, x2: float, y2: float) -> Box:
        width, height = right - left, bottom - top
        return left + round(x1 * width), top + round(y1 * height), left + round(x2 * width), top + round(y2 * height)

    for x, y1, y2 in ((0.32, 0.24, 0.42), (0.2, 0.38, 0.62), (0.3, 0.62, 0.78)):
        draw.rectangle(part(x, y1, 1 - x, y2), fill=WHITE)
    draw.rectangle(part(0.34, 0.55, 0.72, 0.57), fill=BLACK)
    draw.rectangle(part(0.27, 0.44, 0.31, 0.47), fill=BLACK)

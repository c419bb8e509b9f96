"""Pictures of states: gymnasium's own to the pixel, and the right colours in the right cells."""

import random
from io import BytesIO

import gymnasium
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from planning_cases import LAKE, MAZE, ROOM, lakes, mazes, rooms

from gcl.planning.draw import draw_state
from gcl.planning.frozenlake import FrozenLake
from gcl.planning.maze import Maze
from gcl.planning.native import native
from gcl.planning.state import MOVES, beside
from gcl.planning.state_pictures import AGENT, BLACK, BLUE, LINE, TABLE, THRESHOLD, WHITE, YELLOW, render, save_picture

LAKES = [
    LAKE,
    FrozenLake(("HG", "SF")),
    *(draw_state("frozenlake", level, random.Random(level)) for level in (3, 5, 7, 8, 10)),
]


@pytest.mark.parametrize("lake", LAKES, ids=lambda lake: str(lake.size))
def test_the_native_picture_is_that_of_gymnasium(lake):
    environment = gymnasium.make("FrozenLake-v1", desc=list(lake.rows), is_slippery=False, render_mode="rgb_array")
    environment.reset(seed=0)
    expected = environment.render()
    environment.close()
    assert expected.shape == (min(64 * lake.size, 512), min(64 * lake.size, 512), 3)
    assert np.array_equal(np.asarray(native(lake)), expected)


def test_closing_an_environment_of_gymnasium_meanwhile_does_no_harm():
    before = native(LAKE)
    environment = gymnasium.make("FrozenLake-v1", render_mode="rgb_array")
    environment.reset()
    environment.render()
    environment.close()
    assert native(LAKE) == before


def test_a_lake_for_the_model_is_the_native_picture_scaled():
    expected = native(LAKES[-2]).resize((256, 256), Image.Resampling.LANCZOS)
    assert render(LAKES[-2]) == expected
    assert render(LAKE) == native(LAKE)  # 4 x 64 pixels already


@settings(max_examples=15)
@given(lakes(5))
def test_cells_of_one_kind_look_alike_and_others_do_not(lake):
    picture = np.asarray(native(lake))
    tiles = {
        letter: {picture[64 * r : 64 * r + 64, 64 * c : 64 * c + 64].tobytes() for r, c in lake.cells(letter)}
        for letter in "SGHF"
    }
    assert all(len(tiles[letter]) == min(1, len(lake.cells(letter))) for letter in tiles)
    assert len(set.union(*tiles.values())) == len(set("".join(lake.rows)))


def centre(state, cell, pixels):
    """(x, y) of the middle of a cell, as Image.getpixel wants it."""
    row, column = cell
    return int((column + 0.5) * pixels / state.size), int((row + 0.5) * pixels / state.size)


@settings(max_examples=30)
@given(mazes(), st.sampled_from([96, 100, 256]))
def test_a_maze_is_white_where_it_is_open_and_black_where_it_is_not(maze, pixels):
    picture = render(maze, pixels)
    assert picture.size == (pixels, pixels) and picture.mode == "RGB"
    for row in range(maze.size):
        for column in range(maze.size):
            cell = (row, column)
            x, y = centre(maze, cell, pixels)
            dot = {maze.start: YELLOW, maze.target: BLUE}.get(cell, WHITE)
            assert picture.getpixel((x, y)) == dot
            for move in MOVES:
                near = beside(cell, move)
                if maze.inside(near):
                    x2, y2 = centre(maze, near, pixels)
                    way = {picture.getpixel((x + (x2 - x) * k // 60, y + (y2 - y) * k // 60)) for k in range(60)}
                    assert (BLACK in way) == (move not in maze.openings[row][column])
                    assert (THRESHOLD in way) == (move in maze.openings[row][column])
    edge = np.asarray(picture)
    assert not edge[0].any() and not edge[-1].any() and not edge[:, 0].any() and not edge[:, -1].any()


def test_the_dots_of_a_maze_are_as_many_pixels_each():
    colours = {colour: count for count, colour in render(MAZE).getcolors()}
    assert set(colours) == {BLACK, WHITE, YELLOW, BLUE, THRESHOLD}
    assert colours[YELLOW] == colours[BLUE] > 300


@settings(max_examples=30)
@given(rooms(), st.sampled_from([96, 100, 256]))
def test_a_room_has_the_colours_of_its_things(room, pixels):
    picture = render(room, pixels)
    assert picture.size == (pixels, pixels) and picture.mode == "RGB"
    array = np.asarray(picture)
    expected = {cell: {TABLE} for cell in room.table_cells} | {room.agent: {AGENT, BLACK}, room.printer: {WHITE, BLACK}}
    for row in range(room.size):
        for column in range(room.size):
            top, bottom = (index * pixels // room.size for index in (row, row + 1))
            left, right = (index * pixels // room.size for index in (column, column + 1))
            tile = array[top + 1 : bottom - 1, left + 1 : right - 1].reshape(-1, 3)
            assert {tuple(map(int, colour)) for colour in np.unique(tile, axis=0)} == expected.get(
                (row, column), {BLACK}
            )
    assert picture.getpixel(centre(room, room.agent, pixels)) == AGENT
    assert picture.getpixel((0, 0)) == LINE


@pytest.mark.parametrize("state", [LAKE, MAZE, ROOM], ids=lambda state: state.task)
def test_the_same_state_gives_the_same_file(tmp_path, state):
    for name in ("a.png", "b.png"):
        save_picture(render(state, 96), tmp_path / name)
    data = (tmp_path / "a.png").read_bytes()
    assert data == (tmp_path / "b.png").read_bytes()
    assert Image.open(BytesIO(data)).tobytes() == render(state, 96).tobytes()


def test_states_that_differ_look_different():
    pictures = {render(Maze(MAZE.openings, start, target)).tobytes() for start, target in
                [((0, 0), (2, 2)), ((2, 2), (0, 0)), ((0, 0), (2, 1))]}  # fmt: skip
    assert len(pictures) == 3

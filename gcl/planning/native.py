"""FrozenLake as gymnasium draws it, 64 pixels a cell: `native(lake)`. VSP's test set has these pictures.

The project requires gymnasium 1.3, because 1.4 has other sprites. pygame draws into memory and needs no screen.
"""

import os

from PIL import Image

from gcl.planning.frozenlake import FrozenLake

# pygame reads these at import: no window, no sound, no greeting.
_HEADLESS = {"SDL_VIDEODRIVER": "dummy", "SDL_AUDIODRIVER": "dummy", "PYGAME_HIDE_SUPPORT_PROMPT": "1"}


def native(lake: FrozenLake) -> Image.Image:
    """The first frame of gymnasium's environment, in RGB. Gymnasium shrinks lakes of more than 8 x 8 cells to 512 pixels."""
    for name, value in _HEADLESS.items():
        os.environ.setdefault(name, value)
    from gymnasium.envs.toy_text.frozen_lake import FrozenLakeEnv

    # gymnasium.make draws the same picture, but takes eight times as long.
    environment = FrozenLakeEnv(desc=list(lake.rows), is_slippery=False, render_mode="rgb_array")
    environment.reset()
    return Image.fromarray(environment.render())

"""FrozenLake as gymnasium itself draws it: `native(lake)`, 64 pixels a cell. The pictures of VSP's test set are these.

Sprites changed with gymnasium 1.4: the project asks for 1.3. pygame draws into memory and needs no screen.
"""

import os

from PIL import Image

from gcl.planning.frozenlake import FrozenLake

# Read when pygame is imported: no window, no sound, no greeting among the output of programs.
_HEADLESS = {"SDL_VIDEODRIVER": "dummy", "SDL_AUDIODRIVER": "dummy", "PYGAME_HIDE_SUPPORT_PROMPT": "1"}


def native(lake: FrozenLake) -> Image.Image:
    """The first frame of gymnasium's environment.

    Returns:
        RGB, 64 pixels a cell; gymnasium shrinks the cells of lakes of more than 8 x 8 so that they fit into 512 pixels.
    """
    for name, value in _HEADLESS.items():
        os.environ.setdefault(name, value)
    from gymnasium.envs.toy_text.frozen_lake import FrozenLakeEnv

    # The class itself: gymnasium.make wraps it, draws the same, and takes eight times as long.
    environment = FrozenLakeEnv(desc=list(lake.rows), is_slippery=False, render_mode="rgb_array")
    environment.reset()
    return Image.fromarray(environment.render())

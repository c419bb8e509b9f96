"""Planning tasks with drawn states, also known in symbols: FrozenLake, Maze, MiniBehaviour (MGSD, arXiv 2606.06076)."""

"""Planning tasks whose states are drawn and known in symbols: FrozenLake, Maze, MiniBehaviour (MGSD, arXiv 2606.06076)."""

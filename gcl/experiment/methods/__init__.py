"""One file a method: the members of a run, their objective, the start of each, and their data."""

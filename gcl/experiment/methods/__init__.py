"""One file a method: which members a run has, their objective, where each starts, and what they are fed."""

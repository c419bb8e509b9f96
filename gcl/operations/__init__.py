"""Checks before and during runs: their costs, the state of the machine, the progress of each run."""

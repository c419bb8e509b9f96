"""The experiment: settings, runs, and the list of all runs. Nothing here imports torch."""

"""What is to be run: settings, runs, and the list of all of them. Nothing here imports torch."""

"""The metrics, one file each, named like the metric; gcl/evaluation/scorer.py says what such a file holds."""

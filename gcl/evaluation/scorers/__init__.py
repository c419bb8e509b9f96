"""The metrics, one file each, named like the metric. gcl/evaluation/scorer.py describes such a file."""

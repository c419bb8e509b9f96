"""Train a competitive group of one or more members."""

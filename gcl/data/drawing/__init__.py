"""Drawn social scenes: the built-in data of the miniature scale, in the raw formats of SNEI and MUSON."""

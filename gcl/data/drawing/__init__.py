"""Drawn social scenes: the embedded data of the miniature scale, written in the raw formats of SNEI and MUSON."""

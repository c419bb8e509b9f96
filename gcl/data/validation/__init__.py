"""Checks of a raw folder before training: errors that stop it, warnings to judge, and a page to look at."""

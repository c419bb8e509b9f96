"""Figures from metrics files, losses and test scenes."""

"""Trained members for robots: written in smaller formats, loaded and asked there, measured."""

"""A member behind HTTP: `gcl serve`."""

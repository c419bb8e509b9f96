"""From a number back to its causes, and from one run to another."""

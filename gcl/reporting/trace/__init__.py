"""From a number back to all that it rests on, and from one run to another."""

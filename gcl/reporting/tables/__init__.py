"""Tables from metrics files."""

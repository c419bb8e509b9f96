"""The `gcl` command."""

"""The experiment for the Snakefile and the rules in workflow/. Nothing here imports torch."""

"""What the Snakefile and the rules in workflow/ ask of the experiment. Nothing here imports torch."""

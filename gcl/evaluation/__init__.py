"""Generate answers from exported weights and score them."""

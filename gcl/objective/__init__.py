"""The Group Competitive Objective: supervised loss, Global Semantic Loss, Distributional Regularization Loss."""

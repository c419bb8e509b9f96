"""Before and while runs are made: what they will take, whether the machine is fit, where each stands."""

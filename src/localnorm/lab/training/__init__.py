"""Training of one trial: loop, learning-rate schedule, pruning, linear probe."""

"""Learning curves over learning rates, batch sizes and optimizers."""

"""Several copies of a model trained as one stacked model."""
